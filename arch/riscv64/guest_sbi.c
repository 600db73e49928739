/*
 * The SBI (2.0) that guests see. One table of extensions; each function stages its effects, and the result registers and
 * the pc are committed with them. What reaches beyond the caller's own record (software interrupts, fences) happens before
 * the commit and may happen twice: both are idempotent for the guest.
 */
#include "abi/guest.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/guest_call.h"
#include "arch/riscv64/vcpu_load.h"
#include "core/devices/console.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/survive/scrub.h"
#include "core/vcpu/sched.h"

#define SBI_SPEC_VERSION 0x02000000ul
/* Implementation id: none has been assigned to Outlive, so one far from the assigned ones. */
#define SBI_IMPL_ID	 0x4f4c56ul
#define SBI_IMPL_VERSION 1

static const struct guest_extension *find_extension(u64 id);

/* ---- BASE ---- */

static void base(struct call *c)
{
	switch (c->function) {
	case 0:
		c->value = SBI_SPEC_VERSION;
		break;
	case 1:
		c->value = SBI_IMPL_ID;
		break;
	case 2:
		c->value = SBI_IMPL_VERSION;
		break;
	case 3:
		c->value = find_extension(c->a[0]) != NULL;
		break;
	default: /* mvendorid, marchid, mimpid: 0 means not given */
		break;
	}
}

/* ---- TIME ---- */

static void set_timer(struct call *c)
{
	csr_write(vstimecmp, c->a[0]);
}

/* ---- Sets of harts ---- */

/*
 * Calls `f` for each vCPU that (mask, base) names; base -1: all. -> SBI error: a hart that does not exist fails the call
 * before anything is done (SBI 2.0, section 3.1).
 */
static s64 for_each_target(struct vm *vm, u64 mask, u64 base, void (*f)(struct vcpu *v, void *cookie),
			   void *cookie)
{
	if (base == ~0ull) {
		for (u32 n = 0; n < vm->config.vcpus; n++)
			f(&vm->vcpu[n], cookie);
		return SBI_SUCCESS;
	}
	/* No hart has such an id, and the sum below would wrap. An empty set has no bad id in it. */
	if (mask && base >= MAX_VCPU_ID)
		return SBI_ERR_INVALID_PARAM;
	for (u64 m = mask; m; m &= m - 1) {
		if (!idmap_find(&vm->ids, base + (u64)__builtin_ctzll(m)))
			return SBI_ERR_INVALID_PARAM;
	}
	for (u64 m = mask; m; m &= m - 1) {
		struct vcpu *v = idmap_find(&vm->ids, base + (u64)__builtin_ctzll(m));

		if (v)
			f(v, cookie);
	}
	return SBI_SUCCESS;
}

static void send_ipi(struct vcpu *v, void *cookie)
{
	(void)cookie;
	/* A stopped hart hears nothing, and is not to find an old one when it starts: as with OpenSBI. */
	if (estate_load(&v->r->state) == VCPU_STOPPED)
		return;
	if (estate_or(&v->r->ipi, 1) == 0)
		vcpu_notify(v);
}

static void ipi(struct call *c)
{
	c->error = for_each_target(c->v->vm, c->a[0], c->a[1], send_ipi, NULL);
}

/* ---- RFENCE ---- */

/* Harts that run a target now; the others fence when they are loaded next. */
static void fence_target(struct vcpu *v, void *cookie)
{
	u64 *running = cookie;

	estate_store(&v->r->fence, 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (v->hart_plus_1)
		*running |= 1ull << (v->hart_plus_1 - 1);
}

static void rfence(struct call *c)
{
	u64 running = 0;
	u64 from = c->a[2];
	u64 bytes = c->a[3];

	if (c->function > 2) {
		/* HFENCE is for hypervisors; guests have no H extension. */
		c->error = SBI_ERR_NOT_SUPPORTED;
		return;
	}
	c->error = for_each_target(c->v->vm, c->a[0], c->a[1], fence_target, &running);
	if (c->error || !running)
		return;
	if (c->function == 0)
		firmware_fence_i(running);
	else if (c->function == 1)
		firmware_hfence_vvma(running, from, bytes);
	else
		firmware_hfence_vvma_asid(running, from, bytes, c->a[4]);
}

/* ---- HSM ---- */

#define HSM_STARTED	 0
#define HSM_STOPPED	 1
#define HSM_STOP_PENDING 3
#define HSM_SUSPENDED	 4

/* A vCPU that is stopped has its registers in a hart until that has put it down, or has come from the dead life. */
static bool is_on_hart(const struct vcpu *v)
{
	return __atomic_load_n(&v->hart_plus_1, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&v->away, __ATOMIC_ACQUIRE);
}

static void hart_start(struct call *c, struct vcpu *target)
{
	struct vm *vm = c->v->vm;
	struct vcpu_record *r = target->r;

	if (!backing_has(&vm->config, c->a[1])) {
		c->error = SBI_ERR_INVALID_ADDRESS;
		return;
	}
	/* Two callers may start the same hart: one of them sees it stopped. */
	lock_take(&vm->dev_lock);
	if (estate_load(&r->state) != VCPU_STOPPED || is_on_hart(target)) {
		c->error = SBI_ERR_ALREADY_AVAILABLE;
	} else {
		txn_set(c->t, &r->pc, c->a[1]);
		txn_set(c->t, &r->x[10], target->id);
		txn_set(c->t, &r->x[11], c->a[2]);
		txn_set(c->t, &r->vsatp, 0);
		txn_set(c->t, &r->vsie, 0);
		txn_set(c->t, &r->vsstatus, 2ull << 32);
		txn_set(c->t, &r->vstimecmp, ~0ull);
		txn_set(c->t, &r->hvip, 0);
		txn_set(c->t, &r->sstatus, SSTATUS_SPP | 2ull << 32);
		txn_set(c->t, &r->hstatus, HSTATUS_VSXL_64 | HSTATUS_SPV | HSTATUS_SPVP);
		txn_set(c->t, &r->state, VCPU_RUNNABLE);
		guest_call_commit(c, c->t);
		c->no_return = true;
	}
	lock_release(&vm->dev_lock);
	if (c->no_return)
		sched_wake(target);
}

static void hart_stop(struct call *c)
{
	txn_set(c->t, &c->v->r->state, VCPU_STOPPED);
	txn_commit(c->t);
	/* What it had not taken yet goes with it; a life that ends before this leaves one that is spurious at the start. */
	estate_store(&c->v->r->ipi, 0);
	c->hart->kicked = KICK_LOOP;
	c->no_return = true;
}

static u64 hart_status(const struct vcpu *v)
{
	switch (estate_load(&v->r->state)) {
	case VCPU_STOPPED:
		return is_on_hart(v) ? HSM_STOP_PENDING : HSM_STOPPED;
	case VCPU_WAITING:
		return estate_load(&v->r->suspend_resume_pc) ? HSM_SUSPENDED : HSM_STARTED;
	default:
		return HSM_STARTED;
	}
}

/* Default retentive and non-retentive suspend (SBI 2.0, table of HSM hart suspend types). */
#define SUSPEND_RETENTIVE     0u
#define SUSPEND_NON_RETENTIVE 0x80000000u

/* SBI suspend, unlike wfi, shows in hart_get_status. */
#define SUSPENDED (~0ull)

/* Something that ends a suspend is there already. An IPI or interrupt that comes later finds the vCPU waiting. */
static bool has_pending(void)
{
	return csr_read(vsip) & csr_read(vsie);
}

static void stage_waiting(struct call *c)
{
	txn_set(c->t, &c->v->r->suspend_resume_pc, SUSPENDED);
	txn_set(c->t, &c->v->r->state, VCPU_WAITING);
}

/* Stages that the caller waits, and goes on at `pc` with reset supervisor registers once something is pending. */
static void stage_suspend_non_retentive(struct call *c, u64 pc, u64 opaque)
{
	struct vcpu_record *r = c->v->r;
	bool pending = has_pending();

	vcpu_unload(c->hart);
	txn_set(c->t, &r->pc, pc);
	txn_set(c->t, &r->x[10], c->v->id);
	txn_set(c->t, &r->x[11], opaque);
	txn_set(c->t, &r->vsatp, 0);
	txn_set(c->t, &r->vsstatus, 2ull << 32);
	if (!pending)
		stage_waiting(c);
	txn_commit(c->t);
	vcpu_load(c->hart, c->v);
	c->hart->kicked = KICK_LOOP;
	c->no_return = true;
}

static void hart_suspend(struct call *c)
{
	u32 type = (u32)c->a[0];

	if (type == SUSPEND_RETENTIVE && c->a[0] == type) {
		if (!has_pending())
			stage_waiting(c);
		guest_call_commit(c, c->t);
		c->hart->kicked = KICK_LOOP;
		c->no_return = true;
	} else if (type == SUSPEND_NON_RETENTIVE && c->a[0] == type) {
		stage_suspend_non_retentive(c, c->a[1], c->a[2]);
	} else {
		c->error = SBI_ERR_INVALID_PARAM;
	}
}

static void hsm(struct call *c)
{
	struct vcpu *target;

	if (c->function == 1) {
		hart_stop(c);
		return;
	}
	if (c->function == 3) {
		hart_suspend(c);
		return;
	}
	target = idmap_find(&c->v->vm->ids, c->a[0]);
	if (!target)
		c->error = SBI_ERR_INVALID_PARAM;
	else if (c->function == 0)
		hart_start(c, target);
	else
		c->value = hart_status(target);
}

/* ---- SRST ---- */

static void srst(struct call *c)
{
	u32 type = (u32)c->a[0];
	u32 reason = (u32)c->a[1];

	if (type > 2 || reason > 1) {
		c->error = SBI_ERR_INVALID_PARAM;
		return;
	}
	/* The guest waits at its ecall; should this life end before the VM does, the call is simply made again. */
	vm_request_end(c->v->vm, reason == 1 ? VM_REASON_GUEST_FAILURE
				 : type == 0 ? VM_REASON_POWEROFF
					     : VM_REASON_REBOOT);
	c->hart->kicked = KICK_LOOP;
	c->no_return = true;
}

/* ---- DBCN ---- */

#define DBCN_CHUNK 256u

static void debug_console(struct call *c)
{
	struct vm *vm = c->v->vm;
	char text[DBCN_CHUNK];
	size_t bytes;

	switch (c->function) {
	case 0:
		bytes = c->a[0] < DBCN_CHUNK ? c->a[0] : DBCN_CHUNK;
		if (c->a[2] || guest_read(vm, GPA(c->a[1]), text, bytes)) {
			c->error = SBI_ERR_INVALID_PARAM;
			return;
		}
		break;
	case 1:
		/* Input goes to the UART only. */
		c->value = 0;
		return;
	default:
		text[0] = (char)c->a[0];
		bytes = 1;
	}
	lock_take(&vm->dev_lock);
	bytes = console_stage(vm, c->t, text, bytes);
	c->value = c->function == 0 ? bytes : 0;
	guest_call_commit(c, c->t);
	lock_release(&vm->dev_lock);
	c->no_return = true;
}

/* ---- SUSP ---- */

static void system_suspend(struct call *c)
{
	struct vm *vm = c->v->vm;

	if ((u32)c->a[0] != 0) {
		c->error = SBI_ERR_INVALID_PARAM;
		return;
	}
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		if (&vm->vcpu[n] != c->v && estate_load(&vm->vcpu[n].r->state) != VCPU_STOPPED) {
			c->error = SBI_ERR_DENIED;
			return;
		}
	}
	if (!backing_has(&vm->config, c->a[1])) {
		c->error = SBI_ERR_INVALID_ADDRESS;
		return;
	}
	stage_suspend_non_retentive(c, c->a[1], c->a[2]);
}

/* ---- Dispatch ---- */

const struct guest_extension guest_extensions[] = {
	// clang-format off
	{SBI_EXT_BASE,	 7, base},
	{SBI_EXT_TIME,	 1, set_timer},
	{SBI_EXT_IPI,	 1, ipi},
	{SBI_EXT_RFENCE, 7, rfence},
	{SBI_EXT_HSM,	 4, hsm},
	{SBI_EXT_SRST,	 1, srst},
	{SBI_EXT_DBCN,	 3, debug_console},
	{SBI_EXT_SUSP,	 1, system_suspend},
	{GUEST_EXT,	 5, guest_ext},
	// clang-format on
};
const unsigned guest_extension_count = ARRAY_SIZE(guest_extensions);

static const struct guest_extension *find_extension(u64 id)
{
	const struct guest_extension *end = guest_extensions + ARRAY_SIZE(guest_extensions);

	for (const struct guest_extension *e = guest_extensions; e < end; e++) {
		if (e->id == id)
			return e;
	}
	return NULL;
}

/* The result of a call that has changed nothing else: what handlers staged they have committed. */
static inline void commit_result(const struct call *c)
{
	struct vcpu_record *r = c->v->r;
	u64 error = (u64)c->error, value = c->value, pc = r->pc + 4;
	struct txn t;

	txn_begin(&t, c->t->redo);
	txn_set(&t, &r->x[10], error);
	txn_set(&t, &r->x[11], value);
	txn_set(&t, &r->pc, pc);
	txn_commit_begin(&t);
	estate_store(&r->x[10], error);
	estate_store(&r->x[11], value);
	estate_store(&r->pc, pc);
	txn_commit_end(&t);
}

/* No canary: it has no array, and is on the way of most exits. */
__attribute__((no_stack_protector)) void guest_sbi(struct hart *hart, struct vcpu *v)
{
	struct vcpu_record *r = v->r;
	const struct guest_extension *e = find_extension(r->x[17]);
	struct txn t;
	struct call c;

	txn_begin(&t, &hart->record->redo);
	c.hart = hart;
	c.v = v;
	c.t = &t;
	c.function = r->x[16];
	c.a = &r->x[10];
	c.error = SBI_SUCCESS;
	c.value = 0;
	c.no_return = false;
	if (e && c.function < e->functions)
		e->handle(&c);
	else
		c.error = SBI_ERR_NOT_SUPPORTED;
	if (c.no_return)
		return;
	if (__builtin_expect(c.error != SBI_SUCCESS, 0))
		scrub_doubt(v->vm);
	commit_result(&c);
}
