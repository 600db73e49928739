/* Calls to the firmware below us (RISC-V SBI 2.0) and to the warden in it. */
#ifndef ARCH_FIRMWARE_H
#define ARCH_FIRMWARE_H

#include "abi/types.h"
#include "abi/warden.h"

struct sbi_result {
	s64 error; /* SBI_ERR_..., 0: success */
	u64 value;
};

#define SBI_SUCCESS 0
#define SBI_ERR_FAILED (-1)
#define SBI_ERR_NOT_SUPPORTED (-2)
#define SBI_ERR_INVALID_PARAM (-3)
#define SBI_ERR_DENIED (-4)
#define SBI_ERR_INVALID_ADDRESS (-5)
#define SBI_ERR_ALREADY_AVAILABLE (-6)
#define SBI_ERR_ALREADY_STARTED (-7)
#define SBI_ERR_ALREADY_STOPPED (-8)

#define SBI_EXT_BASE 0x10
#define SBI_EXT_TIME 0x54494d45
#define SBI_EXT_IPI 0x735049
#define SBI_EXT_RFENCE 0x52464e43
#define SBI_EXT_HSM 0x48534d
#define SBI_EXT_SRST 0x53525354
#define SBI_EXT_DBCN 0x4442434e
#define SBI_EXT_SUSP 0x53555350
#define SBI_EXT_LEGACY_LAST 0x0f

static inline struct sbi_result sbi_call(u64 extension, u64 function, u64 arg0, u64 arg1, u64 arg2, u64 arg3, u64 arg4)
{
	register u64 a0 __asm__("a0") = arg0;
	register u64 a1 __asm__("a1") = arg1;
	register u64 a2 __asm__("a2") = arg2;
	register u64 a3 __asm__("a3") = arg3;
	register u64 a4 __asm__("a4") = arg4;
	register u64 a6 __asm__("a6") = function;
	register u64 a7 __asm__("a7") = extension;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7) : "memory");
	return (struct sbi_result){(s64)a0, a1};
}

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

/* A set of our harts (bit n: harts[n]) as the firmware's hart mask and base: ids may be sparse, so one call may not do. */
void firmware_ipi(u64 hart_set);

/* Remote HFENCE on a set of our harts, the calling one included if it is in the set. */
void firmware_hfence_gvma_vmid(u64 hart_set, u64 from, u64 bytes, u64 vmid);
void firmware_hfence_vvma(u64 hart_set, u64 from, u64 bytes);
void firmware_hfence_vvma_asid(u64 hart_set, u64 from, u64 bytes, u64 asid);
void firmware_fence_i(u64 hart_set);

#endif
