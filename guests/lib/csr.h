/* Control registers of S-mode (RISC-V privileged specification). */
#ifndef GUESTS_LIB_CSR_H
#define GUESTS_LIB_CSR_H

#include "abi/types.h"

#define csr_read(csr)                                                           \
	({                                                                      \
		u64 csr_value;                                                  \
		__asm__ volatile("csrr %0, " #csr : "=r"(csr_value)::"memory"); \
		csr_value;                                                      \
	})
#define csr_write(csr, value) __asm__ volatile("csrw " #csr ", %0" ::"rK"((u64)(value)) : "memory")
#define csr_set(csr, bits)    __asm__ volatile("csrs " #csr ", %0" ::"rK"((u64)(bits)) : "memory")
#define csr_clear(csr, bits)  __asm__ volatile("csrc " #csr ", %0" ::"rK"((u64)(bits)) : "memory")

/* By number, because assemblers of this age do not know its name (Sstc). */
#define CSR_STIMECMP 0x14d

#define SSTATUS_SIE (1ull << 1)
#define SSTATUS_FS  (3ull << 13)

/* Bits of sie and sip, and causes of interrupts. */
#define IRQ_SOFTWARE 1
#define IRQ_TIMER    5
#define IRQ_EXTERNAL 9
#define IRQ_BIT(n)   (1ull << (n))

#define CAUSE_INTERRUPT (1ull << 63)

static inline void wfi(void)
{
	__asm__ volatile("wfi" ::: "memory");
}

static inline u64 time_now(void)
{
	return csr_read(time);
}

#endif
