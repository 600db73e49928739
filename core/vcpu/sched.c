/* The scheduler's queue, sleepers and kicks; see sched.h. One lock, short sections. */
#include "core/vcpu/sched.h"
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/lock.h"
#include "core/lib/sealed.h"
#include "core/vm/vm.h"

static struct lock lock;
static struct vcpu_list {
	struct vcpu *head, *tail;
} queue, sleepers;
static u64 next_wake = ~0ull; /* no sleeper is due before; read without the lock */
static SEALED u64 slice_ticks;
static u64 online;    /* bit n: hart n takes vCPUs */
static u64 idle;      /* bit n: found nothing to run */
static u64 contended; /* bit n: knows that others wait (its slices are timed, wfi leaves the guest) */
static u64 waiting;   /* bit n: somebody in the queue may run on hart n; read without the lock */
static u32 waiting_count[MAX_HARTS]; /* ... and so many of them */
/* Not NULL: nobody else runs. */
static const struct vm *only_vm;
static const struct vcpu *only_vcpu;

void sched_init(u64 timebase)
{
	slice_ticks = timebase * SCHED_SLICE_US / 1000000;
}

static u64 affinity(const struct vcpu *v)
{
	u64 harts = __atomic_load_n(&online, __ATOMIC_RELAXED);
	u64 mask = v->r->affinity & harts;

	/*
	 * A mask that names none of the harts that came up binds to nothing. But a vCPU of the root VM is its hart, and waits
	 * for it.
	 */
	if (!mask)
		mask = v->vm->config.flags & VM_ROOT ? v->r->affinity : harts;
	return mask;
}

static bool vm_running(const struct vcpu *v)
{
	const struct vm *vm = __atomic_load_n(&only_vm, __ATOMIC_RELAXED);
	const struct vcpu *one = __atomic_load_n(&only_vcpu, __ATOMIC_RELAXED);

	return estate_load(&v->vm->s->run_state) == VM_RUNNING && (!vm || v->vm == vm) && (!one || v == one);
}

/* And it may have a hart now: its VM is not held (vm_freeze), and it does not wait for a dump. */
static bool may_run(const struct vcpu *v)
{
	return vm_running(v) && !__atomic_load_n(&v->vm->held, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&v->stalled, __ATOMIC_SEQ_CST);
}

void sched_only(const struct vm *vm, const struct vcpu *v)
{
	lock_take(&lock);
	__atomic_store_n(&only_vm, vm, __ATOMIC_RELAXED);
	__atomic_store_n(&only_vcpu, v, __ATOMIC_RELAXED);
	lock_release(&lock);
}

static bool pending(const struct vcpu *v)
{
	return estate_load(&v->r->ipi) || estate_load(&v->r->irq);
}

static void list_append(struct vcpu_list *list, struct vcpu *v)
{
	v->next = NULL;
	v->prev = list->tail;
	if (list->tail)
		list->tail->next = v;
	else
		list->head = v;
	list->tail = v;
}

static void list_remove(struct vcpu_list *list, struct vcpu *v)
{
	if (v->prev)
		v->prev->next = v->next;
	else
		list->head = v->next;
	if (v->next)
		v->next->prev = v->prev;
	else
		list->tail = v->prev;
}

/* Counts a queued vCPU for the harts that may take it. */
static void wait_begin(struct vcpu *v)
{
	v->waits_for = affinity(v);
	for (u64 m = v->waits_for; m; m &= m - 1)
		waiting_count[__builtin_ctzll(m)]++;
	arch_store(&waiting, waiting | v->waits_for);
}

static void wait_end(struct vcpu *v)
{
	u64 mask = waiting;

	for (u64 m = v->waits_for; m; m &= m - 1) {
		if (--waiting_count[__builtin_ctzll(m)] == 0)
			mask &= ~(m & -m);
	}
	arch_store(&waiting, mask);
}

static void enqueue(struct vcpu *v)
{
	v->queued = 1;
	list_append(&queue, v);
	wait_begin(v);
}

static void dequeue(struct vcpu *v)
{
	v->queued = 0;
	list_remove(&queue, v);
	wait_end(v);
}

static void sleep_end(struct vcpu *v)
{
	if (!v->asleep)
		return;
	v->asleep = 0;
	list_remove(&sleepers, v);
}

void sched_hart_online(unsigned hart)
{
	lock_take(&lock);
	__atomic_fetch_or(&online, 1ull << hart, __ATOMIC_SEQ_CST);
	/* Who is queued already may run there, too. */
	for (struct vcpu *v = queue.head; v; v = v->next) {
		wait_end(v);
		wait_begin(v);
	}
	lock_release(&lock);
}

/* Harts to kick for a newly queued vCPU: one that is idle, else all that do not know yet that somebody waits. */
static u64 harts_for(struct vcpu *v)
{
	u64 mask = affinity(v);
	u64 free = mask & idle;

	if (free) {
		u64 last = 1ull << (v->r->last_hart & 63);
		u64 one = free & last ? last : free & -free;

		idle &= ~one;
		return one;
	}
	mask &= ~contended;
	arch_store(&contended, contended | mask);
	return mask;
}

/* Queues `v` if it would run. Returns the harts to kick once the lock is free. */
static u64 look(struct vcpu *v)
{
	u64 state = estate_load(&v->r->state);

	if (v->hart_plus_1 || v->queued || v->away || !may_run(v))
		return 0;
	if (state == VCPU_WAITING && pending(v)) {
		estate_store(&v->r->state, VCPU_RUNNABLE);
		state = VCPU_RUNNABLE;
	}
	if (state != VCPU_RUNNABLE)
		return 0;
	sleep_end(v);
	enqueue(v);
	return harts_for(v);
}

static void kick(u64 mask)
{
	for (; mask; mask &= mask - 1)
		arch_kick((unsigned)__builtin_ctzll(mask));
}

void sched_wake(struct vcpu *v)
{
	u64 mask;

	lock_take(&lock);
	mask = look(v);
	lock_release(&lock);
	kick(mask);
}

bool sched_contended(unsigned hart)
{
	return __atomic_load_n(&waiting, __ATOMIC_RELAXED) >> hart & 1;
}

/* Nobody waits for the hart any more: it goes back to long turns, and must be kicked by the next who does. */
static void contention_over(unsigned hart)
{
	u64 bit = 1ull << hart;

	if (!(__atomic_load_n(&contended, __ATOMIC_RELAXED) & bit))
		return;
	lock_take(&lock);
	if (!(waiting & bit))
		arch_store(&contended, contended & ~bit);
	lock_release(&lock);
}

bool sched_keep(unsigned hart, const struct vcpu *v)
{
	if (__atomic_load_n(&v->removed, __ATOMIC_RELAXED) || estate_load(&v->r->state) != VCPU_RUNNABLE ||
	    !may_run(v))
		return false;
	if (sched_contended(hart))
		return arch_time() < v->slice_end;
	contention_over(hart);
	return true;
}

void sched_put(struct vcpu *v, u64 wake_at)
{
	u64 mask;

	lock_take(&lock);
	__atomic_store_n(&v->away, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&v->hart_plus_1, 0, __ATOMIC_RELEASE);
	/* vcpu_notify: who sends something stores it first and then looks whether the vCPU has a hart. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mask = look(v);
	if (!v->queued && estate_load(&v->r->state) == VCPU_WAITING && vm_running(v)) {
		v->asleep = 1;
		v->wake_at = wake_at;
		list_append(&sleepers, v);
		if (wake_at < next_wake)
			arch_store(&next_wake, wake_at);
	}
	lock_release(&lock);
	kick(mask);
}

struct vcpu *sched_take(unsigned hart)
{
	u64 bit = 1ull << hart;
	struct vcpu *v;
	u64 other = 0;

	lock_take(&lock);
	for (v = queue.head; v && !(v->waits_for & bit);)
		v = v->next;
	if (v) {
		dequeue(v);
		v->slice_end = arch_time() + slice_ticks;
		__atomic_store_n(&v->hart_plus_1, hart + 1, __ATOMIC_SEQ_CST);
		idle &= ~bit;
		/* It may not be the one that this hart was kicked for: that one's idle harts know nothing of it. */
		other = waiting & idle;
		other &= -other;
		idle &= ~other;
	} else {
		idle |= bit;
	}
	arch_store(&contended, waiting & bit ? contended | bit : contended & ~bit);
	lock_release(&lock);
	kick(other);
	return v;
}

static void take_off(struct vcpu *v, bool sleeps_on)
{
	u32 on;

	lock_take(&lock);
	__atomic_store_n(&v->removed, 1, __ATOMIC_RELAXED);
	if (!sleeps_on)
		sleep_end(v);
	if (v->queued)
		dequeue(v);
	lock_release(&lock);
	while ((on = __atomic_load_n(&v->hart_plus_1, __ATOMIC_ACQUIRE)) != 0) {
		arch_kick(on - 1);
		arch_beat();
		arch_doze();
	}
	__atomic_store_n(&v->removed, 0, __ATOMIC_RELAXED);
}

void sched_remove(struct vcpu *v)
{
	take_off(v, false);
}

void sched_hold(struct vcpu *v)
{
	take_off(v, true);
}

u64 sched_timers(u64 now)
{
	u64 next = __atomic_load_n(&next_wake, __ATOMIC_RELAXED);
	u64 mask = 0;
	struct vcpu *due = NULL;

	if (now < next)
		return next;
	lock_take(&lock);
	next = ~0ull;
	for (struct vcpu *v = sleepers.head, *after; v; v = after) {
		after = v->next;
		if (v->wake_at <= now) {
			sleep_end(v);
			v->next = due;
			due = v;
		} else if (v->wake_at < next) {
			next = v->wake_at;
		}
	}
	arch_store(&next_wake, next);
	while (due) {
		struct vcpu *v = due;

		due = v->next;
		if (estate_load(&v->r->state) == VCPU_WAITING)
			estate_store(&v->r->state, VCPU_RUNNABLE);
		mask |= look(v);
	}
	lock_release(&lock);
	kick(mask);
	return next;
}

void vcpu_notify(struct vcpu *v)
{
	u32 on = __atomic_load_n(&v->hart_plus_1, __ATOMIC_SEQ_CST);

	if (on)
		arch_kick_vcpu(on - 1);
	else
		sched_wake(v);
	/* It may have been leaving its hart just then, before it could see what is pending. */
	if (on && !__atomic_load_n(&v->hart_plus_1, __ATOMIC_SEQ_CST))
		sched_wake(v);
}
