/* Who runs while the root VM is on its way to the bare machine; see takeover.h. */
#include "core/root/takeover.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/recorder/recorder.h"
#include "core/root/root.h"
#include "core/survive/life.h"
#include "core/vcpu/sched.h"

/* From the exception on that makes the root's kernel panic to its first request: it may have a panic timeout of its own. */
#define PANIC_PATIENCE_S 600
/* From a failure to the reset: the log is on its way to the black box and to the operator. */
#define LAST_WORDS_S 1

static const struct vcpu nobody;
static u64 due = ~0ull; /* ticks: the machine is reset then */

static struct vcpu *suspending; /* asked for it, and is not alone yet */
static struct vcpu *alone;	/* nobody else has a hart any more */
static u64 refused;

static struct vcpu *boot_vcpu(const struct vm *vm)
{
	return &vm->vcpu[0];
}

static bool machine_has_hart(u64 id)
{
	for (u32 n = 0; n < estate.machine.hart_count; n++) {
		if (estate.machine.hart_ids[n] == id)
			return true;
	}
	return false;
}

const char *takeover_missing(void)
{
	const struct vm *vm = root_vm();

	if (!vm)
		return "there is no root VM";
	if (!estate.machine.has_warden)
		return "the firmware is not the warden";
	if (!machine_has_hart(boot_vcpu(vm)->id))
		return "the root VM's boot hart is none of the machine's";
	if (vm->s->guest_offset)
		return "the root VM's clock is not the machine's";
	return NULL;
}

enum crash_policy takeover_policy(void)
{
	enum crash_policy policy = (enum crash_policy)estate.machine.crash_policy;

	return policy == CRASH_DEVIRTUALISE && takeover_missing() ? CRASH_RESET : policy;
}

u64 takeover_heirs(void)
{
	enum crash_policy policy = takeover_policy();

	if (policy != CRASH_RECOVER && policy != CRASH_DEVIRTUALISE)
		return 0;
	return (u64)estate.machine.crash_limit + (takeover_missing() ? 0 : 1);
}

/* ---- Requests ---- */

static u64 steps_of(const struct vm *vm)
{
	return estate_load(&vm->s->root_steps);
}

void takeover_refuse(const struct vm *vm)
{
	u64 count = __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);

	/* The first of them, and then ever fewer: no guest fills the log. */
	if ((count & (count - 1)) == 0)
		log_line("%s: asks to devirtualise, and is not the root VM (%lu such requests so far)",
			 vm->config.name, count);
}

int takeover_prepare(struct vcpu *v, struct txn *t, u64 *value)
{
	struct vm *vm = v->vm;

	if (!vm_is_root(vm))
		return -EPERM;
	if (!(steps_of(vm) & ROOT_PREPARED))
		log_line("%s: vCPU %lu prepares to take the machine over", vm->config.name, v->id);
	txn_set(t, &vm->s->root_steps, steps_of(vm) | ROOT_PREPARED);
	__atomic_store_n(&due, ~0ull, __ATOMIC_RELAXED);
	*value = boot_vcpu(vm)->id;
	return 0;
}

int takeover_suspend(struct vcpu *v, struct txn *t)
{
	struct vm *vm = v->vm;

	if (!vm_is_root(vm))
		return -EPERM;
	if (!(steps_of(vm) & ROOT_PREPARED))
		return -EINVAL;
	if (__atomic_load_n(&alone, __ATOMIC_ACQUIRE) != v) {
		__atomic_store_n(&suspending, v, __ATOMIC_RELEASE);
		vm_look_for_requests();
		return -EAGAIN;
	}
	txn_set(t, &vm->s->root_steps, steps_of(vm) | ROOT_SUSPENDED);
	txn_set(t, &vm->s->root_alone, v->index + 1);
	return 0;
}

int takeover_permitted(struct vcpu *v, u64 *value)
{
	struct vm *vm = v->vm;

	if (!vm_is_root(vm))
		return -EPERM;
	*value = boot_vcpu(vm)->id;
	if (v != boot_vcpu(vm))
		return -EPERM;
	*value = 0;
	if (!(steps_of(vm) & ROOT_SUSPENDED) || estate_load(&vm->s->root_alone) != v->index + 1)
		return -EINVAL;
	return 0;
}

/* ---- The next policy ---- */

static void reset_after(u64 seconds)
{
	__atomic_store_n(&due, arch_time() + seconds * estate.machine.timebase, __ATOMIC_RELAXED);
}

static void follow_next_policy(const char *why)
{
	log_line("the root VM does not take the machine over: %s; the machine is reset", why);
	sched_only(NULL, &nobody);
	reset_after(LAST_WORDS_S);
}

bool takeover_is_under_way(void)
{
	const struct vm *vm = root_vm();

	return vm && steps_of(vm);
}

u64 takeover_due(void)
{
	return __atomic_load_n(&due, __ATOMIC_RELAXED);
}

void takeover_poll(void)
{
	if (__builtin_expect(takeover_due() == ~0ull, 1) || arch_time() < takeover_due())
		return;
	/* One hart does it. */
	if (__atomic_exchange_n(&due, ~0ull, __ATOMIC_RELAXED) == ~0ull)
		return;
	log_line("the machine is reset");
	recorder_finish();
	arch_machine_off(true);
}

/* ---- Who runs ---- */

/* Those who may not run any more leave their harts; each wait is as long as a hart takes for a round of its loop. */
static void take_off_others(const struct vcpu *v)
{
	sched_only(v->vm, v);
	for (unsigned n = 0; n < MAX_VMS; n++) {
		for (u32 i = 0; vms[n] && i < vms[n]->config.vcpus; i++) {
			if (&vms[n]->vcpu[i] != v)
				sched_remove(&vms[n]->vcpu[i]);
			arch_beat();
		}
	}
}

static void let_all_run(void)
{
	sched_only(NULL, NULL);
	for (unsigned n = 0; n < MAX_VMS; n++) {
		for (u32 i = 0; vms[n] && i < vms[n]->config.vcpus; i++) {
			struct vcpu *v = &vms[n]->vcpu[i];

			/* As in vm_resume: one that waited looks at its timer again by itself. */
			if (vms[n]->s->run_state == VM_RUNNING && estate_load(&v->r->state) == VCPU_WAITING)
				estate_store(&v->r->state, VCPU_RUNNABLE);
			sched_wake(v);
			arch_beat();
		}
	}
}

void takeover_work(void)
{
	struct vcpu *v = __atomic_exchange_n(&suspending, NULL, __ATOMIC_ACQ_REL);

	if (!v || __atomic_load_n(&alone, __ATOMIC_ACQUIRE) == v)
		return;
	take_off_others(v);
	__atomic_store_n(&alone, v, __ATOMIC_RELEASE);
}

void takeover_ends(struct vm *vm)
{
	u64 steps = steps_of(vm);
	bool others_wait = __atomic_load_n(&alone, __ATOMIC_ACQUIRE) || (steps & ROOT_SUSPENDED);

	if (!steps)
		return;
	if (steps & ROOT_INHERITS) {
		follow_next_policy("it ends");
		return;
	}
	__atomic_store_n(&suspending, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&alone, NULL, __ATOMIC_RELEASE);
	estate_store(&vm->s->root_alone, 0);
	estate_store(&vm->s->root_steps, 0);
	if (others_wait) {
		log_line("%s: ends without having taken the machine over: the others go on", vm->config.name);
		let_all_run();
	}
}

/* ---- After a crash ---- */

/* How many of the last lives crashed within the window that ends with the newest crash. */
static u64 recent_crashes(void)
{
	const struct life_record *newest = life_before();
	u64 window = estate.machine.crash_window * estate.machine.timebase, count = 0;

	for (u64 n = newest->number; n && newest->number - n < LIFE_COUNT; n--) {
		const struct life_record *l = estate_life(n);

		if (l->number != n || newest->t_fault - l->t_fault > window)
			break;
		count += life_has_crashed(l);
	}
	return count;
}

/* True if it is the root VM's turn now: by policy, or because recovering has been tried often enough. */
static bool root_inherits(void)
{
	const struct life_record *dead = life_before();

	if (!dead || !life_has_crashed(dead))
		return false;
	switch (estate.machine.crash_policy) {
	case CRASH_DEVIRTUALISE:
		return true;
	case CRASH_RECOVER:
		return !takeover_missing() && recent_crashes() > estate.machine.crash_limit;
	default:
		return false;
	}
}

static bool can_be_struck(const struct vm *vm)
{
	u64 state = estate_load(&boot_vcpu(vm)->r->state);

	return vm->s->run_state == VM_RUNNING && (state == VCPU_RUNNABLE || state == VCPU_WAITING);
}

/* The root VM is the only heir. A crash of its own that is under way already needs no more. */
static void hand_over_to(struct vm *vm)
{
	struct vcpu *v = boot_vcpu(vm);
	u64 steps = steps_of(vm);

	if (!(steps & (ROOT_INHERITS | ROOT_PREPARED)))
		log_line("%s: takes the machine over now: its kernel is made to panic", vm->config.name);
	estate_store(&vm->s->root_steps, steps | ROOT_INHERITS);
	if (steps & ROOT_PREPARED)
		return;
	reset_after(PANIC_PATIENCE_S);
	if (steps & ROOT_STRUCK)
		return;
	if (!can_be_struck(vm)) {
		follow_next_policy("its boot hart does not run");
		return;
	}
	estate_store(&v->r->state, VCPU_RUNNABLE);
	v->strike = 1;
	sched_only(vm, NULL);
}

/* Who runs in this life, by what the root VM has reached. */
static void continue_steps(const struct vm *vm)
{
	u64 steps = steps_of(vm);
	u64 n = estate_load(&vm->s->root_alone) - 1 - vm->s->first_vcpu;

	if ((steps & ROOT_SUSPENDED) && n < vm->config.vcpus) {
		alone = &vm->vcpu[n];
		sched_only(vm, alone);
	} else if (steps & ROOT_INHERITS) {
		sched_only(vm, NULL);
	}
}

void takeover_adopt(void)
{
	struct vm *vm = root_vm();
	bool inherits = root_inherits() || (vm && (steps_of(vm) & ROOT_INHERITS));

	if (inherits && takeover_missing()) {
		follow_next_policy(takeover_missing());
		return;
	}
	if (!vm)
		return;
	/* It ended, and its life before it could let the others go on. */
	if (vm->s->run_state != VM_RUNNING && vm->s->run_state != VM_PAUSED)
		estate_store(&vm->s->root_steps, steps_of(vm) & ROOT_INHERITS);
	continue_steps(vm);
	if (inherits)
		hand_over_to(vm);
}
