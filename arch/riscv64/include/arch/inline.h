/* What the core inlines of this architecture: see core/arch.h. */
#ifndef ARCH_INLINE_H
#define ARCH_INLINE_H

#include "abi/types.h"

static inline void arch_relax(void)
{
	/* Zihintpause: a hint in the encoding of a fence, harmless where it is not known. */
	__asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010" ::: "memory");
}

void arch_doze(void);

static inline void arch_store(u64 *word, u64 value)
{
	*(volatile u64 *)word = value;
}

static inline void arch_estate_point(void)
{
}

/* tp points to this hart's struct hart (arch/riscv64/hart.h), whose first word is the index. */
static inline unsigned arch_hart(void)
{
	const u32 *hart;

	__asm__("mv %0, tp" : "=r"(hart));
	return *hart;
}

#endif
