/* What the core inlines of the fake machine: see core/arch.h. */
#ifndef ARCH_INLINE_H
#define ARCH_INLINE_H

#include "abi/types.h"

/* Threads are harts here and outnumber the processors: who waits lets others run. */
int sched_yield(void);

static inline void arch_relax(void)
{
	sched_yield();
}

static inline void arch_doze(void)
{
	sched_yield();
}

static inline void arch_store(u64 *word, u64 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Counts, and ends the life if this is the store before which it is to end (arch/host/host.h). */
void arch_estate_point(void);

/* The calling thread's hart: set by host_be_hart. */
extern _Thread_local unsigned host_hart;

static inline unsigned arch_hart(void)
{
	return host_hart;
}

#endif
