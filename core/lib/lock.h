/*
 * Ticket spinlocks. Interrupts are off in the hypervisor, so there is one kind.
 *
 * Order, outermost first: operations on VMs (core/vm/vm.c), control, vm->dev_lock, a claim on guest memory
 * (core/memory/access.c), the recorder and what it is told (core/recorder/), net switch, host devices (drivers), sched, id
 * map, G-stage epochs, pages, log. A lock lives in the slot, never in the estate: it dies with its life.
 */
#ifndef CORE_LIB_LOCK_H
#define CORE_LIB_LOCK_H

#include "abi/types.h"
#include <arch/inline.h>

#define LOCK_SPINS 512

struct lock {
	u32 next;
	u32 serving;
};

static inline void lock_take(struct lock *l)
{
	u32 ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

	for (unsigned n = 1; __atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket; n++) {
		arch_relax();
		/* No lock is held that long, unless its holder waits for this hart's processor. */
		if (n % LOCK_SPINS == 0)
			arch_doze();
	}
}

/* Takes it if nobody has it and nobody waits. */
static inline bool lock_try(struct lock *l)
{
	/* Acquire here: it is the word that lock_release stored. */
	u32 serving = __atomic_load_n(&l->serving, __ATOMIC_ACQUIRE);
	u32 ticket = serving;

	return __atomic_compare_exchange_n(&l->next, &ticket, serving + 1, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

static inline void lock_release(struct lock *l)
{
	__atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_RELEASE);
}

#endif
