/*
 * Control registers of the fake harts (tests/exits/exits.h), found before the real file. The real one's numbers are in
 * force, its instructions are replaced.
 */
#ifndef EXITS_CSR_H
#define EXITS_CSR_H

#define hfence_gvma_all real_hfence_gvma_all
#define hfence_gvma	real_hfence_gvma
#define hfence_vvma_all real_hfence_vvma_all
#define fence_i		real_fence_i
#define wfi		real_wfi
#define sfence_vma_all	real_sfence_vma_all
#define sfence_vma_page real_sfence_vma_page
/* A path that only the root of the repository has. */
#include "arch/host/../riscv64/csr.h"
#undef hfence_gvma_all
#undef hfence_gvma
#undef hfence_vvma_all
#undef fence_i
#undef wfi
#undef sfence_vma_all
#undef sfence_vma_page
#undef csr_read
#undef csr_write
#undef csr_set
#undef csr_clear

#include "tests/exits/harts.h"

#define csr_read(csr) (exits_csrs()->csr)
/* A life can end before each change. */
#define csr_write(csr, value) ((void)(exits_csrs_change()->csr = (u64)(value)))
#define csr_set(csr, bits)    ((void)(exits_csrs_change()->csr |= (u64)(bits)))
#define csr_clear(csr, bits)  ((void)(exits_csrs_change()->csr &= ~(u64)(bits)))

static inline void hfence_gvma_all(void)
{
	exits_hart()->hfence_gvma++;
}

static inline void hfence_gvma(u64 gpa_shifted_by_2, u64 vmid)
{
	(void)gpa_shifted_by_2;
	(void)vmid;
	exits_hart()->hfence_gvma++;
}

static inline void hfence_vvma_all(void)
{
	exits_hart()->hfence_vvma++;
}

static inline void fence_i(void)
{
	exits_hart()->fence_i++;
}

static inline void wfi(void)
{
	exits_wfi();
}

#endif
