/*
 * Why a confidential vCPU has left its guest, and what of it the hypervisor is told: of each exit what this table says, and
 * not more. What a guest's hart would deal with by itself (exceptions, a wfi with an interrupt pending) is dealt with here.
 */
#include "warden/private/enter.h"
#include "warden/private/rings.h"
#include "warden/private/vcpu.h"

#include "arch/riscv64/decode.h"

static const struct {
	bool question;
	u32 arguments;
} exits[] = {
	[PRIVATE_EXIT_NONE] = { false, 0 },    [PRIVATE_EXIT_FAULT] = { false, 2 }, /* page, access */
	[PRIVATE_EXIT_LOAD] = { true, 2 },					    /* address, width */
	[PRIVATE_EXIT_STORE] = { true, 3 }, /* address, width, value */
	[PRIVATE_EXIT_CALL] = { true, 8 }, /* those of the call's arguments that it has (ecall.c), its number */
	[PRIVATE_EXIT_WAIT] = { false, 1 },					     /* timer */
	[PRIVATE_EXIT_START] = { true, 1 },					     /* vCPU */
	[PRIVATE_EXIT_STOPPED] = { false, 0 }, [PRIVATE_EXIT_CONSOLE] = { true, 8 }, /* text */
	[PRIVATE_EXIT_CONVERT] = { true, 3 }, /* address, bytes, direction */
	[PRIVATE_EXIT_BROKEN] = { false, 2 }, /* cause, page */
	[PRIVATE_EXIT_PMSG] = { true, 8 },    /* text */
};

#define EXIT_KINDS (sizeof(exits) / sizeof(exits[0]))

#define INSTRUCTION_WFI 0x10500073u

/* mtinst for a fault of the implicit accesses of VS-stage translation, RV64 (section "Transformed Instruction"). */
#define WALK_READ  0x3000u
#define WALK_WRITE 0x3020u

#define CAUSE_ECALL_VS 10

/* Faults in a row, of a page that is there, until it counts as broken: others may have put it there meanwhile. */
#define FUTILE_MAX 64

bool exit_is_question(u64 kind)
{
	return kind < EXIT_KINDS && exits[kind].question;
}

u32 exit_arguments(u64 kind)
{
	return kind < EXIT_KINDS ? exits[kind].arguments : 0;
}

bool exit_is_ram(const struct private_vm *vm, u64 at, u64 bytes)
{
	const u64 offset = (at & ~PRIVATE_SHARED_BIT) - vm->config.ram_base;

	return offset < vm->config.ram_size && bytes <= vm->config.ram_size - offset;
}

/* ---- Answers ---- */

/* What the guest's hart would have got without RAM or a device at that address. */
static u64 access_fault_of(u64 cause)
{
	return cause == CAUSE_FETCH_GUEST_PAGE_FAULT  ? CAUSE_FETCH_ACCESS
	       : cause == CAUSE_LOAD_GUEST_PAGE_FAULT ? CAUSE_LOAD_ACCESS
						      : CAUSE_STORE_ACCESS;
}

static u64 extend(u64 value, u64 bytes, bool sign)
{
	const u32 shift = 64 - 8 * (u32)bytes;

	if (!shift)
		return value;
	return sign ? (u64)((s64)(value << shift) >> shift) : value << shift >> shift;
}

/* The results of a call. An error is one of SBI's, which are all small negative numbers. */
static void return_from_call(struct private_vcpu *v, u64 error, u64 value)
{
	const s64 given = (s64)error;

	v->x[10] = (u64)(given > 0 || given < -64 ? PRIVATE_FAILED : given);
	v->x[11] = value;
}

void exit_answer(struct private_vm *vm, struct private_vcpu *v, const u64 result[2])
{
	const struct vcpu_exit *exit = &v->exit;

	switch (exit->kind) {
	case PRIVATE_EXIT_LOAD:
	case PRIVATE_EXIT_STORE:
		/* No such device: the trap is still the last one. */
		if (result[1]) {
			vcpu_inject(v, access_fault_of(v->cause), v->value);
			return;
		}
		if (exit->kind == PRIVATE_EXIT_LOAD && exit->reg)
			v->x[exit->reg] = extend(result[0], exit->arg[1], exit->sign);
		break;
	case PRIVATE_EXIT_START:
		return_from_call(v, PRIVATE_OK, 0);
		break;
	case PRIVATE_EXIT_CONSOLE:
	case PRIVATE_EXIT_PMSG:
		/* Never more than there was. One byte (console_write_byte) has no value. */
		return_from_call(v, result[0], exit->reg ? MIN(result[1], exit->bytes) : 0);
		break;
	case PRIVATE_EXIT_CONVERT:
		__atomic_store_n(&vm->conversion[v->id].to, 0, __ATOMIC_RELAXED);
		return_from_call(v, result[0], exit->arg[2] && !result[0] ? PRIVATE_SHARED_BIT : 0);
		break;
	default:
		return_from_call(v, result[0], result[1]);
		break;
	}
	v->pc += exit->length;
}

/* ---- Guest page faults ---- */

static bool is_walk(const struct private_vcpu *v)
{
	return v->instruction == WALK_READ || v->instruction == WALK_WRITE;
}

static u64 access_of(const struct private_vcpu *v)
{
	if (v->cause == CAUSE_STORE_GUEST_PAGE_FAULT || v->instruction == WALK_WRITE)
		return PRIVATE_ACCESS_WRITE;
	return v->cause == CAUSE_FETCH_GUEST_PAGE_FAULT && !is_walk(v) ? PRIVATE_ACCESS_EXEC : 0;
}

/*
 * A page that is there, and faults all the same, has been put there since, or something is wrong that the hypervisor can do
 * nothing about.
 */
static bool is_futile(const struct private_vm *vm, struct private_vcpu *v, u64 page)
{
	const bool there = page & PRIVATE_SHARED_BIT ? table_shared_page(vm, page)
						     : table_private_page(vm, page);

	if (!there || v->futile_at != page)
		v->futile = 0;
	v->futile_at = page;
	return there && v->futile++ >= FUTILE_MAX;
}

static bool ram_fault(struct private_vm *vm, struct private_vcpu *v, u64 at, struct vcpu_exit *exit)
{
	const u64 page = at & ~(PAGE_SIZE - 1);

	if (is_futile(vm, v, page)) {
		exit->kind = PRIVATE_EXIT_BROKEN;
		exit->arg[0] = v->cause;
		exit->arg[1] = page;
	} else {
		exit->kind = PRIVATE_EXIT_FAULT;
		exit->arg[0] = page;
		exit->arg[1] = access_of(v);
	}
	return true;
}

/* False: the guest did wrong. */
static bool device_access(struct private_vm *vm, const struct mmio_instruction *m, struct private_vcpu *v,
			  u64 at, struct vcpu_exit *exit)
{
	exit->arg[0] = at;
	exit->arg[1] = m->bytes;
	exit->sign = m->sign;
	exit->length = m->length;
	exit->reg = m->reg;
	if (m->write) {
		exit->kind = PRIVATE_EXIT_STORE;
		exit->arg[2] = extend(v->x[m->reg], m->bytes, false);
		rings_store(vm, at, m->bytes, exit->arg[2]);
	} else {
		exit->kind = PRIVATE_EXIT_LOAD;
	}
	return true;
}

static bool device_fault(struct private_vm *vm, struct private_vcpu *v, u64 at, struct vcpu_exit *exit)
{
	struct mmio_instruction m;
	u32 instruction;

	if (v->cause == CAUSE_FETCH_GUEST_PAGE_FAULT || is_walk(v) || at >= PRIVATE_SHARED_BIT) {
		enter_inject(v, access_fault_of(v->cause), v->value);
		return false;
	}
	/* Another of the guest's harts may have changed its tables meanwhile: then the fault of the fetch is what it gets. */
	if (!enter_fetch(v, &instruction))
		return false;
	if (decode_mmio(instruction, &m) || m.write != (v->cause == CAUSE_STORE_GUEST_PAGE_FAULT)) {
		enter_inject(v, access_fault_of(v->cause), v->value);
		return false;
	}
	return device_access(vm, &m, v, at, exit);
}

static bool guest_page_fault(struct private_vm *vm, struct private_vcpu *v, struct vcpu_exit *exit)
{
	const u64 at = v->value2 << 2 | (v->value & 3);

	return exit_is_ram(vm, at, 1) ? ram_fault(vm, v, at, exit) : device_fault(vm, v, at, exit);
}

/* ---- Others ---- */

void exit_waits(const struct private_vm *vm, struct vcpu_exit *exit)
{
	const u64 due = enter_timer();

	exit->kind = PRIVATE_EXIT_WAIT;
	/* The guest's time began with 0 when it was launched: it does not get far. */
	exit->arg[0] = due >> 63 ? ~0ull : due - vm->time_offset;
}

static bool virtual_instruction(const struct private_vm *vm, struct private_vcpu *v, struct vcpu_exit *exit)
{
	u32 instruction = (u32)v->value;

	if (!instruction && !enter_fetch(v, &instruction))
		return false;
	if (instruction != INSTRUCTION_WFI || !(v->mstatus & MSTATUS_MPP)) {
		enter_inject(v, CAUSE_ILLEGAL_INSTRUCTION, instruction);
		return false;
	}
	v->pc += 4;
	/* Anything that is pending and enabled ends a wfi, whether or not interrupts are on. */
	if (enter_is_awaited())
		return false;
	exit_waits(vm, exit);
	return true;
}

bool exit_is_told(struct private_vm *vm, struct private_vcpu *v, struct vcpu_exit *exit)
{
	if (v->cause >> 63) {
		exit->kind = PRIVATE_EXIT_NONE;
		return true;
	}
	switch (v->cause) {
	case CAUSE_ECALL_VS:
		return ecall_is_told(vm, v, exit);
	case CAUSE_FETCH_GUEST_PAGE_FAULT:
	case CAUSE_LOAD_GUEST_PAGE_FAULT:
	case CAUSE_STORE_GUEST_PAGE_FAULT:
		return guest_page_fault(vm, v, exit);
	case CAUSE_VIRTUAL_INST_FAULT:
		return virtual_instruction(vm, v, exit);
	case CAUSE_ILLEGAL_INSTRUCTION:
		if (!enter_load_units(v))
			enter_inject(v, CAUSE_ILLEGAL_INSTRUCTION, v->value);
		return false;
	case CAUSE_FETCH_ACCESS:
	case CAUSE_LOAD_ACCESS:
	case CAUSE_STORE_ACCESS:
		/* The tables lead to memory only: it is something that the guest's own translation has named. */
		enter_inject(v, v->cause, v->value);
		return false;
	default:
		exit->kind = PRIVATE_EXIT_BROKEN;
		exit->arg[0] = v->cause;
		exit->arg[1] = 0;
		return true;
	}
}
