/* The console ring: offsets, what is lost when nobody listens, and what a crash leaves of it. */
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define KEPT (CONSOLE_DATA_SIZE - CONSOLE_STAGE_MAX)

/* Byte n of all output: recognisable, and of a period that does not fit the ring. */
static u8 byte_at(u64 n)
{
	return (u8)(n * 131 + n / 251);
}

static size_t stage(struct txn *t, u64 from, size_t count)
{
	static u8 bytes[CONSOLE_DATA_SIZE];

	for (size_t i = 0; i < count; i++)
		bytes[i] = byte_at(from + i);
	return console_stage(vms[0], t, bytes, count);
}

static void put(u64 count)
{
	struct txn *t = arch_txn();
	u64 head = vms[0]->console->head;

	assert_int_equal(stage(t, head, (size_t)count), count);
	txn_commit(t);
	assert_int_equal(vms[0]->console->head, head + count);
}

/* All that can be had from `from` on is right and reaches the head. */
static u64 oldest(u64 from)
{
	u8 bytes[1000];
	u64 at = from;
	u64 first;
	size_t count = console_peek(vms[0], &at, bytes, sizeof(bytes));

	first = at;
	while (count) {
		for (size_t i = 0; i < count; i++)
			assert_int_equal(bytes[i], byte_at(at + i));
		at += count;
		count = console_peek(vms[0], &at, bytes, sizeof(bytes));
	}
	assert_int_equal(at, vms[0]->console->head);
	return first;
}

static int set_up(void **state)
{
	(void)state;
	devices_start();
	devices_vm(1, NULL);
	return 0;
}

static void it_gives_what_was_put_in(void **state)
{
	u64 beyond = 10;

	(void)state;
	assert_int_equal(oldest(0), 0);
	put(5);
	assert_int_equal(oldest(0), 0);
	assert_int_equal(oldest(3), 3);
	assert_int_equal(console_peek(vms[0], &beyond, &beyond, 1), 0);
	assert_int_equal(beyond, 5);
}

static void what_is_not_committed_does_not_count(void **state)
{
	struct txn *t;

	(void)state;
	put(100);
	t = arch_txn();
	assert_int_equal(stage(t, 100, 50), 50);
	assert_int_equal(stage(t, 150, 50), 50);
	assert_int_equal(oldest(0), 0);
	assert_int_equal(vms[0]->console->head, 100);
	txn_commit(t);
	assert_int_equal(vms[0]->console->head, 200);
	assert_int_equal(oldest(0), 0);
}

static void one_transaction_takes_a_limited_amount(void **state)
{
	struct txn *t = arch_txn();

	(void)state;
	assert_int_equal(stage(t, 0, 3000), 3000);
	assert_int_equal(stage(t, 3000, 3000), CONSOLE_STAGE_MAX - 3000);
	assert_int_equal(stage(t, CONSOLE_STAGE_MAX, 1), 0);
	txn_commit(t);
	assert_int_equal(vms[0]->console->head, CONSOLE_STAGE_MAX);
	assert_int_equal(oldest(0), 0);
}

static void the_oldest_bytes_are_lost(void **state)
{
	(void)state;
	for (u64 total = 0; total < 5 * CONSOLE_DATA_SIZE; total += 997) {
		assert_int_equal(oldest(0), total < KEPT ? 0 : total - KEPT);
		put(997);
	}
}

static void the_receiver_says_what_it_has(void **state)
{
	(void)state;
	put(100);
	console_sent(vms[0], 60);
	assert_int_equal(vms[0]->console->sent, 60);
	console_sent(vms[0], 50);
	assert_int_equal(vms[0]->console->sent, 60);
	console_sent(vms[0], 101);
	assert_int_equal(vms[0]->console->sent, 60);
	console_sent(vms[0], 100);
	assert_int_equal(vms[0]->console->sent, 100);
}

static void put_in_life(void *context)
{
	put(*(u64 *)context);
}

static void a_crash_leaves_all_or_nothing(void **state)
{
	u64 head = 3 * CONSOLE_DATA_SIZE + 1234;
	u64 count = CONSOLE_STAGE_MAX;
	unsigned before = 0, after = 0;

	(void)state;
	for (u64 die = 1;; die++) {
		devices_start();
		devices_vm(1, NULL);
		for (u64 total = 0; total < head; total += 2)
			put(2);
		if (host_live(put_in_life, &count, die) != HOST_DIED)
			break;
		devices_heir();
		before += vms[0]->console->head == head;
		after += vms[0]->console->head == head + count;
		assert_int_equal(oldest(0), vms[0]->console->head - KEPT);
	}
	assert_true(before > 1 && after > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_gives_what_was_put_in, set_up),
		cmocka_unit_test_setup(what_is_not_committed_does_not_count, set_up),
		cmocka_unit_test_setup(one_transaction_takes_a_limited_amount, set_up),
		cmocka_unit_test_setup(the_oldest_bytes_are_lost, set_up),
		cmocka_unit_test_setup(the_receiver_says_what_it_has, set_up),
		cmocka_unit_test(a_crash_leaves_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
