/* vCPUs as the hypervisor has them: made, started, entered, and what it is told when they come back. */
#include "warden/private/vcpu.h"

#include "warden/private/enter.h"

void vcpu_reset(struct private_vcpu *v, u64 pc, u64 a1)
{
	u32 n;

	for (n = 0; n < 32; n++) {
		v->x[n] = 0;
		v->f[n] = 0;
	}
	for (n = 0; n < VCPU_ROOM_FOR_V; n++)
		v->v[n] = 0;
	v->fcsr = v->vstart = v->vcsr = v->vl = v->vtype = 0;
#define X(field, csr, reset) v->field = (reset);
	VCPU_CSRS(X)
	VCPU_SHARED_CSRS(X)
#undef X
	v->x[10] = v->id;
	v->x[11] = a1;
	v->pc = pc;
	v->mstatus = (u64)PRV_S << MSTATUS_MPP_SHIFT;
	v->futile = 0;
}

void vcpu_inject(struct private_vcpu *v, u64 cause, u64 value)
{
	u64 status = v->vsstatus & ~(u64)(SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE);

	if (v->vsstatus & SSTATUS_SIE)
		status |= SSTATUS_SPIE;
	if (v->mstatus & MSTATUS_MPP)
		status |= SSTATUS_SPP;
	v->vsstatus = status;
	v->vsepc = v->pc;
	v->vscause = cause;
	v->vstval = value;
	v->mstatus = (v->mstatus & ~(u64)MSTATUS_MPP) | (u64)PRV_S << MSTATUS_MPP_SHIFT;
	v->pc = v->vstvec & ~3ull;
}

void vcpu_create(struct private_vm *vm, u32 id, u64 page)
{
	struct private_vcpu *v = port_at(page);

	v->id = id;
	v->exit.kind = PRIVATE_EXIT_STOPPED;
	v->state = PRIVATE_VCPU_STOPPED;
	vm->vcpu[id] = v;
}

void vcpu_begin(struct private_vm *vm, u64 pc, u64 a1)
{
	vm->time_offset = 0 - enter_now();
	vcpu_reset(vm->vcpu[0], pc, a1);
	__atomic_store_n(&vm->vcpu[0]->state, PRIVATE_VCPU_READY, __ATOMIC_RELEASE);
}

static struct private_vcpu *find(const struct private_vm *vm, u64 id)
{
	return id < PRIVATE_VCPUS ? vm->vcpu[id] : NULL;
}

s64 vcpu_state(struct private_ask *a)
{
	const struct private_vcpu *v = find(a->vm, a->arg[1]);

	a->value = v ? __atomic_load_n(&v->state, __ATOMIC_ACQUIRE) : PRIVATE_VCPU_NONE;
	return PRIVATE_OK;
}

/* What the hypervisor says, read once: it may change it meanwhile. */
struct wish {
	u64 answered;
	u64 result[2];
	u64 lines;
};

static struct wish wish_of(const volatile struct private_run *run)
{
	return (struct wish){ .answered = run->answered,
			      .result = { run->result[0], run->result[1] },
			      .lines = run->lines };
}

/* All that the hypervisor is told of an exit: words that the kind of it does not have stay what the hypervisor had there. */
static void tell(const struct private_vm *vm, const struct vcpu_exit *exit, volatile struct private_run *run)
{
	const u32 arguments = exit_arguments(exit->kind);
	u32 n;

	run->exit = exit->kind;
	run->number = exit->number;
	run->bytes = exit->bytes;
	for (n = 0; n < arguments; n++)
		run->arg[n] = exit->arg[n];
	run->time_offset = vm->time_offset;
}

static void set_lines(struct private_vcpu *v, u64 lines)
{
	if (lines & PRIVATE_RAISE_SOFTWARE)
		v->hvip |= MIP_VSSIP;
	if (lines & PRIVATE_LINE_EXTERNAL)
		v->hvip |= MIP_VSEIP;
	else
		v->hvip &= ~(u64)MIP_VSEIP;
}

/* True: the vCPU is RUNNING now, for this hart. */
static bool is_ours(struct private_vcpu *v, u32 from)
{
	return __atomic_compare_exchange_n(&v->state, &from, PRIVATE_VCPU_RUNNING, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void leave(struct private_vcpu *v, u32 state)
{
	__atomic_store_n(&v->state, state, __ATOMIC_RELEASE);
}

enum entry {
	ENTRY_RUNS,    /* it is for this hart to run */
	ENTRY_TOLD,    /* its question is told again */
	ENTRY_STOPPED, /* it is told that it is stopped, again */
	ENTRY_REFUSED,
};

/* With the lock. */
static enum entry begin(struct private_vm *vm, struct private_vcpu *v, const struct wish *wish)
{
	/* Software interrupts are not asked for again, so they are taken even if an answer is missing. */
	if (is_ours(v, PRIVATE_VCPU_ASKING)) {
		set_lines(v, wish->lines);
		if (!wish->answered || wish->answered != v->number) {
			leave(v, PRIVATE_VCPU_ASKING);
			return ENTRY_TOLD;
		}
		exit_answer(vm, v, wish->result);
		return ENTRY_RUNS;
	}
	if (is_ours(v, PRIVATE_VCPU_READY)) {
		set_lines(v, wish->lines);
		return ENTRY_RUNS;
	}
	if (__atomic_load_n(&v->state, __ATOMIC_ACQUIRE) == PRIVATE_VCPU_STOPPED)
		return ENTRY_STOPPED;
	return ENTRY_REFUSED;
}

/*
 * Runs a vCPU that is RUNNING, and says so in `run`. The exit is made where it stays if it is a question: a structure that is
 * copied costs more than all else here.
 */
static void stay(struct private_vm *vm, struct private_vcpu *v, bool wait_exits,
		 volatile struct private_run *run)
{
	struct vcpu_exit *exit = &v->exit;

	exit->bytes = 0;
	exit->number = 0;
	enter_run(vm, v, wait_exits, exit);
	if (exit_is_question(exit->kind)) {
		exit->number = ++v->number;
		tell(vm, exit, run);
		leave(v, PRIVATE_VCPU_ASKING);
	} else {
		tell(vm, exit, run);
		leave(v, exit->kind == PRIVATE_EXIT_STOPPED ? PRIVATE_VCPU_STOPPED : PRIVATE_VCPU_READY);
	}
}

/* Where a vCPU was told of its exits the last time needs no other look: what is ordinary RAM stays that. */
static bool is_place(struct private_vcpu *v, u64 address)
{
	if (address == v->run)
		return true;
	if (!port_is_ordinary(address, sizeof(struct private_run)))
		return false;
	v->run = address;
	return true;
}

/* With the lock. PRIVATE_OK: *entry says how it goes on. */
static s64 prepare(struct private_vm *vm, struct private_vcpu *v, u64 address, struct wish *wish,
		   enum entry *entry)
{
	if (vm->state != PRIVATE_VM_ALIVE)
		return PRIVATE_INVALID_STATE;
	if (!v)
		return PRIVATE_INVALID_PARAM;
	if (address % sizeof(u64) || !is_place(v, address))
		return PRIVATE_INVALID_ADDRESS;
	*wish = wish_of(port_at(address));
	*entry = begin(vm, v, wish);
	if (*entry == ENTRY_REFUSED)
		return PRIVATE_INVALID_STATE;
	if (*entry == ENTRY_RUNS)
		__atomic_fetch_add(&vm->running, 1, __ATOMIC_RELAXED);
	return PRIVATE_OK;
}

s64 vcpu_enter(struct private_ask *a)
{
	static const struct vcpu_exit stopped = { .kind = PRIVATE_EXIT_STOPPED };
	struct private_vm *vm = a->vm;
	volatile struct private_run *run = port_at(a->arg[2]);
	struct private_vcpu *v;
	struct wish wish;
	enum entry entry;
	s64 error;

	if (!port_lock_try(&vm->lock))
		return PRIVATE_BUSY;
	v = find(vm, a->arg[1]);
	error = prepare(vm, v, a->arg[2], &wish, &entry);
	port_unlock(&vm->lock);
	if (error)
		return error;

	if (entry == ENTRY_RUNS) {
		stay(vm, v, wish.lines & PRIVATE_WAIT_EXITS, run);
		__atomic_fetch_sub(&vm->running, 1, __ATOMIC_RELEASE);
	} else {
		tell(vm, entry == ENTRY_TOLD ? &v->exit : &stopped, run);
	}
	return PRIVATE_OK;
}
