/* Guest RAM: where VMs get it, first touch, access. */
#include "core/estate/cold.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "tests/lib/fixture.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Writes a configuration as VM creation does; that is what makes its memory taken. */
static void record(unsigned index, const struct vm_config *c)
{
	cold_write(estate_vm(index)->config, COLD_VM, c, sizeof(*c));
}

static void forget(unsigned index)
{
	memset(estate_vm(index)->config, 0, sizeof(estate_vm(index)->config));
}

static int assign(struct vm_config *c, u64 memory)
{
	u64 have;

	memset(c, 0, sizeof(*c));
	c->memory = memory;
	return backing_assign(c, &have);
}

static void assert_sound(const struct vm_config *c)
{
	assert_true(backing_valid(c));
	for (u32 i = 0; i < c->extent_count; i++) {
		assert_true(c->extents[i].hpa >= estate.base + estate.size);
		assert_true(c->extents[i].hpa + c->extents[i].size <= host->ram + host->ram_size);
	}
}

static void one_extent_if_there_is_room(void **state)
{
	struct vm_config c;

	(void)state;
	fixture_start();
	assert_int_equal(assign(&c, MIB(64)), 0);
	assert_int_equal(c.extent_count, 1);
	assert_int_equal(c.extents[0].gpa, GUEST_RAM_BASE);
	assert_int_equal(c.extents[0].size, MIB(64));
	assert_int_equal(c.extents[0].hpa, estate.base + estate.size);
	assert_sound(&c);
}

static void large_vms_get_gigabyte_pages(void **state)
{
	struct vm_config c;

	(void)state;
	fixture_start_with(GIB(4), 2);
	assert_int_equal(assign(&c, GIB(2)), 0);
	assert_int_equal(c.extent_count, 1);
	assert_int_equal(c.extents[0].hpa % GIB(1), 0);
	record(0, &c);
	/* A small one goes into the gap in front. */
	assert_int_equal(assign(&c, MIB(512)), 0);
	assert_int_equal(c.extents[0].hpa, estate.base + estate.size);
	record(1, &c);
	assert_int_equal(assign(&c, GIB(1)), 0);
	assert_int_equal(c.extents[0].hpa, host->ram + GIB(3));
	assert_sound(&c);
	record(2, &c);
	/* No such place any more: what is left, less well aligned. */
	assert_int_equal(assign(&c, MIB(256)), 0);
	assert_sound(&c);
}

static void fragments_are_used(void **state)
{
	struct vm_config c;
	unsigned n = 0;

	(void)state;
	fixture_start();
	/* Fill the RAM with 16 MiB each, then free every other one. */
	while (!assign(&c, MIB(16)))
		record(n++, &c);
	for (unsigned i = 0; i < n; i += 2)
		forget(i);
	assert_int_equal(assign(&c, MIB(64)), 0);
	assert_int_equal(c.extent_count, 4);
	assert_sound(&c);
	record(0, &c);
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(c.extents[i].gpa, GUEST_RAM_BASE + i * MIB(16));
}

static void too_many_fragments_are_too_little_memory(void **state)
{
	struct vm_config c;
	u64 have;
	unsigned n = 0;

	(void)state;
	fixture_start();
	while (n < MAX_VMS - 1 && !assign(&c, MIB(2)))
		record(n++, &c);
	/* The RAM behind goes to one VM, so that only the holes between the small ones are left. */
	assert_int_equal(assign(&c, backing_free_bytes()), 0);
	record(MAX_VMS - 1, &c);
	for (unsigned i = 0; i < 2 * (VM_MAX_EXTENTS + 1); i += 2)
		forget(i);
	assert_int_equal(assign(&c, MIB(2) * VM_MAX_EXTENTS), 0);
	assert_int_equal(c.extent_count, VM_MAX_EXTENTS);
	c.memory = MIB(2) * (VM_MAX_EXTENTS + 1);
	assert_int_equal(backing_assign(&c, &have), -ENOMEM);
	assert_int_equal(c.extent_count, 0);
	assert_int_equal(have, MIB(2) * (VM_MAX_EXTENTS + 1));
}

static void what_is_free_adds_up(void **state)
{
	struct vm_config c;
	u64 all, have;

	(void)state;
	fixture_start();
	all = backing_free_bytes();
	assert_int_equal(all, host->ram_size - LAYOUT_ESTATE_OFFSET - estate.size);
	assert_int_equal(assign(&c, MIB(100)), 0);
	assert_int_equal(backing_free_bytes(), all);
	record(5, &c);
	assert_int_equal(backing_free_bytes(), all - MIB(100));
	memset(&c, 0, sizeof(c));
	c.memory = all - MIB(100) + BLOCK_SIZE;
	assert_int_equal(backing_assign(&c, &have), -ENOMEM);
	assert_int_equal(have, all - MIB(100));
	c.memory = have;
	assert_int_equal(backing_assign(&c, &have), 0);
	record(6, &c);
	assert_int_equal(backing_free_bytes(), 0);
}

static void the_pack_is_not_given_away(void **state)
{
	struct vm_config c;
	unsigned n = 0;

	(void)state;
	fixture_start();
	estate.machine.pack = (struct machine_range){ .base = host->ram + MIB(101), .size = MIB(4) };
	assert_int_equal(backing_free_bytes(), host->ram_size - LAYOUT_ESTATE_OFFSET - estate.size - MIB(6));
	while (n < MAX_VMS && !assign(&c, MIB(8))) {
		for (u32 i = 0; i < c.extent_count; i++)
			assert_false(ranges_overlap(c.extents[i].hpa, c.extents[i].size, host->ram + MIB(100),
						    MIB(6)));
		record(n++, &c);
	}
	assert_true(n > 20);
	assert_true(backing_free_bytes() < MIB(8));
}

/* Several in one block, one in the pack, one in the firmware, one across the end of RAM: each block counts once. */
static void what_the_machine_keeps_is_not_given_away(void **state)
{
	struct machine_range *r = estate.machine.reserved;
	struct vm_config c;
	unsigned n = 0;
	u64 all;

	(void)state;
	fixture_start();
	all = backing_free_bytes();
	estate.machine.pack = (struct machine_range){ .base = host->ram + MIB(200), .size = MIB(2) };
	r[0] = (struct machine_range){ .base = host->ram + MIB(100) + 5, .size = 7 };
	r[1] = (struct machine_range){ .base = host->ram + MIB(100) + KIB(64), .size = MIB(2) };
	r[2] = (struct machine_range){ .base = host->ram + MIB(201), .size = 64 };
	r[3] = (struct machine_range){ .base = host->ram, .size = KIB(512) };
	r[4] = (struct machine_range){ .base = host->ram + MIB(255), .size = MIB(64) };
	estate.machine.reserved_count = 5;
	assert_int_equal(backing_free_bytes(), all - MIB(8));
	while (n < MAX_VMS && !assign(&c, MIB(2))) {
		for (unsigned i = 0; i < 5; i++)
			assert_false(
				ranges_overlap(c.extents[0].hpa, c.extents[0].size, r[i].base, r[i].size));
		assert_true(backing_valid(&c));
		record(n++, &c);
	}
	c.extents[0].hpa = host->ram + MIB(100);
	assert_false(backing_valid(&c));
}

/* Two records of an enemy that claim the same, all of it, and what does not exist. */
static void overlapping_records_do_not_wrap(void **state)
{
	struct vm_config c = { .extent_count = 1 };

	(void)state;
	fixture_start();
	c.extents[0] = (struct vm_extent){ .gpa = GUEST_RAM_BASE, .hpa = 0, .size = ~0ull };
	record(0, &c);
	assert_int_equal(backing_free_bytes(), 0);
	record(1, &c);
	assert_int_equal(backing_free_bytes(), 0);
	assert_int_equal(assign(&c, MIB(2)), -ENOMEM);
	forget(0);
	c.extent_count = ~0u;
	c.extents[0] = (struct vm_extent){ .hpa = host->ram + MIB(64), .size = ~0ull };
	record(1, &c);
	assert_int_equal(assign(&c, MIB(2)), 0);
}

static void odd_ends_of_ram_are_left_out(void **state)
{
	struct vm_config c;
	u64 all;

	(void)state;
	fixture_start();
	all = backing_free_bytes();
	estate.machine.ram[0].size -= MIB(1);
	assert_int_equal(backing_free_bytes(), all - MIB(2));
	assert_int_equal(assign(&c, all), -ENOMEM);
	assert_int_equal(assign(&c, all - MIB(2)), 0);
	assert_int_equal(assign(&c, MIB(1)), -EINVAL);
	assert_int_equal(assign(&c, 0), -EINVAL);
	assert_int_equal(assign(&c, VM_MEMORY_MAX + BLOCK_SIZE), -EINVAL);
}

static void invalid_extents_are_refused(void **state)
{
	struct vm_config good, c;

	(void)state;
	fixture_start();
	assert_int_equal(assign(&good, MIB(64)), 0);
	good.extent_count = 2;
	good.extents[0].size = MIB(32);
	good.extents[1] = (struct vm_extent){ .gpa = GUEST_RAM_BASE + MIB(32),
					      .hpa = good.extents[0].hpa + MIB(64),
					      .size = MIB(32) };
	assert_true(backing_valid(&good));
#define REFUSED(change)                          \
	do {                                     \
		c = good;                        \
		change;                          \
		assert_false(backing_valid(&c)); \
	} while (0)
	REFUSED(c.extent_count = 0);
	REFUSED(c.extent_count = 1);
	REFUSED(c.extent_count = 3);
	REFUSED(c.extent_count = VM_MAX_EXTENTS + 1);
	REFUSED(c.extent_count = ~0u);
	REFUSED(c.memory += BLOCK_SIZE);
	REFUSED(c.memory += 1);
	REFUSED(c.memory = VM_MEMORY_MAX + BLOCK_SIZE);
	REFUSED(c.memory = 0);
	REFUSED(c.extents[0].hpa += PAGE_SIZE);
	REFUSED(c.extents[0].hpa = estate.base);
	REFUSED(c.extents[0].hpa = host->ram);
	REFUSED(c.extents[0].hpa = host->ram + host->ram_size - MIB(16));
	REFUSED(c.extents[0].hpa = ~0ull & ~(BLOCK_SIZE - 1));
	REFUSED(c.extents[0].hpa = 0);
	REFUSED(c.extents[1].hpa = c.extents[0].hpa + MIB(30));
	REFUSED(c.extents[1].hpa = c.extents[0].hpa);
	REFUSED(c.extents[1].gpa += BLOCK_SIZE);
	REFUSED(c.extents[0].gpa = 0);
	REFUSED(c.extents[1].size = 0);
	REFUSED(c.extents[1].size += 8);
	REFUSED(c.extents[1].size = ~0ull & ~(BLOCK_SIZE - 1));
	estate.machine.pack = (struct machine_range){ .base = good.extents[1].hpa + MIB(31), .size = 1 };
	REFUSED((void)0);
}

/* ---- Access ---- */

/* A VM of two extents that are not neighbours: its RAM is cut at GUEST_RAM_BASE + 16 MiB. */
static struct vm *split_vm(void)
{
	struct vm_config c, small = { .memory = MIB(48), .vcpus = 1 };
	struct vm *vm;
	unsigned n = 40;

	fixture_start();
	while (!assign(&c, MIB(16)))
		record(n++, &c);
	forget(40);
	forget(42);
	forget(43);
	vm = fixture_vm(&small);
	assert_int_equal(vm->config.extent_count, 2);
	return vm;
}

#define CUT	(GUEST_RAM_BASE + vm->config.extents[0].size)
#define RAM_END (GUEST_RAM_BASE + vm->config.memory)

static u8 *host_byte(struct vm *vm, u64 at)
{
	hpa_t where;
	u64 run;

	assert_int_equal(backing_lookup(vm, GPA(at), &where, &run), 0);
	return (u8 *)(uintptr_t)where.a;
}

static void dirty_all(struct vm *vm)
{
	for (u32 i = 0; i < vm->config.extent_count; i++)
		memset((void *)(uintptr_t)vm->config.extents[i].hpa, 0x5a, vm->config.extents[i].size);
}

static bool touched(const struct vm *vm, u64 at)
{
	u64 block = (at - GUEST_RAM_BASE) / BLOCK_SIZE;

	return vm->s->touched[block / 64] >> block % 64 & 1;
}

static void lookup_goes_to_the_end_of_an_extent(void **state)
{
	struct vm *vm = split_vm();
	hpa_t where;
	u64 run;

	(void)state;
	assert_int_equal(backing_lookup(vm, GPA(CUT - 8), &where, &run), 0);
	assert_int_equal(run, 8);
	assert_int_equal(where.a, vm->config.extents[0].hpa + vm->config.extents[0].size - 8);
	assert_int_equal(backing_lookup(vm, GPA(CUT), &where, &run), 0);
	assert_int_equal(where.a, vm->config.extents[1].hpa);
	assert_int_equal(run, vm->config.extents[1].size);
	assert_int_equal(backing_lookup(vm, GPA(GUEST_RAM_BASE - 1), &where, &run), -EFAULT);
	assert_int_equal(backing_lookup(vm, GPA(RAM_END), &where, &run), -EFAULT);
	assert_int_equal(backing_lookup(vm, GPA(0), &where, &run), -EFAULT);
	assert_int_equal(backing_lookup(vm, GPA(~0ull), &where, &run), -EFAULT);
}

static void first_touch_zeroes_one_block(void **state)
{
	struct vm *vm = split_vm();
	u64 at = CUT + BLOCK_SIZE + 123;

	(void)state;
	dirty_all(vm);
	assert_int_equal(backing_touch(vm, GPA(at)), 0);
	for (u64 i = CUT + BLOCK_SIZE; i < CUT + 2 * BLOCK_SIZE; i += 8)
		assert_int_equal(*host_byte(vm, i), 0);
	assert_int_equal(*host_byte(vm, CUT + BLOCK_SIZE - 1), 0x5a);
	assert_int_equal(*host_byte(vm, CUT + 2 * BLOCK_SIZE), 0x5a);
	assert_true(touched(vm, at));
	assert_false(touched(vm, at - BLOCK_SIZE));
	*host_byte(vm, at) = 7;
	assert_int_equal(backing_touch(vm, GPA(at)), 0);
	assert_int_equal(*host_byte(vm, at), 7);
	assert_int_equal(backing_touch(vm, GPA(RAM_END)), -EFAULT);
	assert_int_equal(backing_touch(vm, GPA(GUEST_RAM_BASE - 1)), -EFAULT);
	backing_reset(vm);
	assert_false(touched(vm, at));
	assert_int_equal(backing_touch(vm, GPA(at)), 0);
	assert_int_equal(*host_byte(vm, at), 0);
}

static void touch_last_block(void *context)
{
	struct vm *vm = context;

	(void)backing_touch(vm, GPA(RAM_END - 1));
}

/* No guest sees a block that says it is touched and has not been zeroed. */
static void a_crash_while_a_block_is_zeroed(void **state)
{
	struct vm *vm = split_vm();

	(void)state;
	dirty_all(vm);
	assert_int_equal(host_live(touch_last_block, vm, 1), HOST_DIED);
	fixture_heir();
	vm = vms[0];
	assert_false(touched(vm, RAM_END - 1));
	assert_int_equal(host_live(touch_last_block, vm, 0), HOST_RETURNED);
	assert_int_equal(host_stores(), 1);
	assert_true(touched(vm, RAM_END - 1));
	assert_int_equal(*host_byte(vm, RAM_END - 1), 0);
}

/* Many harts at once on each block: one zeroes it, and nobody goes on before that is done. */
#define TOUCHERS 4
#define MARK	 (BLOCK_SIZE - 64) /* what a second zeroing would reach last */

static struct vm *touched_by_all;
static pthread_barrier_t all_here;

static void *toucher(void *argument)
{
	u64 n = (u64)(uintptr_t)argument;
	struct vm *vm = touched_by_all;

	host_be_hart((unsigned)n);
	for (u64 at = GUEST_RAM_BASE; at < RAM_END; at += BLOCK_SIZE) {
		u8 *mine = host_byte(vm, at + MARK + n);

		pthread_barrier_wait(&all_here);
		if (backing_touch(vm, GPA(at + n * PAGE_SIZE)) || *mine)
			host_fail("a block is not zero when it is touched");
		*mine = (u8)(n + 1);
	}
	return NULL;
}

static void one_hart_zeroes_each_block(void **state)
{
	pthread_t threads[TOUCHERS];
	struct vm *vm;

	(void)state;
	fixture_start();
	vm = touched_by_all = fixture_vm(NULL);
	assert_int_equal(vm->config.extent_count, 1);
	dirty_all(vm);
	pthread_barrier_init(&all_here, NULL, TOUCHERS);
	for (u64 n = 0; n < TOUCHERS; n++)
		pthread_create(&threads[n], NULL, toucher, (void *)(uintptr_t)n);
	for (unsigned n = 0; n < TOUCHERS; n++)
		pthread_join(threads[n], NULL);
	/* Nobody has zeroed once more what the others wrote. */
	for (u64 at = GUEST_RAM_BASE; at < RAM_END; at += BLOCK_SIZE) {
		for (u64 n = 0; n < TOUCHERS; n++)
			assert_int_equal(*host_byte(vm, at + MARK + n), n + 1);
	}
}

static void access_crosses_pages_and_extents(void **state)
{
	struct vm *vm = split_vm();
	u8 got[3 * PAGE_SIZE], want[3 * PAGE_SIZE];

	(void)state;
	dirty_all(vm);
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (u8)(i * 31 + (i >> 8));
	assert_int_equal(guest_write(vm, GPA(CUT - PAGE_SIZE - 77), want, sizeof(want)), 0);
	assert_int_equal(guest_read(vm, GPA(CUT - PAGE_SIZE - 77), got, sizeof(got)), 0);
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(*host_byte(vm, CUT), want[PAGE_SIZE + 77]);
	assert_int_equal(*host_byte(vm, CUT - PAGE_SIZE - 78), 0);
	assert_int_equal(guest_read(vm, GPA(CUT + PAGE_SIZE * 3), got, 16), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(got[i], 0);
	assert_int_equal(guest_read(vm, GPA(RAM_END - 8), got, 9), -EFAULT);
	assert_int_equal(guest_read(vm, GPA(RAM_END - 8), got, 8), 0);
	assert_int_equal(guest_write(vm, GPA(GUEST_RAM_BASE - 1), want, 1), -EFAULT);
	assert_int_equal(guest_write(vm, GPA(~0ull), want, 2), -EFAULT);
	assert_int_equal(guest_read(vm, GPA(0), got, 0), 0);
}

static void words_keep_their_value(void **state)
{
	struct vm *vm = split_vm();
	u64 word = 0x1122334455667788;
	u32 half = 0;
	u16 quarter = 0;

	(void)state;
	assert_int_equal(guest_write(vm, GPA(CUT), &word, 8), 0);
	assert_int_equal(guest_read(vm, GPA(CUT + 4), &half, 4), 0);
	assert_int_equal(half, 0x11223344);
	assert_int_equal(guest_read(vm, GPA(CUT + 2), &quarter, 2), 0);
	assert_int_equal(quarter, 0x5566);
	assert_int_equal(guest_read(vm, GPA(CUT + 3), &half, 4), 0);
	assert_int_equal(half, 0x22334455);
	assert_int_equal(guest_write(vm, GPA(CUT + 1), &quarter, 2), 0);
	assert_int_equal(guest_read(vm, GPA(CUT), &word, 8), 0);
	assert_int_equal(word, 0x1122334455556688);
}

static void dma_stays_in_touched_blocks(void **state)
{
	struct vm *vm = split_vm();
	hpa_t where;
	u64 run;

	(void)state;
	dirty_all(vm);
	assert_int_equal(guest_dma(vm, GPA(GUEST_RAM_BASE + 5), 100, false, &where, &run), 0);
	assert_int_equal(run, 100);
	assert_int_equal(where.a, vm->config.extents[0].hpa + 5);
	assert_int_equal(*(u8 *)(uintptr_t)where.a, 0);
	/* Up to the first block that has not been touched. */
	assert_int_equal(guest_dma(vm, GPA(GUEST_RAM_BASE + 5), MIB(16), false, &where, &run), 0);
	assert_int_equal(run, BLOCK_SIZE - 5);
	assert_false(touched(vm, GUEST_RAM_BASE + BLOCK_SIZE));
	assert_int_equal(backing_touch(vm, GPA(GUEST_RAM_BASE + BLOCK_SIZE)), 0);
	assert_int_equal(guest_dma(vm, GPA(GUEST_RAM_BASE + 5), MIB(16), false, &where, &run), 0);
	assert_int_equal(run, 2 * BLOCK_SIZE - 5);
	/* Up to the end of the extent. */
	assert_int_equal(guest_dma(vm, GPA(CUT - 16), 64, false, &where, &run), 0);
	assert_int_equal(run, 16);
	assert_int_equal(guest_dma(vm, GPA(RAM_END - 16), 17, false, &where, &run), -EFAULT);
	assert_int_equal(guest_dma(vm, GPA(RAM_END - 16), 16, false, &where, &run), 0);
	assert_int_equal(guest_dma(vm, GPA(RAM_END - 16), ~0ull, false, &where, &run), -EFAULT);
	assert_int_equal(guest_dma(vm, GPA(0), 16, false, &where, &run), -EFAULT);
	assert_int_equal(guest_dma(vm, GPA(CUT), 0, false, &where, &run), 0);
	assert_int_equal(run, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_extent_if_there_is_room),
		cmocka_unit_test(large_vms_get_gigabyte_pages),
		cmocka_unit_test(fragments_are_used),
		cmocka_unit_test(too_many_fragments_are_too_little_memory),
		cmocka_unit_test(what_is_free_adds_up),
		cmocka_unit_test(the_pack_is_not_given_away),
		cmocka_unit_test(what_the_machine_keeps_is_not_given_away),
		cmocka_unit_test(overlapping_records_do_not_wrap),
		cmocka_unit_test(odd_ends_of_ram_are_left_out),
		cmocka_unit_test(invalid_extents_are_refused),
		cmocka_unit_test(lookup_goes_to_the_end_of_an_extent),
		cmocka_unit_test(first_touch_zeroes_one_block),
		cmocka_unit_test(a_crash_while_a_block_is_zeroed),
		cmocka_unit_test(one_hart_zeroes_each_block),
		cmocka_unit_test(access_crosses_pages_and_extents),
		cmocka_unit_test(words_keep_their_value),
		cmocka_unit_test(dma_stays_in_touched_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
