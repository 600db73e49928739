/*
 * A vCPU of this life: the volatile side of a vcpu_record.
 */
#ifndef CORE_VCPU_VCPU_H
#define CORE_VCPU_VCPU_H

#include "abi/estate.h"
#include "core/estate/txn.h"

struct vm;

struct vcpu {
	struct vcpu_record *r; /* in the estate */
	struct vm *vm;
	u64 index; /* of its record in the estate */
	u64 id;	   /* hart id that the guest sees, or VCPU_NO_ID */
	/* Scheduler (core/vcpu/sched.c), under its lock. */
	struct vcpu *next, *prev; /* in the run queue, or among the sleepers */
	u64 waits_for;		  /* while queued: the harts whose queue lengths count it */
	u32 queued;
	u32 asleep;  /* in the list of sleepers */
	u32 removed; /* sched_remove waits for it */
	u32 stalled; /* atomic: waits for a dump to be read (snapshot_stall), and is not queued until then */
	u32 hart_plus_1;    /* hart that runs it now, 0: none. Written under the lock, read by anyone. */
	u32 lazy_hart;	    /* hart index + 1 where its LAZY registers were loaded last, 0: nowhere */
	u32 away;	    /* an heir: its registers are still in a hart that has not come yet */
	u32 expected;	    /* an heir: it ran when the life before ended, and has not run yet in this one */
	u32 fetch_failures; /* exits in a row whose instruction could not be fetched, ... */
	u32 strike; /* it is to get an exception that its kernel cannot bear, before it runs again (takeover.h) */
	u64 fetch_failed_exit; /* ... the last of them: value of r->exits */
	u64 loaded_at;	       /* ticks: when it was loaded into its hart; 0: in none */
	u64 slice_end;	       /* ticks */
	u64 wake_at;	       /* ticks: its own timer, while it waits; ~0: never */
};

/* Ticks that the vCPU has had a hart so far; a wfi inside the guest counts, its hart was for nobody else. */
static inline u64 vcpu_run_ticks(const struct vcpu *v, u64 now)
{
	u64 since = __atomic_load_n(&v->loaded_at, __ATOMIC_RELAXED);

	return estate_load(&v->r->run_ticks) + (since && now > since ? now - since : 0);
}

/* Makes a vCPU look again at what is pending for it (ipi, irq, fence, state): wakes it or kicks its hart. Any context. */
void vcpu_notify(struct vcpu *v);

#endif
