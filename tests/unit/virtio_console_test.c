/* The virtio console: what it writes and reads, and that none of it is repeated or lost when the life dies in between. */
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CONSOLE 2

#define QUEUE_BASE  (GUEST_RAM_BASE + 0x10000)
#define SECOND_BASE (GUEST_RAM_BASE + 0x20000)
#define DATA	    (GUEST_RAM_BASE + 0x30000)

/* More than one call of the work puts out, no more than a bounce buffer holds. */
#define LONG_BYTES 60000

static const struct vm_device_config devices[VM_MAX_DEVICES] = { [CONSOLE] = { .kind = VM_DEV_CONSOLE } };

static int set_up(void **state)
{
	(void)state;
	devices_start();
	devices_vm(1, devices);
	return 0;
}

static const char *output(void)
{
	static char text[CONSOLE_DATA_SIZE + 1];
	u64 from = 0;

	text[console_peek(vms[0], &from, text, CONSOLE_DATA_SIZE)] = 0;
	return text;
}

static void console_start(struct driver_queue *rx, struct driver_queue *tx)
{
	*rx = (struct driver_queue){ .slot = CONSOLE, .number = 0, .base = QUEUE_BASE, .num = 16 };
	*tx = (struct driver_queue){ .slot = CONSOLE, .number = 1, .base = SECOND_BASE, .num = 16 };
	driver_begin(0, CONSOLE);
	driver_queue_start(rx);
	driver_queue_start(tx);
	driver_ok(0, CONSOLE);
}

static void the_console_writes_and_reads(void **state)
{
	struct driver_queue rx, tx;
	struct driver_desc buffer = { .at = DATA, .bytes = 5 };
	u32 head, bytes;

	(void)state;
	console_start(&rx, &tx);
	memcpy(guest_ram(0, DATA), "hello", 5);
	driver_add(&tx, &buffer, 1);
	driver_kick(&tx);
	assert_string_equal(output(), "hello");
	assert_true(driver_take(&tx, &head, &bytes));
	assert_int_equal(bytes, 0);

	assert_int_equal(virtio_console_input(vms[0], arch_txn(), "abc", 3), 0);
	buffer.flags = DRIVER_WRITE;
	buffer.at = DATA + 0x100;
	buffer.bytes = 4;
	driver_add(&rx, &buffer, 1);
	buffer.at += 0x10;
	driver_add(&rx, &buffer, 1);
	assert_int_equal(virtio_console_input(vms[0], arch_txn(), "abcdefghij", 10), 8);
	assert_true(driver_take(&rx, &head, &bytes));
	assert_int_equal(bytes, 4);
	assert_true(driver_take(&rx, &head, &bytes));
	assert_int_equal(bytes, 4);
	assert_memory_equal(guest_ram(0, DATA + 0x100), "abcd", 4);
	assert_memory_equal(guest_ram(0, DATA + 0x110), "efgh", 4);
	assert_true(driver_line(0, CONSOLE));
}

static void long_output_comes_in_pieces(void **state)
{
	struct driver_queue rx, tx;
	struct driver_desc buffer = { .at = DATA, .bytes = LONG_BYTES };
	u8 *data = guest_ram(0, DATA);
	u8 got[100];
	u64 from = LONG_BYTES - 100;

	(void)state;
	console_start(&rx, &tx);
	for (unsigned i = 0; i < LONG_BYTES; i++)
		data[i] = (u8)(i % 253);
	driver_add(&tx, &buffer, 1);
	driver_kick(&tx);
	assert_int_equal(driver_used_idx(&tx), 0);
	assert_true(vms[0]->console->head > 10000);
	assert_true(virtio_valid(vms[0], CONSOLE));
	guest_loop();
	assert_int_equal(driver_used_idx(&tx), 1);
	assert_int_equal(vms[0]->console->head, LONG_BYTES);
	assert_int_equal(console_peek(vms[0], &from, got, sizeof(got)), 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(got[i], (LONG_BYTES - 100 + i) % 253);
}

/* ---- Across crashes ---- */

#define TEXT_BYTES (2 * CONSOLE_STAGE_MAX + 100)

/* A driver that has one long and one short text to write; where it stands survives lives, as the guest does. */
static void console_prepare(struct driver_queue *rx, struct driver_queue *tx)
{
	struct driver_desc buffer = { .at = DATA, .bytes = TEXT_BYTES };

	devices_start();
	devices_vm(1, devices);
	console_start(rx, tx);
	for (unsigned i = 0; i < TEXT_BYTES; i++)
		((u8 *)guest_ram(0, DATA))[i] = (u8)('0' + i % 71);
	memcpy(guest_ram(0, DATA + TEXT_BYTES), "end", 3);
	driver_add(tx, &buffer, 1);
	buffer.at += TEXT_BYTES;
	buffer.bytes = 3;
	driver_add(tx, &buffer, 1);
}

static void kick(void *context)
{
	driver_kick(context);
	guest_loop();
}

static void console_output_neither_repeats_nor_gets_lost(void **state)
{
	struct driver_queue rx, tx;
	unsigned deaths = 0;
	u32 head, bytes;

	(void)state;
	for (u64 die = 1;; die++) {
		const char *text;

		console_prepare(&rx, &tx);
		if (host_live(kick, &tx, die) != HOST_DIED)
			break;
		deaths++;
		devices_heir();
		assert_true(driver_interrupted(0, CONSOLE));
		guest_loop();
		text = output();
		assert_int_equal(strlen(text), TEXT_BYTES + 3);
		for (unsigned i = 0; i < TEXT_BYTES; i++)
			assert_int_equal(text[i], '0' + i % 71);
		assert_string_equal(text + TEXT_BYTES, "end");
		assert_true(driver_take(&tx, &head, &bytes));
		assert_int_equal(head, 0);
		assert_true(driver_take(&tx, &head, &bytes));
		assert_int_equal(head, 1);
		assert_int_equal(driver_used_idx(&tx), 2);
		assert_true(driver_line(0, CONSOLE));
		assert_false(driver_broken(0, CONSOLE));
	}
	assert_true(deaths > 20);
}

static void input(void *context)
{
	size_t *taken = context;

	*taken = virtio_console_input(vms[0], arch_txn(), "0123456789", 10);
}

static void console_input_is_taken_or_not(void **state)
{
	struct driver_queue rx, tx;
	unsigned took = 0, took_not = 0;

	(void)state;
	for (u64 die = 1;; die++) {
		struct driver_desc buffer = { .at = DATA, .bytes = 16, .flags = DRIVER_WRITE };
		size_t taken = 0;
		u32 head, bytes;

		devices_start();
		devices_vm(1, devices);
		console_start(&rx, &tx);
		driver_add(&rx, &buffer, 1);
		if (host_live(input, &taken, die) != HOST_DIED)
			break;
		devices_heir();
		guest_loop();
		assert_true(driver_interrupted(0, CONSOLE));
		if (driver_used_idx(&rx)) {
			took++;
		} else {
			took_not++;
			input(&taken);
			assert_int_equal(taken, 10);
		}
		assert_true(driver_take(&rx, &head, &bytes));
		assert_int_equal(bytes, 10);
		assert_memory_equal(guest_ram(0, DATA), "0123456789", 10);
		assert_int_equal(driver_used_idx(&rx), 1);
	}
	assert_true(took && took_not);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_console_writes_and_reads, set_up),
		cmocka_unit_test_setup(long_output_comes_in_pieces, set_up),
		cmocka_unit_test(console_output_neither_repeats_nor_gets_lost),
		cmocka_unit_test(console_input_is_taken_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
