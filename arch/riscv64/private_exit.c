/* What confidential vCPUs come back with, on its way to the handlers of all guests; see private.h. */
#include "abi/guest.h"
#include "arch/riscv64/guest.h"
#include "arch/riscv64/private.h"
#include "arch/riscv64/sbi.h"
#include "core/arch.h"
#include "core/devices/console.h"
#include "core/devices/mmio.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/private/private.h"
#include "core/recorder/recorder.h"
#include "core/vcpu/sched.h"

static bool is_question(u64 exit)
{
	const u64 questions = 1u << PRIVATE_EXIT_LOAD | 1u << PRIVATE_EXIT_STORE | 1u << PRIVATE_EXIT_CALL |
			      1u << PRIVATE_EXIT_START | 1u << PRIVATE_EXIT_CONSOLE |
			      1u << PRIVATE_EXIT_CONVERT | 1u << PRIVATE_EXIT_PMSG;

	return exit < 64 && questions >> exit & 1;
}

/* The question has no answer: first that, because x[10] and x[11] would be taken for one. */
static void begin(struct vcpu_record *r, const struct private_run *run)
{
	if (r->pc != 4 * run->number)
		estate_store(&r->pc, 4 * run->number);
}

static void stage_answer(struct vcpu_record *r, struct txn *t, u64 a0, u64 a1)
{
	txn_set(t, &r->x[10], a0);
	txn_set(t, &r->x[11], a1);
	txn_set(t, &r->pc, r->pc + 4);
}

static void answer(const struct vcpu *v, u64 a0, u64 a1)
{
	struct txn *t = arch_txn();

	stage_answer(v->r, t, a0, a1);
	txn_commit(t);
}

/* ---- Devices ---- */

static void finish_access(struct vcpu *v, struct txn *t, u64 value, void *cookie)
{
	const bool *is_store = cookie;

	stage_answer(v->r, t, *is_store ? 0 : value, 0);
}

static void access(struct hart *hart, struct vcpu *v, const struct private_run *run)
{
	bool is_store = run->exit == PRIVATE_EXIT_STORE;
	u64 value = run->arg[2];
	struct txn t;
	int error;

	txn_begin(&t, &hart->record->redo);
	error = mmio_access(v, &t, GPA(run->arg[0]), (unsigned)run->arg[1], is_store, &value, finish_access,
			    &is_store);
	/* The device waits for the host's: the loop lets that get on, and the question comes again. */
	if (error == -EAGAIN)
		hart->kicked = KICK_LOOP;
	else if (error)
		answer(v, 0, 1);
}

/* ---- Calls ---- */

/* What the warden has not answered itself, and touches neither registers nor memory of the guest. */
static bool is_for_us(u64 extension, u64 function)
{
	switch (extension) {
	case SBI_EXT_BASE:
	case SBI_EXT_IPI:
	case SBI_EXT_SRST:
		return true;
	case SBI_EXT_DBCN:
		return function != 0;
	case GUEST_EXT:
		return function == GUEST_INFO;
	default:
		return false;
	}
}

static void call(struct hart *hart, struct vcpu *v, const struct private_run *run)
{
	for (unsigned n = 0; n < ARRAY_SIZE(run->arg); n++)
		estate_store(&v->r->x[10 + n], run->arg[n]);
	if (is_for_us(run->arg[7], run->arg[6]))
		guest_sbi(hart, v);
	else
		answer(v, (u64)SBI_ERR_NOT_SUPPORTED, 0);
}

static size_t text_bytes(const struct private_run *run)
{
	return run->bytes < sizeof(run->arg) ? run->bytes : sizeof(run->arg);
}

static void console(struct vcpu *v, const struct private_run *run)
{
	struct vm *vm = v->vm;
	struct txn *t = arch_txn();
	size_t bytes;

	lock_take(&vm->dev_lock);
	bytes = console_stage(vm, t, run->arg, text_bytes(run));
	stage_answer(v->r, t, SBI_SUCCESS, bytes);
	txn_commit(t);
	lock_release(&vm->dev_lock);
}

/* The lines are in the estate before the answer is: a life that ends in between has them twice (core/recorder/pmsg.c). */
static void pmsg(struct vcpu *v, const struct private_run *run)
{
	u32 bytes = (u32)text_bytes(run);

	if (!recorder_takes_pmsg(v->vm)) {
		answer(v, (u64)SBI_ERR_NOT_SUPPORTED, 0);
		return;
	}
	if (recorder_pmsg_fits(v->vm, run->arg, bytes))
		recorder_pmsg(v->vm, run->arg, bytes);
	else
		bytes = 0;
	answer(v, SBI_SUCCESS, bytes);
}

/* ---- Its harts ---- */

/* The timer is the guest's own secret until then. Anything that has come meanwhile ends the wait at once (sched_put). */
static void wait(struct hart *hart, struct vcpu *v, const struct private_run *run)
{
	struct txn *t = arch_txn();

	txn_set(t, &v->r->vstimecmp, run->arg[0]);
	txn_set(t, &v->r->suspend_resume_pc, 0);
	txn_set(t, &v->r->state, VCPU_WAITING);
	txn_commit(t);
	hart->kicked = KICK_LOOP;
}

/* Another vCPU has been started. It may run already, if its hart had not put it down yet. */
static void start(struct vcpu *v, const struct private_run *run)
{
	struct vm *vm = v->vm;
	struct vcpu *target = idmap_find(&vm->ids, run->arg[0]);
	struct txn *t = arch_txn();

	if (!target) {
		answer(v, 0, 0);
		return;
	}
	lock_take(&vm->dev_lock);
	txn_set(t, &target->r->state, VCPU_RUNNABLE);
	stage_answer(v->r, t, 0, 0);
	txn_commit(t);
	lock_release(&vm->dev_lock);
	sched_wake(target);
}

/* It has stopped itself; unless another vCPU has started it since, whose question is answered before this or after. */
static void stopped(struct hart *hart, struct vcpu *v)
{
	struct vm *vm = v->vm;
	u64 state = PRIVATE_VCPU_READY;

	lock_take(&vm->dev_lock);
	arch_private(PRIVATE_VCPU_STATE, private_number(vm), v->id, 0, 0, 0, &state);
	if (state == PRIVATE_VCPU_STOPPED) {
		estate_store(&v->r->state, VCPU_STOPPED);
		/* What it had not taken yet goes with it. */
		estate_store(&v->r->ipi, 0);
	}
	lock_release(&vm->dev_lock);
	hart->kicked = KICK_LOOP;
}

/* ---- Memory ---- */

static void convert(struct hart *hart, struct vcpu *v, const struct private_run *run)
{
	struct txn *t = arch_txn();
	int error = private_convert(v, GPA(run->arg[0]), run->arg[1], run->arg[2] != 0);
	s64 result = !error ? SBI_SUCCESS : error == -EINVAL ? SBI_ERR_INVALID_PARAM : SBI_ERR_FAILED;

	if (error == -EAGAIN) {
		hart->kicked = KICK_LOOP;
		return;
	}
	/* What it has staged counts together with the answer. */
	stage_answer(v->r, t, (u64)result, 0);
	txn_commit(t);
}

static void fault(struct hart *hart, struct vcpu *v, const struct private_run *run)
{
	u64 at = run->arg[0];
	int error = private_fault(v->vm, GPA(at));

	switch (error) {
	case 0:
		break;
	case -EAGAIN:
		hart->kicked = KICK_LOOP;
		break;
	case -ENOMEM:
		guest_give_up(hart, v, PARK_MEMORY, "no page for its tables");
		break;
	case -EFAULT:
		log_line("%s: vCPU %lu accesses 0x%lx, which is %s", v->vm->config.name, v->id, at,
			 at & PRIVATE_SHARED_BIT ? "not shared" : "shared");
		guest_give_up(hart, v, PARK_UNHANDLED, "a page in the other state");
		break;
	default:
		log_line("%s: fault at 0x%lx: error %d", v->vm->config.name, at, -error);
		guest_give_up(hart, v, PARK_TABLES, "its tables and the warden's do not agree");
		break;
	}
}

static void broken(struct hart *hart, struct vcpu *v, const struct private_run *run)
{
	log_line("%s: vCPU %lu: the warden cannot go on with it: cause %lu, address 0x%lx",
		 v->vm->config.name, v->id, run->arg[0], run->arg[1]);
	guest_give_up(hart, v, PARK_UNHANDLED, "an exit that nothing handles");
}

void private_exit(struct hart *hart, struct vcpu *v, const struct private_run *run)
{
	if (is_question(run->exit))
		begin(v->r, run);
	switch (run->exit) {
	case PRIVATE_EXIT_NONE:
		break;
	case PRIVATE_EXIT_FAULT:
		fault(hart, v, run);
		break;
	case PRIVATE_EXIT_LOAD:
	case PRIVATE_EXIT_STORE:
		access(hart, v, run);
		break;
	case PRIVATE_EXIT_CALL:
		call(hart, v, run);
		break;
	case PRIVATE_EXIT_WAIT:
		wait(hart, v, run);
		break;
	case PRIVATE_EXIT_START:
		start(v, run);
		break;
	case PRIVATE_EXIT_STOPPED:
		stopped(hart, v);
		break;
	case PRIVATE_EXIT_CONSOLE:
		console(v, run);
		break;
	case PRIVATE_EXIT_PMSG:
		pmsg(v, run);
		break;
	case PRIVATE_EXIT_CONVERT:
		convert(hart, v, run);
		break;
	case PRIVATE_EXIT_BROKEN:
		broken(hart, v, run);
		break;
	default:
		log_line("%s: vCPU %lu: exit %lu of the warden's", v->vm->config.name, v->id, run->exit);
		guest_give_up(hart, v, PARK_UNHANDLED, "an exit that nothing handles");
		break;
	}
}
