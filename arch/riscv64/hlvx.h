/* Reading a guest's code as the guest would. Alone in a file, because tests on the host have another one in its place. */
#ifndef ARCH_HLVX_H
#define ARCH_HLVX_H

#include "arch/riscv64/hart.h"

/* HLVX.HU: load a halfword with execute permission through both stages. *failed is set if it trapped. */
static inline u32 hlvx_hu(u64 at, struct hart *hart, bool *failed)
{
	u64 value = 0;
	u64 bad = 1;

	/* hypervisor_trap goes on at label 2 when the load faults, with `bad` still set. */
	__asm__ volatile("	lla	t0, 2f\n"
			 "	sd	t0, %[fixup]\n"
			 "	.insn	r 0x73, 4, 0x32, %[value], %[at], x3\n"
			 "	li	%[bad], 0\n"
			 "2:	sd	zero, %[fixup]\n"
			 : [value] "+&r"(value), [bad] "+&r"(bad), [fixup] "=m"(hart->fixup)
			 : [at] "r"(at)
			 : "t0", "memory");
	*failed = *failed || bad;
	return (u32)value;
}

#endif
