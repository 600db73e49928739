/* Backtraces of harts in the hypervisor: see unwind.h. */
#include "cli/unwind.h"
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#define REGISTER_RA 1
#define REGISTER_SP 2
#define STACK_MAX   16 /* of expressions */

struct unwind_frame unwind_first(u64 pc, const u64 x[32])
{
	struct unwind_frame f = { .pc = pc, .known = ~0u, .is_exact = true };

	memcpy(f.x, x, sizeof(f.x));
	f.x[0] = 0;
	return f;
}

u64 unwind_place(const struct unwind *u, const struct unwind_frame *f)
{
	/* A call that does not return may be the last instruction of its function. */
	return f->pc - u->slot_base - !f->is_exact;
}

bool unwind_is_inside(const struct unwind *u, const struct unwind_frame *f)
{
	return unwind_place(u, f) < u->slot_size;
}

/* ---- Expressions ---- */

struct stack {
	const struct unwind *u;
	const struct unwind_frame *f;
	u64 cfa;
	u64 values[STACK_MAX];
	size_t depth;
	bool is_value; /* DW_OP_stack_value */
};

static bool push(struct stack *s, u64 value)
{
	if (s->depth == STACK_MAX)
		return false;
	s->values[s->depth++] = value;
	return true;
}

static bool push_register(struct stack *s, u64 number, u64 offset)
{
	return number < 32 && s->f->known & 1u << number && push(s, s->f->x[number] + offset);
}

static bool read_word(const struct unwind *u, u64 address, u64 *value)
{
	return address % sizeof(*value) == 0 && u->memory(u->arg, address, value, sizeof(*value));
}

/* One operation of those that compilers and our assembler files use. */
static bool evaluate_op(struct stack *s, const Dwarf_Op *op)
{
	u64 *top = s->depth ? &s->values[s->depth - 1] : NULL;

	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_register(s, op->atom - DW_OP_breg0, op->number);
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(s, op->atom - DW_OP_lit0);
	switch (op->atom) {
	case DW_OP_bregx:
		return push_register(s, op->number, op->number2);
	case DW_OP_call_frame_cfa:
		return push(s, s->cfa);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(s, op->number);
	case DW_OP_plus_uconst:
		return top && (*top += op->number, true);
	case DW_OP_deref:
		return top && read_word(s->u, *top, top);
	case DW_OP_plus:
	case DW_OP_minus:
		if (s->depth < 2)
			return false;
		s->depth--;
		s->values[s->depth - 1] = op->atom == DW_OP_plus ? top[-1] + top[0] : top[-1] - top[0];
		return true;
	case DW_OP_stack_value:
		s->is_value = true;
		return true;
	default:
		return false;
	}
}

/* An address, or a value if *is_value. */
static bool evaluate(const struct unwind *u, const struct unwind_frame *f, u64 cfa, const Dwarf_Op *ops,
		     size_t count, u64 *result, bool *is_value)
{
	struct stack s = { .u = u, .f = f, .cfa = cfa };

	for (size_t i = 0; i < count; i++)
		if (!evaluate_op(&s, &ops[i]))
			return false;
	if (!s.depth)
		return false;
	*result = s.values[s.depth - 1];
	*is_value = s.is_value;
	return true;
}

/* ---- Frames ---- */

/* What register `number` of the caller was. False if that is not known. */
static bool recover(const struct unwind *u, const struct unwind_frame *f, Dwarf_Frame *rules, int number,
		    u64 cfa, u64 *value)
{
	Dwarf_Op memory[3], *ops;
	size_t count;
	bool is_value;

	if (dwarf_frame_register(rules, number, memory, &ops, &count) < 0)
		return false;
	if (!count && ops)
		return false; /* undefined */
	if (!count) {
		/* The same value; the stack pointer is what it was before the frame. */
		if (number == REGISTER_SP)
			*value = cfa;
		else if (number < 32 && f->known & 1u << number)
			*value = f->x[number];
		else
			return false;
		return true;
	}
	if (!evaluate(u, f, cfa, ops, count, value, &is_value))
		return false;
	return is_value || read_word(u, *value, value);
}

/* A function without a frame, or none at all: a jump to nowhere left its return address in ra. */
static bool return_to_ra(const struct unwind *u, struct unwind_frame *f)
{
	if (!f->is_exact || !(f->known & 1u << REGISTER_RA) || f->pc == f->x[REGISTER_RA])
		return false;
	f->pc = f->x[REGISTER_RA];
	f->is_exact = false;
	return unwind_is_inside(u, f);
}

static bool apply(const struct unwind *u, struct unwind_frame *f, Dwarf_Frame *rules)
{
	struct unwind_frame caller = { 0 };
	bool is_signal = false, is_value;
	Dwarf_Addr start, end;
	Dwarf_Op *ops;
	size_t count;
	u64 cfa;
	int ra = dwarf_frame_info(rules, &start, &end, &is_signal);

	if (ra < 0 || dwarf_frame_cfa(rules, &ops, &count) < 0 ||
	    !evaluate(u, f, 0, ops, count, &cfa, &is_value) || !recover(u, f, rules, ra, cfa, &caller.pc))
		return false;
	for (int i = 1; i < 32; i++)
		if (recover(u, f, rules, i, cfa, &caller.x[i]))
			caller.known |= 1u << i;
	caller.known |= 1;
	caller.is_exact = is_signal;
	/* A trap may have changed the stack; else a caller's frame lies above, or it goes round in circles. */
	if (!is_signal && !f->is_exact && caller.x[REGISTER_SP] <= f->x[REGISTER_SP])
		return false;
	*f = caller;
	return unwind_is_inside(u, f) || is_signal;
}

bool unwind_next(const struct unwind *u, struct unwind_frame *f)
{
	Dwarf_Frame *rules = NULL;
	bool found;

	if (!unwind_is_inside(u, f) || !u->symbols->cfi ||
	    dwarf_cfi_addrframe(u->symbols->cfi, unwind_place(u, f) - u->symbols->bias, &rules) != 0)
		return return_to_ra(u, f);
	found = apply(u, f, rules);
	free(rules);
	return found;
}
