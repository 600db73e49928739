/* Calls to the firmware below us (RISC-V SBI 2.0) and to the warden in it. */
#ifndef ARCH_FIRMWARE_H
#define ARCH_FIRMWARE_H

#include "abi/types.h"
#include "abi/warden.h"
#include "arch/riscv64/ecall.h"
#include "arch/riscv64/sbi.h"

/* True if the firmware has the extension (BASE, probe_extension). */
static inline bool sbi_probe(u64 extension)
{
	struct sbi_result r = sbi_call(SBI_EXT_BASE, 3, extension, 0, 0, 0, 0);

	return r.error == SBI_SUCCESS && r.value != 0;
}

static inline struct sbi_result warden_call(enum warden_call call, u64 a0, u64 a1, u64 a2, u64 a3)
{
	return sbi_call(WARDEN_EXT, (u64)call, a0, a1, a2, a3, 0);
}

/*
 * Remote fences on a set of our harts (bit n: harts[n]), the calling one included if it is in the set. Hart ids may be
 * sparse, so that one call of the firmware may not do.
 */
void firmware_hfence_gvma_vmid(u64 hart_set, u64 from, u64 bytes, u64 vmid);
void firmware_hfence_vvma(u64 hart_set, u64 from, u64 bytes);
void firmware_hfence_vvma_asid(u64 hart_set, u64 from, u64 bytes, u64 asid);
void firmware_fence_i(u64 hart_set);

#endif
