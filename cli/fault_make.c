/*
 * Makes faults: see fault_make.h.
 *
 * The victim is the hypervisor. While a hart goes into a guest or comes out of it, most of its registers hold the guest's
 * values, and no hypervisor could notice that one of those has changed; there, only what is the hypervisor's is hit.
 */
#include "cli/fault_make.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

#define A0 10u

/* Of 8 wild stores: those into a register of a device, of which there are more pages than of anything else. */
#define WILD_DEVICES 1

#define SLOT_STACKS	  MIB(1)
#define SLOT_STACKS_END	  MIB(2)
#define SLOT_STACK_STRIDE KIB(16)
#define SLOT_HEAP	  MIB(2)

/* Not hvip, hie and the like, whose bits are the guest's. */
static const struct {
	const char *name;
	u32 number;
} csrs[] = {
	{ "sstatus", CSR_SSTATUS },
	{ "sie", CSR_SIE },
	{ "stvec", CSR_STVEC },
	{ "sscratch", CSR_SSCRATCH },
	{ "sepc", CSR_SEPC },
	{ "stimecmp", CSR_STIMECMP },
	{ "satp", CSR_SATP },
	{ "hstatus", CSR_HSTATUS },
	{ "hedeleg", CSR_HEDELEG },
	{ "hideleg", CSR_HIDELEG },
	{ "hcounteren", CSR_HCOUNTEREN },
	{ "henvcfg", CSR_HENVCFG },
	{ "hgatp", CSR_HGATP },
};

static const char *const register_names[] = { "pc", "ra", "sp",	 "gp",	"tp", "t0", "t1", "t2",
					      "s0", "s1", "a0",	 "a1",	"a2", "a3", "a4", "a5",
					      "a6", "a7", "s2",	 "s3",	"s4", "s5", "s6", "s7",
					      "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6" };

static u32 index_of(const struct fault_machine *m, const struct fault_hart *h)
{
	return (u32)(h - m->harts);
}

__attribute__((format(printf, 4, 5))) static void say(const struct fault_machine *m,
						      struct campaign_result *result,
						      const struct fault_hart *h, const char *format, ...)
{
	size_t fill;
	va_list list;

	va_start(list, format);
	vsnprintf(result->fault, sizeof(result->fault), format, list);
	va_end(list);
	if (!h)
		return;
	result->hart = index_of(m, h);
	result->place = h->pc - h->slot;
	fault_image_name(m->image, result->place, result->symbol, sizeof(result->symbol));
	fill = strlen(result->fault);
	snprintf(result->fault + fill, sizeof(result->fault) - fill, " on hart %llu at %s", (ull)result->hart,
		 *result->symbol ? result->symbol : "an unknown place");
}

/* ---- Registers ---- */

static int change_register(struct fault_machine *m, const struct fault_hart *h, u32 number, u64 mask)
{
	u32 hart = index_of(m, h);
	u64 value;
	int error = gdb_register(m->gdb, hart, number, &value);

	return error ? error : gdb_set_register(m->gdb, hart, number, value ^ mask);
}

/* The guest's registers are in the hart, or part of them, but for a0 in most places. */
static bool is_on_the_way(const struct fault_machine *m, const struct fault_hart *h, bool *has_a0)
{
	const struct fault_image *i = m->image;
	u64 place = h->pc - h->slot;

	*has_a0 = true;
	if (place >= i->entry_going_in && place < i->entry_begin)
		return true;
	if (place >= i->entry_begin && place < i->entry_saved) {
		*has_a0 = place >= i->entry_swapped;
		return true;
	}
	if (place < i->guest_enter || place >= i->guest_enter_end)
		return false;
	/* The last instruction, sret, has all of the guest's. */
	*has_a0 = place + 4 < i->guest_enter_end;
	return true;
}

static int make_register(struct fault_machine *m, const struct fault *f, const struct fault_hart *h,
			 struct campaign_result *result)
{
	u32 which = (u32)(f->target % ARRAY_SIZE(register_names));
	bool has_a0;
	int error;

	if (is_on_the_way(m, h, &has_a0))
		which = which % 2 && has_a0 ? A0 : 0;
	result->bit = f->bit % 64;
	say(m, result, h, "bit %llu of %s", (ull)result->bit, register_names[which]);
	error = change_register(m, h, which ? which : GDB_PC, 1ull << result->bit);
	return error ? error : 1;
}

/* The first bit from the one that was drawn on that the hart has. On the way sepc is the guest's pc: the next CSR instead. */
static int make_csr(struct fault_machine *m, const struct fault *f, const struct fault_hart *h,
		    struct campaign_result *result)
{
	size_t which = f->target % ARRAY_SIZE(csrs);
	u32 hart = index_of(m, h), number;
	u64 before, after;
	bool has_a0;
	int error;

	if (csrs[which].number == CSR_SEPC && is_on_the_way(m, h, &has_a0))
		which++;
	number = gdb_csr(m->gdb, csrs[which].number);
	error = gdb_register(m->gdb, hart, number, &before);
	after = before;
	for (u64 n = 0; n < 64 && after == before && !error; n++) {
		result->bit = (f->bit + n) % 64;
		error = gdb_set_register(m->gdb, hart, number, before ^ 1ull << result->bit);
		if (!error)
			error = gdb_register(m->gdb, hart, number, &after);
	}
	say(m, result, h, "bit %llu of %s", (ull)result->bit, csrs[which].name);
	return error ? error : before != after;
}

static int jump(struct fault_machine *m, const struct fault_hart *h, u64 place, const char *what,
		struct campaign_result *result)
{
	const struct fault_image *i = m->image;
	u64 at = h->pc - h->slot;
	bool has_a0;
	int error;

	/* Nothing that could panic or loop is there, nor a stack to do so on. */
	if (is_on_the_way(m, h, &has_a0) || (at >= i->entry_saved && at < i->entry_end))
		return 0;
	say(m, result, h, "%s", what);
	error = gdb_set_register(m->gdb, index_of(m, h), A0, h->slot + m->image->message);
	if (!error)
		error = gdb_set_register(m->gdb, index_of(m, h), GDB_PC, h->slot + place);
	return error ? error : 1;
}

/* ---- Memory ---- */

static int flip(struct fault_machine *m, u64 at, unsigned bit, struct campaign_result *result)
{
	u8 byte;
	int error = gdb_read(m->gdb, at, &byte, 1);

	result->address = at;
	result->bit = bit;
	byte ^= (u8)(1u << bit);
	if (!error)
		error = gdb_write(m->gdb, at, &byte, 1);
	return error ? error : 1;
}

static int make_code(struct fault_machine *m, const struct fault *f, const struct fault_hart *h,
		     struct campaign_result *result)
{
	const struct fault_image *i = m->image;
	u64 place = i->text_from + f->target % (i->text_to - i->text_from);
	unsigned bit = f->bit % 8;
	char name[64];

	/* At a place, what is about to be executed. */
	if (h)
		place = h->pc - h->slot + f->target % 2;
	fault_image_name(i, place, name, sizeof(name));
	say(m, result, h, "bit %u of the code at %s", bit, *name ? name : "an unknown place");
	return flip(m, m->slot + place, bit, result);
}

static int make_data(struct fault_machine *m, const struct fault *f, struct campaign_result *result)
{
	const struct fault_image *i = m->image;
	u64 at = i->data_from + f->target % (i->data_to - i->data_from);
	unsigned bit = f->bit % 8;
	char name[64];

	fault_image_name(i, at, name, sizeof(name));
	say(m, result, NULL, "bit %u of the data at 0x%llx %s", bit, (ull)at, name);
	return flip(m, m->slot + at, bit, result);
}

static int make_heap(struct fault_machine *m, const struct fault *f, struct campaign_result *result)
{
	u64 bytes, at;
	int error = fault_machine_heap(m, &bytes);

	if (error || !bytes)
		return error;
	at = SLOT_HEAP + f->target % bytes;
	say(m, result, NULL, "bit %u of the heap at 0x%llx", (unsigned)(f->bit % 8), (ull)at);
	return flip(m, m->slot + at, f->bit % 8, result);
}

/* One of the entries of a table that are in use. */
static int make_table(struct fault_machine *m, const struct fault *f, struct campaign_result *result)
{
	u64 entries[512], page = 0, used = 0, left;
	size_t at = 0;
	int error = fault_machine_tables(m);

	/* A guest's root has pages that are empty. */
	for (u64 n = 0; n < m->table_count && !used && !error; n++) {
		page = m->tables[(f->target % m->table_count + n) % m->table_count];
		error = gdb_read(m->gdb, page, entries, sizeof(entries));
		for (size_t i = 0; i < ARRAY_SIZE(entries) && !error; i++)
			used += entries[i] != 0;
	}
	if (error)
		return error;
	if (!used)
		return 0;
	left = f->value % used;
	for (; !entries[at] || left; at++)
		left -= entries[at] != 0;
	say(m, result, NULL, "bit %u of entry %zu of the table at 0x%llx", (unsigned)(f->bit % 64), at,
	    (ull)(page - m->slot));
	return flip(m, page + at * 8 + f->bit % 64 / 8, f->bit % 8, result);
}

/* What is in use of a hart's stack: from its pointer to its top. */
static int make_stack(struct fault_machine *m, const struct fault *f, const struct fault_hart *h,
		      struct campaign_result *result)
{
	u64 from = h->slot + SLOT_STACKS, to = h->slot + SLOT_STACKS_END, top, at;

	if (h->sp < from || h->sp >= to)
		return 0;
	top = from + ((h->sp - from) / SLOT_STACK_STRIDE + 1) * SLOT_STACK_STRIDE;
	at = h->sp + f->target % (top - h->sp);
	say(m, result, h, "bit %u of the stack at sp+0x%llx", (unsigned)(f->bit % 8), (ull)(at - h->sp));
	return flip(m, at, f->bit % 8, result);
}

static bool is_device(const struct fault_range *r)
{
	return r->at < fault_machine_slot(0);
}

static int make_wild_store(struct fault_machine *m, const struct fault *f, struct campaign_result *result)
{
	u64 estate = fault_machine_estate(), pages = 0, left, at = 0;
	bool wants_device = f->bit % 8 < WILD_DEVICES;
	int error = fault_machine_tables(m);

	for (size_t i = 0; i < m->writable_count; i++) {
		struct fault_range *r = &m->writable[i];

		if (r->at >= estate && r->at < estate + m->estate_size)
			r->bytes = 0;
		pages += is_device(r) == wants_device ? r->bytes / 4096 : 0;
	}
	if (error || !pages)
		return error;
	left = f->target % pages;
	for (size_t i = 0; i < m->writable_count && !at; i++) {
		const struct fault_range *r = &m->writable[i];
		u64 count = is_device(r) == wants_device ? r->bytes / 4096 : 0;

		if (left < count)
			at = r->at + left * 4096 + (f->target >> 32) % 512 * 8;
		else
			left -= count;
	}
	say(m, result, NULL, "0x%llx stored to 0x%llx%s", (ull)f->value, (ull)at,
	    wants_device ? ", a device's" : "");
	result->address = at;
	error = gdb_write(m->gdb, at, &f->value, 8);
	return error ? error : 1;
}

static int make_estate(struct fault_machine *m, const struct fault *f, struct campaign_result *result)
{
	u64 at;

	if (!m->estate_size)
		return 0;
	at = f->target % m->estate_size;
	say(m, result, NULL, "bit %u of the estate at 0x%llx", (unsigned)(f->bit % 8), (ull)at);
	return flip(m, fault_machine_estate() + at, f->bit % 8, result);
}

/* ---- Any ---- */

int fault_make(struct fault_machine *m, const struct fault *f, u32 at, struct campaign_result *result)
{
	const struct fault_hart *h;

	if (at != FAULT_NO_HART)
		h = m->harts[at].is_inside ? &m->harts[at] : NULL;
	else
		h = fault_machine_inside(m, f->hart);
	result->hart = result->place = result->address = result->bit = ~0ull;
	*result->symbol = '\0';
	if (!m->slot)
		return 0;
	switch (f->kind) {
	case FAULT_CODE:
		return make_code(m, f, at != FAULT_NO_HART ? h : NULL, result);
	case FAULT_DATA:
		return make_data(m, f, result);
	case FAULT_HEAP:
		return make_heap(m, f, result);
	case FAULT_TABLE:
		return make_table(m, f, result);
	case FAULT_WILD_STORE:
		return make_wild_store(m, f, result);
	case FAULT_ESTATE:
		return make_estate(m, f, result);
	default:
		break;
	}
	if (!h)
		return 0;
	switch (f->kind) {
	case FAULT_REGISTER:
		return make_register(m, f, h, result);
	case FAULT_CSR:
		return make_csr(m, f, h, result);
	case FAULT_STACK:
		return make_stack(m, f, h, result);
	case FAULT_HANG:
		return jump(m, h, m->image->loop, "endless loop", result);
	default:
		return jump(m, h, m->image->panic, "panic", result);
	}
}
