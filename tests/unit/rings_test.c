/* The warden's reading of a confidential VM's rings: what is copied where, and what is refused, from guest and host. */
#include "tests/unit/rings_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DATA   (WORLD_BASE + 0x10000)
#define ANSWER (WORLD_BASE + 0x20ff8)

static int start(void **state)
{
	(void)state;
	world_start();
	driver_queue(8);
	return 0;
}

static u64 value;

static void pattern(u8 *to, size_t bytes, u8 seed)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (u8)(seed + i * 7);
}

/* One request: 16 bytes to read, 5000 to read that cross pages, 600 to write that cross a page. */
static void request(unsigned entry)
{
	u8 bytes[5000];

	pattern(bytes, sizeof(bytes), 3);
	world_put(DATA + 100, bytes, 16);
	world_put(DATA + 4000, bytes + 16, 4984);
	driver_desc(1, DATA + 100, 16, DESC_NEXT, 3);
	driver_desc(3, DATA + 4000, 4984, DESC_NEXT, 2);
	driver_desc(2, ANSWER, 600, DESC_WRITE, 0);
	driver_head(entry % 8, 1);
	driver_index((u16)(entry + 1));
}

static void test_copies_what_there_is(void **state)
{
	u8 bytes[5000], answer[600], got[600], beyond = 0x55;
	u32 used[2];

	(void)state;
	request(0);
	assert_int_equal(host_take(0, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_ENTRY);
	assert_true(world.io->head == 1 && world.io->readable == 5000 && world.io->writable == 600);
	pattern(bytes, sizeof(bytes), 3);
	assert_memory_equal(world.bounce, bytes, 5000);
	assert_int_equal(world.bounce[5000], 0xee);

	pattern(answer, sizeof(answer), 9);
	memcpy(world.bounce + 5008, answer, 600);
	world_put(ANSWER + 500, &beyond, 1);
	assert_int_equal(host_complete(0, 500, &value), 0);
	assert_int_equal(value, PRIVATE_COMPLETE_INTERRUPT);
	world_get(got, ANSWER, 600);
	assert_memory_equal(got, answer, 500);
	assert_int_equal(got[500], 0x55);
	assert_int_equal(used_index(), 1);
	world_get(used, QUEUE_DEVICE + USED_RING, sizeof(used));
	assert_true(used[0] == 1 && used[1] == 500);
	assert_true(world.io->done == 1);
}

static void test_takes_as_often_as_wanted(void **state)
{
	(void)state;
	request(0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(host_take(0, &value), 0);
		assert_int_equal(value, PRIVATE_TAKEN_ENTRY);
	}
	assert_int_equal(host_take(1, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_NONE);
	assert_int_equal(host_complete(0, 0, &value), 0);
	assert_int_equal(host_take(0, &value), PRIVATE_ALREADY_AVAILABLE);
	assert_true(world.io->done == 1);
	assert_int_equal(host_complete(0, 0, &value), PRIVATE_ALREADY_AVAILABLE);
	assert_int_equal(used_index(), 1);
}

static void test_completes_in_order(void **state)
{
	(void)state;
	request(0);
	driver_head(1, 1);
	driver_index(2);
	assert_int_equal(host_complete(1, 0, &value), PRIVATE_INVALID_PARAM);
	assert_int_equal(used_index(), 0);
	assert_int_equal(host_complete(0, 0, &value), 0);
	assert_int_equal(host_complete(1, 0, &value), 0);
	assert_int_equal(host_complete(2, 0, &value), PRIVATE_INVALID_PARAM);
	assert_int_equal(used_index(), 2);
}

static void test_counts_round(void **state)
{
	(void)state;
	for (u32 entry = 0; entry < 0x10004; entry++) {
		request(entry);
		assert_int_equal(host_complete(entry & 0xffff, 0, &value), 0);
	}
	assert_int_equal(used_index(), 4);
}

static void test_tells_whether_an_interrupt_is_wanted(void **state)
{
	const u16 flags = AVAIL_NO_INTERRUPT;

	(void)state;
	request(0);
	world_put(QUEUE_DRIVER, &flags, sizeof(flags));
	assert_int_equal(host_complete(0, 0, &value), 0);
	assert_int_equal(value, 0);
}

/* ---- Pages ---- */

static void test_tells_what_is_missing(void **state)
{
	const unsigned pages[] = { 0, 1, 0x10, 0x11, 0x12, 0x20, 0x21 };

	(void)state;
	request(0);
	for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		u8 *page = world.private[pages[i]];

		world.private[pages[i]] = NULL;
		assert_int_equal(host_take(0, &value), 0);
		assert_int_equal(value, PRIVATE_TAKEN_MISSING);
		assert_true(world.io->missing == WORLD_BASE + pages[i] * PAGE_SIZE);
		assert_int_equal(world.bounce[0], 0xee);
		assert_int_equal(host_complete(0, 1, &value), 0);
		assert_int_equal(value, PRIVATE_COMPLETE_MISSING);
		assert_int_equal(used_index(), 0);
		world.private[pages[i]] = page;
	}
	assert_int_equal(host_take(0, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_ENTRY);
}

/* Flags and index, or index and ring, in different pages: nothing may be missing once the entry is shown. */
static void test_rings_across_pages(void **state)
{
	const u64 driver = WORLD_BASE + 0x4ffe, device = WORLD_BASE + 0x7ffc;
	const u16 index = 1, head = 1;
	u8 *page;
	u16 used;

	(void)state;
	request(0);
	driver_write(0, REG_QUEUE_READY, 0);
	driver_queue_at(8, QUEUE_DESC, driver, device);
	world_put(driver + AVAIL_IDX, &index, sizeof(index));
	world_put(driver + AVAIL_RING, &head, sizeof(head));
	for (unsigned n = 4; n <= 8; n += 4) {
		page = world.private[n];
		world.private[n] = NULL;
		assert_int_equal(host_complete(0, 1, &value), 0);
		assert_int_equal(value, PRIVATE_COMPLETE_MISSING);
		world.private[n] = page;
		world_get(&used, device + USED_IDX, sizeof(used));
		assert_int_equal(used, 0);
	}
	assert_int_equal(host_complete(0, 1, &value), 0);
	assert_int_equal(value, PRIVATE_COMPLETE_INTERRUPT);
	world_get(&used, device + USED_IDX, sizeof(used));
	assert_int_equal(used, 1);
}

static void test_shared_buffers(void **state)
{
	u8 bytes[64], answer[64];

	(void)state;
	world_map(world.shared, 0x30);
	pattern(bytes, sizeof(bytes), 1);
	world_put(PRIVATE_SHARED_BIT | (WORLD_BASE + 0x30000), bytes, 64);
	driver_desc(0, PRIVATE_SHARED_BIT | (WORLD_BASE + 0x30000), 64, DESC_NEXT, 1);
	driver_desc(1, PRIVATE_SHARED_BIT | (WORLD_BASE + 0x30800), 64, DESC_WRITE, 0);
	driver_head(0, 0);
	driver_index(1);
	assert_int_equal(host_take(0, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_ENTRY);
	assert_memory_equal(world.bounce, bytes, 64);
	pattern(world.bounce + 64, 64, 5);
	assert_int_equal(host_complete(0, 64, &value), 0);
	world_get(answer, PRIVATE_SHARED_BIT | (WORLD_BASE + 0x30800), 64);
	assert_memory_equal(answer, world.bounce + 64, 64);
}

/* ---- A driver that breaks the rules ---- */

static void assert_broken(void)
{
	assert_int_equal(host_take(0, &value), PRIVATE_FAILED);
	assert_int_equal(host_complete(0, 1, &value), PRIVATE_FAILED);
	assert_int_equal(used_index(), 0);
	assert_int_equal(world.bounce[0], 0xee);
}

static void test_outside_of_ram(void **state)
{
	const u64 bad[] = { WORLD_BASE - 1,
			    WORLD_BASE + WORLD_SIZE - 15,
			    0,
			    ~0ull,
			    ~0ull - 15,
			    DEVICE_BASE(0),
			    WORLD_BASE + (1ull << 39),
			    PRIVATE_SHARED_BIT | (WORLD_BASE + WORLD_SIZE) };

	(void)state;
	request(0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		driver_desc(1, bad[i], 16, DESC_NEXT, 2);
		assert_broken();
		driver_desc(1, bad[i], 16, DESC_INDIRECT, 0);
		assert_broken();
	}
	driver_desc(1, WORLD_BASE, 0xffffffff, DESC_NEXT, 2);
	assert_broken();
}

static void test_circles_and_long_chains(void **state)
{
	(void)state;
	request(0);
	driver_desc(2, ANSWER, 1, DESC_WRITE | DESC_NEXT, 2);
	assert_broken();
	driver_desc(2, ANSWER, 0, DESC_WRITE | DESC_NEXT, 2);
	assert_broken();
	driver_desc(2, ANSWER, 1, DESC_WRITE | DESC_NEXT, 8);
	assert_broken();
	driver_head(0, 8);
	assert_broken();
}

static void test_order_of_a_chain(void **state)
{
	(void)state;
	request(0);
	driver_desc(2, ANSWER, 8, DESC_WRITE | DESC_NEXT, 4);
	driver_desc(4, DATA, 8, 0, 0);
	assert_broken();
}

static void test_indirect_tables(void **state)
{
	struct ring_desc table[2] = { { .at = DATA, .bytes = 32, .flags = DESC_NEXT, .next = 1 },
				      { .at = ANSWER, .bytes = 8, .flags = DESC_WRITE } };
	const u64 at = WORLD_BASE + 0x30ff3; /* across a page, aligned to nothing */

	(void)state;
	driver_head(0, 0);
	driver_index(1);
	world_put(at, table, sizeof(table));
	driver_desc(0, at, sizeof(table), DESC_INDIRECT, 0);
	assert_int_equal(host_take(0, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_ENTRY);
	assert_true(world.io->readable == 32 && world.io->writable == 8);
	memset(world.bounce, 0xee, 64);

	driver_desc(0, at, sizeof(table) - 1, DESC_INDIRECT, 0);
	assert_broken();
	driver_desc(0, at, 0, DESC_INDIRECT, 0);
	assert_broken();
	driver_desc(0, at, sizeof(table), DESC_INDIRECT | DESC_NEXT, 0);
	assert_broken();
	driver_desc(0, at, sizeof(table), DESC_INDIRECT, 0);
	table[1].flags = DESC_INDIRECT;
	world_put(at, table, sizeof(table));
	assert_broken();
}

static void test_an_index_that_jumps(void **state)
{
	(void)state;
	request(0);
	driver_index(9);
	assert_broken();
	driver_index(0xffff);
	assert_broken();
}

static void test_too_long_for_its_buffers(void **state)
{
	(void)state;
	request(0);
	host_offer(5607);
	assert_int_equal(host_call(rings_take, 0, 0, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_LONG);
	host_offer(5608);
	assert_int_equal(host_call(rings_take, 0, 0, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_ENTRY);
}

/* ---- What makes a queue ---- */

static void test_no_queue_before_it_is_ready(void **state)
{
	const struct {
		u32 num;
		u64 desc, driver, device;
	} bad[] = {
		{ 0, QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE },
		{ 3, QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE },
		{ 512, QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE },
		{ 8, QUEUE_DESC + 8, QUEUE_DRIVER, QUEUE_DEVICE },
		{ 8, QUEUE_DESC, QUEUE_DRIVER + 1, QUEUE_DEVICE },
		{ 8, QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE + 2 },
		{ 256, WORLD_BASE + WORLD_SIZE - 4080, QUEUE_DRIVER, QUEUE_DEVICE },
		{ 256, QUEUE_DESC, WORLD_BASE + WORLD_SIZE - 512, QUEUE_DEVICE },
		{ 256, QUEUE_DESC, QUEUE_DRIVER, WORLD_BASE + WORLD_SIZE - 2048 },
		{ 8, WORLD_BASE - 128, QUEUE_DRIVER, QUEUE_DEVICE },
		{ 8, QUEUE_DESC, QUEUE_DRIVER, ~0ull - 3 },
	};

	(void)state;
	request(0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		driver_write(0, REG_STATUS, 0);
		driver_queue_at(bad[i].num, bad[i].desc, bad[i].driver, bad[i].device);
		assert_int_equal(host_take(0, &value), PRIVATE_DENIED);
		assert_int_equal(host_complete(0, 0, &value), PRIVATE_DENIED);
	}
}

static void test_a_queue_in_use_does_not_move(void **state)
{
	(void)state;
	request(0);
	assert_int_equal(host_complete(0, 0, &value), 0);
	/* Said again, as a hypervisor that has just died is told again. */
	driver_queue_at(4, QUEUE_DESC + 0x100, QUEUE_DRIVER + 0x100, QUEUE_DEVICE + 0x100);
	request(1);
	assert_int_equal(host_complete(1, 0, &value), 0);
	assert_int_equal(used_index(), 2);
}

static void test_reset_takes_the_queue_away(void **state)
{
	(void)state;
	request(0);
	driver_write(0, REG_STATUS, 4);
	assert_int_equal(host_take(0, &value), 0);
	driver_write(0, REG_STATUS, 0);
	assert_int_equal(host_complete(0, 1, &value), PRIVATE_DENIED);
	assert_int_equal(used_index(), 0);
	driver_queue(8);
	assert_int_equal(host_complete(0, 1, &value), 0);
	driver_write(0, REG_QUEUE_READY, 0);
	assert_int_equal(host_take(1, &value), PRIVATE_DENIED);
}

/* Other rings than these would make the warden copy what nobody meant: a packed one says so in a feature. */
static void test_features_that_change_rings(void **state)
{
	const struct {
		u32 half, bits;
		bool good;
	} cases[] = {
		{ 0, 0x10ffffff, true }, { 1, 3, true },  { 1, 1u << 2, false }, { 0, 1u << 29, false },
		{ 1, 1u << 3, false },	 { 2, 1, false }, { 1, 1u << 6, false }, { 0xffffffff, 1, false },
		{ 0, 1u << 24, false },	 { 2, 0, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		driver_write(0, REG_STATUS, 0);
		driver_write(0, REG_DRIVER_FEATURES_SEL, cases[i].half);
		driver_write(0, REG_DRIVER_FEATURES, cases[i].bits);
		driver_queue(8);
		request(0);
		assert_int_equal(host_take(0, &value), cases[i].good ? 0 : PRIVATE_DENIED);
	}
}

static void test_only_the_registers_count(void **state)
{
	(void)state;
	request(0);
	/* Too narrow, beside them, another device's, a queue that there is not. */
	rings_store(&world.vm, DEVICE_BASE(0) + REG_STATUS, 1, 0);
	rings_store(&world.vm, DEVICE_BASE(1) + REG_STATUS, 4, 0);
	rings_store(&world.vm, DEVICE_BASE(2) + REG_STATUS, 4, 0);
	rings_store(&world.vm, DEVICE_BASE(0) + REG_STATUS + 1, 4, 0);
	rings_store(&world.vm, ~0ull, 4, 0);
	driver_write(0, REG_QUEUE_SEL, PRIVATE_QUEUES);
	driver_write(0, REG_QUEUE_READY, 0);
	assert_int_equal(host_take(0, &value), 0);
	assert_int_equal(value, PRIVATE_TAKEN_ENTRY);
	driver_write(1, REG_QUEUE_SEL, 0);
	assert_int_equal(host_call(rings_take, PRIVATE_QUEUES, 0, &value), PRIVATE_DENIED);
}

/* ---- A hypervisor that asks for what it may not ---- */

static void test_bad_arguments(void **state)
{
	struct private_ask ask = { .vm = &world.vm, .arg = { 0, 0, 0, (u64)(uintptr_t)world.io } };

	(void)state;
	request(0);
	host_offer(ROOM);
	assert_int_equal(host_call(rings_take, 2 * PRIVATE_QUEUES, 0, &value), PRIVATE_INVALID_PARAM);
	assert_int_equal(host_call(rings_take, ~0ull, 0, &value), PRIVATE_INVALID_PARAM);
	assert_int_equal(host_call(rings_take, 0, 0x10000, &value), PRIVATE_INVALID_PARAM);
	assert_int_equal(host_call(rings_complete, 0, 0x10000, &value), PRIVATE_INVALID_PARAM);
	host_offer(ROOM + 1);
	assert_int_equal(host_call(rings_take, 0, 0, &value), PRIVATE_INVALID_PARAM);
	host_offer(ROOM);
	world.io->bounce += 16;
	assert_int_equal(host_call(rings_take, 0, 0, &value), PRIVATE_INVALID_ADDRESS);
	host_offer(ROOM - 16);
	world.io->bounce += 8;
	assert_int_equal(host_call(rings_take, 0, 0, &value), PRIVATE_INVALID_ADDRESS);
	host_offer(64);
	world.io->bounce = (u64)(uintptr_t)world.private[0];
	assert_int_equal(host_call(rings_take, 0, 0, &value), PRIVATE_INVALID_ADDRESS);
	assert_int_equal(host_call(rings_complete, 0, 0, &value), PRIVATE_INVALID_ADDRESS);
	ask.arg[3] += 8;
	assert_int_equal(rings_take(&ask), PRIVATE_INVALID_ADDRESS);
	ask.arg[3] = (u64)(uintptr_t)world.private[0];
	assert_int_equal(rings_take(&ask), PRIVATE_INVALID_ADDRESS);
	assert_int_equal(host_complete(0, 601, &value), PRIVATE_INVALID_PARAM);
	assert_int_equal(host_complete(0, ~0ull, &value), PRIVATE_INVALID_PARAM);
	assert_int_equal(used_index(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_copies_what_there_is, start),
		cmocka_unit_test_setup(test_takes_as_often_as_wanted, start),
		cmocka_unit_test_setup(test_completes_in_order, start),
		cmocka_unit_test_setup(test_counts_round, start),
		cmocka_unit_test_setup(test_tells_whether_an_interrupt_is_wanted, start),
		cmocka_unit_test_setup(test_tells_what_is_missing, start),
		cmocka_unit_test_setup(test_rings_across_pages, start),
		cmocka_unit_test_setup(test_shared_buffers, start),
		cmocka_unit_test_setup(test_outside_of_ram, start),
		cmocka_unit_test_setup(test_circles_and_long_chains, start),
		cmocka_unit_test_setup(test_order_of_a_chain, start),
		cmocka_unit_test_setup(test_indirect_tables, start),
		cmocka_unit_test_setup(test_an_index_that_jumps, start),
		cmocka_unit_test_setup(test_too_long_for_its_buffers, start),
		cmocka_unit_test_setup(test_no_queue_before_it_is_ready, start),
		cmocka_unit_test_setup(test_a_queue_in_use_does_not_move, start),
		cmocka_unit_test_setup(test_reset_takes_the_queue_away, start),
		cmocka_unit_test_setup(test_features_that_change_rings, start),
		cmocka_unit_test_setup(test_only_the_registers_count, start),
		cmocka_unit_test_setup(test_bad_arguments, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
