/* Control registers and instructions of the privileged specification (20211203) that the hypervisor uses. */
#ifndef ARCH_CSR_H
#define ARCH_CSR_H

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

#define SSTATUS_SIE	   (1ull << 1)
#define SSTATUS_SPIE	   (1ull << 5)
#define SSTATUS_SPP	   (1ull << 8)
#define SSTATUS_VS	   (3ull << 9)
#define SSTATUS_VS_INITIAL (1ull << 9)
#define SSTATUS_VS_CLEAN   (2ull << 9)
#define SSTATUS_FS	   (3ull << 13)
#define SSTATUS_FS_INITIAL (1ull << 13)
#define SSTATUS_FS_CLEAN   (2ull << 13)
#define SSTATUS_SUM	   (1ull << 18)

#define HSTATUS_GVA	(1ull << 6)
#define HSTATUS_SPV	(1ull << 7)
#define HSTATUS_SPVP	(1ull << 8)
#define HSTATUS_VTW	(1ull << 21)
#define HSTATUS_VSXL_64 (2ull << 32)

/* Interrupt bits of sie, sip, hie, hvip; vsie and vsip show them one lower. */
#define IRQ_NUMBER_SSI 1

#define IRQ_SSI	 (1ull << 1)
#define IRQ_VSSI (1ull << 2)
#define IRQ_STI	 (1ull << 5)
#define IRQ_VSTI (1ull << 6)
#define IRQ_SEI	 (1ull << 9)
#define IRQ_VSEI (1ull << 10)

#define SCAUSE_INTERRUPT (1ull << 63)

enum trap_cause {
	CAUSE_FETCH_MISALIGNED = 0,
	CAUSE_FETCH_ACCESS = 1,
	CAUSE_ILLEGAL = 2,
	CAUSE_BREAKPOINT = 3,
	CAUSE_LOAD_MISALIGNED = 4,
	CAUSE_LOAD_ACCESS = 5,
	CAUSE_STORE_MISALIGNED = 6,
	CAUSE_STORE_ACCESS = 7,
	CAUSE_ECALL_U = 8,
	CAUSE_ECALL_HS = 9,
	CAUSE_ECALL_VS = 10,
	CAUSE_FETCH_PAGE = 12,
	CAUSE_LOAD_PAGE = 13,
	CAUSE_STORE_PAGE = 15,
	CAUSE_FETCH_GUEST_PAGE = 20,
	CAUSE_LOAD_GUEST_PAGE = 21,
	CAUSE_VIRTUAL_INSTRUCTION = 22,
	CAUSE_STORE_GUEST_PAGE = 23,
};

/* htinst for a fault of the implicit accesses of VS-stage translation, RV64 (section "Transformed Instruction"). */
#define HTINST_WALK_READ  0x3000u
#define HTINST_WALK_WRITE 0x3020u

#define HENVCFG_STCE  (1ull << 63)
#define HENVCFG_CBZE  (1ull << 7)
#define HENVCFG_CBCFE (1ull << 6)

#define HGATP_MODE_SHIFT 60
#define HGATP_VMID_SHIFT 44
#define HGATP_VMID	 (0x3fffull << HGATP_VMID_SHIFT)

#define SATP_SV39 (8ull << 60)

/* H extension, section "Hypervisor Instructions": written as encodings, so that any assembler takes them. */
static inline void hfence_gvma_all(void)
{
	__asm__ volatile(".insn r 0x73, 0, 0x31, x0, x0, x0" ::: "memory");
}

static inline void hfence_gvma(u64 gpa_shifted_by_2, u64 vmid)
{
	__asm__ volatile(".insn r 0x73, 0, 0x31, x0, %0, %1" ::"r"(gpa_shifted_by_2), "r"(vmid) : "memory");
}

/* All translations of the VMID in hgatp. */
static inline void hfence_vvma_all(void)
{
	__asm__ volatile(".insn r 0x73, 0, 0x11, x0, x0, x0" ::: "memory");
}

static inline void fence_i(void)
{
	__asm__ volatile("fence.i" ::: "memory");
}

static inline void wfi(void)
{
	__asm__ volatile("wfi" ::: "memory");
}

static inline void sfence_vma_all(void)
{
	__asm__ volatile("sfence.vma" ::: "memory");
}

static inline void sfence_vma_page(u64 address)
{
	__asm__ volatile("sfence.vma %0, x0" ::"r"(address) : "memory");
}

#endif
