/* Calls to the firmware that name harts: our hart numbers become the firmware's hart masks. */
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/hart.h"

/* Calls `extension`, `function` once for each group of 64 consecutive hart ids that the set has. */
static void call_on(u64 set, u64 extension, u64 function, u64 a2, u64 a3, u64 a4)
{
	while (set) {
		u64 base = harts[__builtin_ctzll(set)].id;
		u64 mask = 0;

		for (unsigned n = 0; n < hart_count; n++) {
			u64 id = harts[n].id;

			if ((set >> n & 1) && id >= base && id - base < 64) {
				mask |= 1ull << (id - base);
				set &= ~(1ull << n);
			}
		}
		sbi_call(extension, function, mask, base, a2, a3, a4);
	}
}

void firmware_fence_i(u64 hart_set)
{
	call_on(hart_set, SBI_EXT_RFENCE, 0, 0, 0, 0);
}

void firmware_hfence_gvma_vmid(u64 hart_set, u64 from, u64 bytes, u64 vmid)
{
	call_on(hart_set, SBI_EXT_RFENCE, 3, from, bytes, vmid);
}

void firmware_hfence_vvma_asid(u64 hart_set, u64 from, u64 bytes, u64 asid)
{
	call_on(hart_set, SBI_EXT_RFENCE, 5, from, bytes, asid);
}

void firmware_hfence_vvma(u64 hart_set, u64 from, u64 bytes)
{
	call_on(hart_set, SBI_EXT_RFENCE, 6, from, bytes, 0);
}
