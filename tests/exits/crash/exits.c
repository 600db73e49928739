/* All other exits of a guest: faults, wfi, first use of a unit, interrupts. */
#include "arch/riscv64/csr.h"
#include "core/dump/snapshot.h"
#include "tests/exits/crash/exit.h"
#include <stdio.h>

/* Codes of exceptions and of interrupts that are defined. */
#define CAUSES 24

static void with_dump(struct vm *vm)
{
	if (snapshot_begin(vm, true))
		host_fail("no dump");
}

/* Every cause that hardware can give, with nothing more to it; ecalls are in sbi.c. */
static void all_causes(void)
{
	struct scene_exit e = { 0 };

	for (u64 n = 0; n < 2 * CAUSES; n++) {
		e.cause = n < CAUSES ? n : SCAUSE_INTERRUPT | (n - CAUSES);
		if (e.cause == CAUSE_ECALL_VS)
			continue;
		(void)snprintf(e.name, sizeof(e.name), "%s %u, and nothing else",
			       n < CAUSES ? "exception" : "interrupt", (unsigned)(n % CAUSES));
		crash_exit(&e);
	}
}

/* ---- A vCPU waits, and its timer comes ---- */

static const struct scene_exit waits = { .cause = CAUSE_VIRTUAL_INSTRUCTION,
					 .stval = 0x10500073,
					 .scene = SCENE_ALONE };

static void wait_for_timer(const struct crash_case *c)
{
	(void)c;
	scene_start(&waits);
	scene_perform(&waits);
	if (vms[0]->vcpu[0].r->state != VCPU_WAITING)
		host_fail("the vCPU does not wait");
}

static void let_timer_come(const struct crash_case *c)
{
	(void)c;
	exits_advance(1ull << 50);
}

static bool has_woken(const struct crash_case *c)
{
	(void)c;
	if (!crash_let_time_pass())
		return crash_wrong("the next life ends by itself");
	view_take(&crash_now);
	if (!view_same(&crash_wanted, &crash_now, NULL, true))
		return crash_wrong("not what the guest would have seen");
	return exits_hart_of(&vms[0]->vcpu[0]) >= 0 || crash_wrong("it sleeps on");
}

static void timer(void)
{
	const struct crash_case c = { .name = "a timer wakes a vCPU",
				      .start = wait_for_timer,
				      .perform = let_timer_come,
				      .check = has_woken };

	crash_try(&c);
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
	all_causes();
	timer();
}
