/* The ecalls of a guest: each function of each extension in the table of the product, with arguments of all kinds. */
#include "arch/riscv64/sbi.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/guest.h"
#include "tests/exits/crash/exit.h"
#include <stdio.h>
#include <string.h>

/* Arguments for any function of any extension: small numbers, masks, addresses in RAM, at its end, outside, wrapping. */
static const u64 arguments[][5] = {
	{ 0, 0, 0, 0, 0 },
	{ 1, 0, 0, 0, 0 },
	{ 2, GUEST_RAM_BASE + 0x2000, 0x77, 0x1000, 1 },
	{ 6, 0, GUEST_RAM_BASE, 0x1000, 3 },
	{ 7, 0, 0, ~0ull, 0 },
	{ 3, ~0ull, 0x5000, 0x200000, 9 },
	{ 8, 0, 0, 0, 0 },
	{ 1, 4096, 0, 0, 0 },
	{ 1, 1ull << 63, 0, 0, 0 },
	{ 0x80000000, GUEST_RAM_BASE + 0x2000, 0x99, 0, 0 },
	{ 0, GUEST_RAM_BASE + 0x2000, 0x99, 0, 0 },
	{ 5, GUEST_RAM_BASE + 0x3ffffe, 0, 0, 0 },
	{ 300, GUEST_RAM_BASE + 0x1f00, 0, 0, 0 },
	{ ~0ull, ~0ull - 3, ~0ull, ~0ull, ~0ull },
};

static void try_function(u64 extension, u64 function, enum scene_kind scene)
{
	for (unsigned n = 0; n < ARRAY_SIZE(arguments); n++) {
		struct scene_exit e = { .scene = scene, .cause = CAUSE_ECALL_VS };

		/* cppcheck-suppress invalidPrintfArgType_uint */
		(void)snprintf(e.name, sizeof(e.name), "SBI 0x%llx.%llu, arguments %u, scene %u",
			       (unsigned long long)extension, (unsigned long long)function, n, scene);
		memcpy(e.a, arguments[n], sizeof(arguments[n]));
		e.a[6] = function;
		e.a[7] = extension;
		crash_exit(&e);
	}
}

void crash_sbi(void)
{
	for (unsigned n = 0; n < guest_extension_count; n++) {
		/* One more than it has. */
		for (u64 f = 0; f <= guest_extensions[n].functions; f++)
			try_function(guest_extensions[n].id, f, SCENE_USUAL);
	}
	try_function(SBI_EXT_SUSP, 0, SCENE_ALONE);
	try_function(SBI_EXT_HSM, 0, SCENE_ALONE);
	try_function(SBI_EXT_HSM, 3, SCENE_ALONE);
	try_function(0x12345678, 0, SCENE_ALONE);
}
