/* Reading a guest's code as the guest would. Alone in a file, because tests on the host have another one in its place. */
#ifndef ARCH_HLVX_H
#define ARCH_HLVX_H

#include "arch/riscv64/hart.h"

/*
 * HLVX.HU and HLVX.WU: load with execute permission through both stages. *failed is set if it trapped: hypervisor_trap goes
 * on at label 2 then, with `bad` still set.
 */
#define HLVX(name, rs2)                                                                              \
	static inline u32 name(u64 at, struct hart *hart, bool *failed)                              \
	{                                                                                            \
		u64 value = 0;                                                                       \
		u64 bad = 1;                                                                         \
                                                                                                     \
		__asm__ volatile("	lla	t0, 2f\n"                                                     \
				 "	sd	t0, %[fixup]\n"                                                \
				 "	.insn	r 0x73, 4, " rs2 "\n"                                \
				 "	li	%[bad], 0\n"                                                   \
				 "2:	sd	zero, %[fixup]\n"                                            \
				 : [value] "+&r"(value), [bad] "+&r"(bad), [fixup] "=m"(hart->fixup) \
				 : [at] "r"(at)                                                      \
				 : "t0", "memory");                                                  \
		*failed = *failed || bad;                                                            \
		return (u32)value;                                                                   \
	}

HLVX(hlvx_hu, "0x32, %[value], %[at], x3")
HLVX(hlvx_wu, "0x34, %[value], %[at], x3")

#endif
