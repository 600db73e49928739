/*
 * Scheduler: one queue for all harts, round robin in slices, vCPUs bound by affinity masks.
 *
 * A vCPU is running (on one hart), queued (would run), sleeping (VCPU_WAITING: until something is pending or its timer
 * is due), or none of these (stopped, parked, paused). Its record says what it would do; where it is now is volatile.
 *
 * wfi runs natively inside the guest as long as nobody else wants the hart; when somebody does, the hart is kicked, and
 * from then on wfi leaves the guest.
 */
#ifndef CORE_VCPU_SCHED_H
#define CORE_VCPU_SCHED_H

#include "core/vcpu/vcpu.h"

/* Length of a slice while others wait, in microseconds. */
#define SCHED_SLICE_US 5000

/* `timebase`: ticks a second. Hart n is used once it has called sched_hart_online. Once a life. */
void sched_init(u64 timebase);
void sched_hart_online(unsigned hart);

/*
 * Looks at a vCPU whose record has changed: one that is VCPU_RUNNABLE, or VCPU_WAITING with something pending, and
 * neither runs nor is queued is queued, and a hart is found for it. Any context.
 */
void sched_wake(struct vcpu *v);

/* True if the current vCPU of a hart may go on: runnable, not removed, and its slice is not over while others wait. */
bool sched_keep(unsigned hart, const struct vcpu *v);

/*
 * `v` runs on its hart no longer, its registers are in its record. Queues it if it would run, lets it sleep until
 * `wake_at` (ticks, ~0: no timer) if it waits. Also for one that has come from a hart of the dead life: until then it is
 * `away`, and nobody takes it.
 */
void sched_put(struct vcpu *v, u64 wake_at);

/* Next vCPU for a hart, now running on it; NULL: none, and the hart counts as idle until its next call. */
struct vcpu *sched_take(unsigned hart);

/* True if somebody waits for a hart that this one could serve. */
bool sched_contended(unsigned hart);

/*
 * Takes `v` out of queue and sleep and, if it runs, makes its hart give it up, and waits for that. Its record's state
 * has been changed first, so that nobody takes it again. The calling hart has no current vCPU.
 */
void sched_remove(struct vcpu *v);

/*
 * From now on only `vm` runs, and of it only `v`: nobody else is taken or kept. NULL: all of them. Whoever has a hart has it
 * until sched_remove; nobody is woken.
 */
void sched_only(const struct vm *vm, const struct vcpu *v);

/* The same for a while, of a VM that is held: one that sleeps goes on sleeping, and sched_wake puts it back. */
void sched_hold(struct vcpu *v);

/* Wakes sleepers that are due; returns when the next one is, ~0: none. */
u64 sched_timers(u64 now);

#endif
