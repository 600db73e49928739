/* Calls of a guest to what is below it (RISC-V SBI specification 2.0). */
#ifndef GUESTS_LIB_SBI_H
#define GUESTS_LIB_SBI_H

#include "abi/types.h"

#define SBI_LEGACY_PUTCHAR  0x01ul
#define SBI_LEGACY_SHUTDOWN 0x08ul
#define SBI_BASE	    0x10ul
#define SBI_TIME	    0x54494d45ul
#define SBI_IPI		    0x735049ul
#define SBI_RFENCE	    0x52464e43ul
#define SBI_HSM		    0x48534dul
#define SBI_SRST	    0x53525354ul
#define SBI_PMU		    0x504d55ul
#define SBI_DBCN	    0x4442434eul
#define SBI_SUSP	    0x53555350ul
#define SBI_CPPC	    0x43505043ul
#define SBI_NACL	    0x4e41434cul
#define SBI_STA		    0x535441ul

/* Function ids. */
#define SBI_BASE_SPEC_VERSION 0ul
#define SBI_BASE_PROBE	      3ul
#define SBI_HSM_START	      0ul
#define SBI_HSM_STOP	      1ul
#define SBI_HSM_STATUS	      2ul
#define SBI_HSM_SUSPEND	      3ul
#define SBI_DBCN_WRITE	      0ul

struct sbi_result {
	s64 error;
	u64 value;
};

static inline struct sbi_result sbi(u64 extension, u64 function, u64 arg0, u64 arg1, u64 arg2, u64 arg3,
				    u64 arg4)
{
	register u64 a0 __asm__("a0") = arg0;
	register u64 a1 __asm__("a1") = arg1;
	register u64 a2 __asm__("a2") = arg2;
	register u64 a3 __asm__("a3") = arg3;
	register u64 a4 __asm__("a4") = arg4;
	register u64 a6 __asm__("a6") = function;
	register u64 a7 __asm__("a7") = extension;

	__asm__ volatile("ecall"
			 : "+r"(a0), "+r"(a1)
			 : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7)
			 : "memory");
	return (struct sbi_result){ (s64)a0, a1 };
}

static inline bool sbi_has(u64 extension)
{
	struct sbi_result r = sbi(SBI_BASE, SBI_BASE_PROBE, extension, 0, 0, 0, 0);

	return !r.error && r.value;
}

static inline void sbi_set_timer(u64 when)
{
	sbi(SBI_TIME, 0, when, 0, 0, 0, 0);
}

static inline void sbi_send_ipi(u64 mask, u64 base)
{
	sbi(SBI_IPI, 0, mask, base, 0, 0, 0);
}

#endif
