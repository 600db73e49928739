/* All other exits of a guest: faults, wfi, first use of a unit, interrupts. */
#include "arch/riscv64/csr.h"
#include "core/dump/snapshot.h"
#include "tests/exits/crash/exit.h"

static void with_dump(struct vm *vm)
{
	if (snapshot_begin(vm, true))
		host_fail("no dump");
}

void crash_exits(void)
{
	struct scene_exit table[] = {
		{ .name = "first touch of RAM by a load",
		  .cause = CAUSE_LOAD_GUEST_PAGE,
		  .stval = GUEST_RAM_BASE + 0x234567,
		  .htval = (GUEST_RAM_BASE + 0x234567) >> 2 },
		{ .name = "a second touch of RAM by a store",
		  .cause = CAUSE_STORE_GUEST_PAGE,
		  .stval = GUEST_RAM_BASE + 0x4000,
		  .htval = (GUEST_RAM_BASE + 0x4000) >> 2 },
		{ .name = "a store to a page that a live dump has not read",
		  .cause = CAUSE_STORE_GUEST_PAGE,
		  .stval = GUEST_RAM_BASE + 0x4000,
		  .htval = (GUEST_RAM_BASE + 0x4000) >> 2,
		  .prepare = with_dump },
		{ .name = "first touch of RAM by a fetch",
		  .cause = CAUSE_FETCH_GUEST_PAGE,
		  .stval = GUEST_RAM_BASE + 0x200000,
		  .htval = (GUEST_RAM_BASE + 0x200000) >> 2 },
		{ .name = "a fetch outside of RAM",
		  .cause = CAUSE_FETCH_GUEST_PAGE,
		  .stval = 0x1000,
		  .htval = 0x400 },
		{ .name = "a load outside of everything",
		  .cause = CAUSE_LOAD_GUEST_PAGE,
		  .stval = 0x1000,
		  .htval = 0x400,
		  .instruction = LOAD(3) },
		{ .name = "an atomic on a device",
		  .cause = CAUSE_STORE_GUEST_PAGE,
		  .stval = GUEST_UART_BASE,
		  .htval = GUEST_UART_BASE >> 2,
		  .instruction = 0x00f727af },
		{ .name = "the last byte of RAM",
		  .cause = CAUSE_STORE_GUEST_PAGE,
		  .stval = GUEST_RAM_BASE + MIB(4) - 1,
		  .htval = (GUEST_RAM_BASE + MIB(4) - 1) >> 2 },
		{ .name = "wfi", .cause = CAUSE_VIRTUAL_INSTRUCTION, .stval = 0x10500073 },
		{ .name = "wfi, fetched", .cause = CAUSE_VIRTUAL_INSTRUCTION, .instruction = 0x10500073 },
		{ .name = "wfi alone",
		  .cause = CAUSE_VIRTUAL_INSTRUCTION,
		  .stval = 0x10500073,
		  .scene = SCENE_ALONE },
		{ .name = "wfi with input",
		  .cause = CAUSE_VIRTUAL_INSTRUCTION,
		  .stval = 0x10500073,
		  .prepare = exit_with_input },
		{ .name = "another virtual instruction",
		  .cause = CAUSE_VIRTUAL_INSTRUCTION,
		  .stval = 0x62000073 },
		{ .name = "floating point with the unit off",
		  .cause = CAUSE_ILLEGAL,
		  .stval = 0x00007007,
		  .unit_off = true },
		{ .name = "an illegal instruction", .cause = CAUSE_ILLEGAL, .stval = 0xffffffff },
		{ .name = "a load access fault", .cause = CAUSE_LOAD_ACCESS, .stval = 0x77 },
		{ .name = "a store access fault", .cause = CAUSE_STORE_ACCESS, .stval = 0x78 },
		{ .name = "a fetch access fault", .cause = CAUSE_FETCH_ACCESS, .stval = 0x79 },
		{ .name = "an interrupt", .cause = SCAUSE_INTERRUPT | 1 },
		{ .name = "an exit that nothing handles", .cause = 19 },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(table); n++)
		crash_exit(&table[n]);
}
