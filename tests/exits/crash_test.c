/*
 * Every store to the estate that an exit handler makes is a point at which the life can end. timeout: 600 s
 *
 * For each exit of a table, and each of its stores: the life ends before the store, the heir adopts, the guest goes on
 * (which repeats the exit if its pc has not moved), and what both VMs can see is then what it is without a crash. Then the
 * heir's way is a row of such points itself.
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/guest.h"
#include "arch/riscv64/sbi.h"
#include "core/dump/snapshot.h"
#include "core/memory/backing.h"
#include "tests/exits/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

HOST_KEEP static struct view before, wanted, now;
HOST_KEEP static u64 points, nested_points, exits, failures;
HOST_KEEP static struct scene_exit current;
HOST_KEEP static u64 random_state = 1;
HOST_KEEP static const char *pattern; /* the program's argument: only exits whose name contains it */

static u64 random_number(u64 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (random_state >> 33) % below : 0;
}

static void perform(void *context)
{
	scene_perform(context);
}

static void heir(void *context)
{
	exits_heir(*(unsigned *)context);
}

/* The life has ended on some hart: it is held, and the next one starts there. Ends before store `die_before` of that. */
static enum host_end next_life(u64 die_before)
{
	unsigned hart = host_hart;

	exits_stop(hart);
	return host_live(heir, &hart, die_before);
}

static u64 pc_in(const struct view *v)
{
	for (unsigned n = 0; n < v->count; n++) {
		if (strcmp(v->item[n].what, "pc") == 0 && v->item[n].vm == 0 && v->item[n].index == 0)
			return v->item[n].value;
	}
	return 0;
}

/* What may have happened already when the exit is to be repeated: each is idempotent for the guest. */
static const char *const early[] = { "vstimecmp", "hvip", "ram", NULL };

/* A device may take up what is in its queue before it is told: an heir does, since it cannot know. */
static const char *const early_kick[] = { "console head", "console text", "virtio queue", "ram", NULL };

static bool report(const char *why, u64 store, u64 second)
{
	(void)printf("%s: life ended before store %llu, %llu: %s\n", current.name, (unsigned long long)store,
		     (unsigned long long)second, why);
	if (host->text[0])
		(void)printf("  %s\n", host->text);
	failures++;
	return false;
}

/* To beyond every timer of the scene. */
static void time_goes_on(void *context)
{
	(void)context;
	exits_advance(1ull << 50);
}

static bool nobody_sleeps(void)
{
	for (unsigned i = 0; i < 2; i++) {
		for (u32 n = 0; vms[i] && vms[i]->s->run_state == VM_RUNNING && n < vms[i]->config.vcpus;
		     n++) {
			const struct vcpu_record *r = vms[i]->vcpu[n].r;

			if (r->state == VCPU_WAITING && r->vstimecmp <= 1ull << 50)
				return false;
		}
	}
	return true;
}

/* The last life has adopted: the guest goes on. */
static bool check_recovery(u64 store, u64 second)
{
	view_take(&now);
	if (now.item[0].value && pc_in(&now) && pc_in(&now) == pc_in(&before)) {
		if (!view_same(&before, &now, current.scene == SCENE_KICK ? early_kick : early, false) &&
		    !view_same(&wanted, &now, NULL, false)) {
			view_same(&before, &now, early, true);
			return report("neither before nor after", store, second);
		}
		/* Twice: what was in a unit has been saved, so that the first exit only switches the unit on again. */
		for (unsigned n = 0;
		     n < 2 && pc_in(&now) == pc_in(&before) && !view_same(&wanted, &now, NULL, false); n++) {
			if (host_live(perform, &current, 0) != HOST_RETURNED)
				return report("the repeated exit ends the next life", store, second);
			view_take(&now);
		}
	}
	if (!view_same(&wanted, &now, NULL, true))
		return report("not what the guest would have seen", store, second);
	if (host_live(time_goes_on, NULL, 0) != HOST_RETURNED)
		return report("the next life ends by itself", store, second);
	return nobody_sleeps() || report("a vCPU sleeps on when its timer is due", store, second);
}

/* The life ends before store `store` of the exit. False: it has no such store. */
static bool crash_at(u64 store)
{
	enum host_end end;

	scene_start(&current);
	end = host_live(perform, &current, store);
	if (end == HOST_RETURNED)
		return false;
	points++;
	if (end != HOST_DIED)
		return report("the exit ends the life by itself", store, 0);
	if (next_life(0) != HOST_RETURNED)
		return report("the heir dies", store, 0);
	check_recovery(store, 0);
	return true;
}

/* And the heir before its store `second`. False: it has none. */
static bool crash_twice(u64 store, u64 second)
{
	enum host_end end;

	scene_start(&current);
	if (host_live(perform, &current, store) != HOST_DIED)
		return false;
	end = next_life(second);
	if (end == HOST_RETURNED)
		return false;
	nested_points++;
	if (end != HOST_DIED || next_life(0) != HOST_RETURNED)
		return report("an heir dies", store, second);
	check_recovery(store, second);
	return true;
}

static void reference(void)
{
	scene_start(&current);
	view_take(&before);
	if (host_live(perform, &current, 0) != HOST_RETURNED)
		report("the exit ends the life", 0, 0);
	view_take(&wanted);
}

/*
 * Exits that have had all their points: arguments that lead to the same number of stores and the same result take the same
 * way, so of those only a few points are tried.
 */
HOST_KEEP static u64 known[1000];
HOST_KEEP static unsigned known_count;

static bool is_new(const struct scene_exit *e, u64 stores)
{
	u64 key = stores << 32 ^ e->scene << 28 ^ e->cause << 20 ^ e->stval << 40 ^ e->htval << 44;

	if (e->cause != CAUSE_ECALL_VS)
		return true;
	for (unsigned n = 0; n < wanted.count; n++) {
		if (strcmp(wanted.item[n].what, "x") == 0 && wanted.item[n].index == 10) {
			key = key * 31 + wanted.item[n].value;
			break;
		}
	}
	key = (key * 31 + e->a[7]) * 31 + e->a[6];
	for (unsigned n = 0; n < known_count; n++) {
		if (known[n] == key)
			return false;
	}
	if (known_count == ARRAY_SIZE(known))
		host_fail("too many exits");
	known[known_count++] = key;
	return true;
}

/* All points of one exit; and second crashes at some points. */
static void try_exit(const struct scene_exit *e)
{
	u64 failed = failures;
	u64 stores, step;

	if (pattern && !strstr(e->name, pattern))
		return;
	current = *e;
	exits++;
	reference();
	if (getenv("EXITS_VERBOSE"))
		(void)printf("%s: %llu stores\n", e->name, (unsigned long long)host_stores());
	stores = host_stores();
	step = is_new(e, stores) ? 1 : stores / 3;
	for (u64 n = 1; n <= stores && failures < failed + 3; n += step) {
		if (!crash_at(n))
			break;
	}
	for (unsigned n = 0; n < 2 && failures < failed + 3; n++)
		crash_twice(1 + random_number(stores), 1 + random_number(250));
}

/* ---- The table of exits ---- */

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
		try_exit(&e);
	}
}

static void sbi(void **state)
{
	(void)state;
	for (unsigned n = 0; n < guest_extension_count; n++) {
		/* One more than it has. */
		for (u64 f = 0; f <= guest_extensions[n].functions; f++)
			try_function(guest_extensions[n].id, f, SCENE_USUAL);
	}
	assert_int_equal(failures, 0);
}

static void sbi_alone(void **state)
{
	(void)state;
	try_function(SBI_EXT_SUSP, 0, SCENE_ALONE);
	try_function(SBI_EXT_HSM, 0, SCENE_ALONE);
	try_function(SBI_EXT_HSM, 3, SCENE_ALONE);
	try_function(0x12345678, 0, SCENE_ALONE);
	assert_int_equal(failures, 0);
}

#define LOAD(funct3)  (14u << 15 | (u32)(funct3) << 12 | 15u << 7 | 0x03u)
#define STORE(funct3) (15u << 20 | 14u << 15 | (u32)(funct3) << 12 | 0x23u)

static void try_access(u64 at, bool write, unsigned funct3, enum scene_kind scene,
		       void (*prepare)(struct vm *vm))
{
	struct scene_exit e = { .scene = scene, .prepare = prepare };

	e.cause = write ? CAUSE_STORE_GUEST_PAGE : CAUSE_LOAD_GUEST_PAGE;
	e.stval = at;
	e.htval = at >> 2;
	e.instruction = write ? STORE(funct3) : LOAD(funct3);
	/* cppcheck-suppress invalidPrintfArgType_uint */
	(void)snprintf(e.name, sizeof(e.name), "%s of 0x%llx, funct3 %u, scene %u", write ? "store" : "load",
		       (unsigned long long)at, funct3, scene);
	try_exit(&e);
}

static void with_input(struct vm *vm)
{
	vm->s->uart.rx[0] = 0x636261;
	vm->s->uart.rx_head = 3;
	vm->s->uart.ier = 7;
	vm->s->uart.fcr = 1;
	vm->s->plic.line = 1u << GUEST_UART_IRQ;
	vm->s->plic.pending = 1u << GUEST_UART_IRQ;
	vm->s->plic.priority[GUEST_UART_IRQ] = 1;
	vm->vcpu[0].r->plic_enable = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->irq = 1;
}

static void with_claim(struct vm *vm)
{
	with_input(vm);
	vm->s->plic.pending = 0;
	vm->s->plic.claimed = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->plic_claimed = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->irq = 0;
}

static void uart(void **state)
{
	(void)state;
	for (u64 reg = 0; reg < 9; reg++) {
		try_access(GUEST_UART_BASE + reg, false, 4, SCENE_USUAL, with_input);
		try_access(GUEST_UART_BASE + reg, true, 0, SCENE_USUAL, with_input);
	}
	for (unsigned width = 0; width < 4; width++) {
		try_access(GUEST_UART_BASE, false, width, SCENE_USUAL, NULL);
		try_access(GUEST_UART_BASE, true, width, SCENE_USUAL, NULL);
	}
	assert_int_equal(failures, 0);
}

static void plic(void **state)
{
	static const u64 offsets[] = { 0x4,    4 * GUEST_UART_IRQ, 0x1000,   0x2000,   0x2004,
				       0x2080, 0x200000,	   0x200004, 0x201004, 0x3fffffc };

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(offsets); n++) {
		try_access(GUEST_PLIC_BASE + offsets[n], false, 2, SCENE_USUAL, with_input);
		try_access(GUEST_PLIC_BASE + offsets[n], true, 2, SCENE_USUAL, with_input);
		try_access(GUEST_PLIC_BASE + offsets[n], true, 2, SCENE_USUAL, with_claim);
	}
	for (unsigned width = 0; width < 4; width++) {
		try_access(GUEST_PLIC_BASE + 0x2000, false, width, SCENE_USUAL, NULL);
		try_access(GUEST_PLIC_BASE + 0x2000, true, width, SCENE_USUAL, NULL);
	}
	assert_int_equal(failures, 0);
}

static void virtio(void **state)
{
	static const u64 registers[] = { 0x00, 0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x38, 0x44, 0x50,
					 0x60, 0x64, 0x70, 0x80, 0x84, 0x90, 0xa4, 0xfc, 0x100 };

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(registers); n++) {
		/* InterruptStatus may show one that an heir has made. */
		try_access(GUEST_VIRTIO_BASE + registers[n], false, 2,
			   registers[n] == 0x60 ? SCENE_USUAL : SCENE_LIVE, NULL);
		try_access(GUEST_VIRTIO_BASE + registers[n], true, 2, SCENE_LIVE, NULL);
	}
	try_access(GUEST_VIRTIO_BASE + 0x50, true, 2, SCENE_KICK, NULL);
	for (unsigned width = 0; width < 4; width++) {
		try_access(GUEST_VIRTIO_BASE + 0x70, false, width, SCENE_USUAL, NULL);
		try_access(GUEST_VIRTIO_BASE + 0x70, true, width, SCENE_USUAL, NULL);
		try_access(GUEST_VIRTIO_BASE + 0x100, false, width, SCENE_USUAL, NULL);
	}
	/* An empty slot. */
	try_access(GUEST_VIRTIO_BASE + 5 * GUEST_VIRTIO_STRIDE, false, 2, SCENE_USUAL, NULL);
	assert_int_equal(failures, 0);
}

static void with_dump(struct vm *vm)
{
	assert_int_equal(snapshot_begin(vm, true), 0);
}

static void others(void **state)
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
		  .prepare = with_input },
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

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(table); n++)
		try_exit(&table[n]);
	assert_int_equal(failures, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others), cmocka_unit_test(sbi),  cmocka_unit_test(sbi_alone),
		cmocka_unit_test(uart),	  cmocka_unit_test(plic), cmocka_unit_test(virtio),
	};
	int failed;

	pattern = argc > 1 ? argv[1] : NULL;
	failed = cmocka_run_group_tests(tests, NULL, NULL);

	(void)printf("%llu exits, %llu points of crash, %llu of a second crash, %llu failures\n",
		     (unsigned long long)exits, (unsigned long long)points, (unsigned long long)nested_points,
		     (unsigned long long)failures);
	return failed;
}
