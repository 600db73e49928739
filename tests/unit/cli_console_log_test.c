/* Console output in the broker's log: twice, out of order, with gaps, more than a file holds. */
#include "cli/console_log.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char place[] = "/tmp/outlive-console-XXXXXX";
static int directory;
static struct console_log console;

static int make_place(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(place));
	directory = open(place, O_RDONLY | O_DIRECTORY);
	return directory < 0;
}

static int remove_place(void **state)
{
	char command[64];

	(void)state;
	close(directory);
	snprintf(command, sizeof(command), "rm -r %s", place);
	return system(command); /* NOLINT(cert-env33-c): our own directory */
}

static int open_log(void **state)
{
	(void)state;
	return console_log_open(&console, directory, "vm");
}

static int close_log(void **state)
{
	(void)state;
	console_log_close(&console);
	return 0;
}

static void put(u64 offset, const char *text, u64 now)
{
	console_log_put(&console, offset, text, strlen(text), now);
}

static void expect(const char *text)
{
	char bytes[4096];
	u64 position = 0;
	size_t count = console_log_read(&console, &position, bytes, sizeof(bytes) - 1);

	bytes[count] = '\0';
	assert_string_equal(bytes, text);
}

static void test_once(void **state)
{
	(void)state;
	put(0, "hello ", 1);
	put(6, "world", 2);
	expect("hello world");
	assert_int_equal(console.expected, 11);
}

static void test_twice(void **state)
{
	(void)state;
	put(0, "abc", 1);
	put(0, "abc", 1);
	put(1, "bcd", 1);
	put(0, "ab", 1);
	put(0, "abcdef", 1);
	put(3, "", 1);
	expect("abcdef");
}

static void test_out_of_order(void **state)
{
	(void)state;
	put(6, "ghi", 1);
	put(3, "def", 1);
	put(6, "ghi", 1);
	put(8, "ijk", 1);
	expect("");
	put(0, "abc", 100);
	expect("abcdefghijk");
	assert_null(console.early);
	assert_int_equal(console.early_bytes, 0);
	console_log_tick(&console, 100000);
	expect("abcdefghijk");
}

static void test_gap(void **state)
{
	(void)state;
	put(0, "ab", 1);
	put(5, "fg", 10);
	console_log_tick(&console, 10 + CONSOLE_GAP_MS - 1);
	expect("ab");
	console_log_tick(&console, 10 + CONSOLE_GAP_MS);
	expect("ab\r\n[outlive: 3 bytes of output lost]\r\nfg");
	assert_int_equal(console.expected, 7);
	/* What comes after all comes too late. */
	put(2, "cde", 5000);
	put(7, "h", 5000);
	expect("ab\r\n[outlive: 3 bytes of output lost]\r\nfgh");
}

static void test_two_gaps(void **state)
{
	(void)state;
	put(1, "b", 1);
	put(3, "d", 1);
	put(0, "a", 1000);
	expect("ab");
	/* The second gap has its own time. */
	console_log_tick(&console, 1000 + CONSOLE_GAP_MS - 1);
	expect("ab");
	put(2, "c", 2000);
	expect("abcd");
}

static void test_flood_behind_gap(void **state)
{
	static char bytes[4001];

	(void)state;
	memset(bytes, 'x', 4000);
	for (u64 at = 1; at < MIB(1); at += 4000)
		put(at, bytes, 1);
	/* What is held back has a bound. */
	assert_true(console.early_bytes < KIB(512));
	assert_true(console.end > KIB(500));
}

static void test_reset(void **state)
{
	(void)state;
	put(0, "before", 1);
	put(9, "early", 1);
	console_log_restart(&console);
	put(0, "after", 2);
	expect("beforeafter");
}

static void test_overflow(void **state)
{
	(void)state;
	put(~0ull - 1, "abc", 1);
	put(~0ull, "a", 1);
	assert_int_equal(console.end, 0);
	put(0, "a", 1);
	expect("a");
}

static void test_rotation(void **state)
{
	char bytes[64];
	u64 position = 0;

	(void)state;
	console.file_max = 10;
	put(0, "0123456789", 1);
	put(10, "abcde", 1);
	assert_int_equal(console.start, 10);
	expect("abcde");
	put(15, "fghij", 1);
	put(20, "klm", 1);
	assert_int_equal(console.start, 20);
	/* A reader that was behind goes on with what is left. */
	position = 12;
	assert_int_equal(console_log_read(&console, &position, bytes, sizeof(bytes)), 3);
	assert_int_equal(position, 20);
	assert_memory_equal(bytes, "klm", 3);
	assert_int_equal(faccessat(directory, "console-vm.log.1", F_OK, 0), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_log, close_log)
	const struct CMUnitTest tests[] = {
		TEST(test_once),  TEST(test_twice),    TEST(test_out_of_order),
		TEST(test_gap),	  TEST(test_two_gaps), TEST(test_flood_behind_gap),
		TEST(test_reset), TEST(test_overflow), TEST(test_rotation),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
