/* core/lib: strings against the C library's, printing, CRC-32C, the log, checked arithmetic. */
#include "core/lib/check.h"
#include "core/lib/crc32c.h"
#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Names that the host's build gives to what is in core/lib/string.c. */
void *core_memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *core_memmove(void *to, const void *from, size_t bytes);
void *core_memset(void *at, int byte, size_t bytes);
int core_memcmp(const void *a, const void *b, size_t bytes);
void *core_memchr(const void *at, int byte, size_t bytes);
size_t core_strlen(const char *s);
size_t core_strnlen(const char *s, size_t max);
int core_strcmp(const char *a, const char *b);
int core_strncmp(const char *a, const char *b, size_t max);
char *core_strchr(const char *s, int c);
char *core_strrchr(const char *s, int c);
size_t format(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void fill(u8 *at, size_t bytes, unsigned seed)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (u8)(i * 7 + seed + (i >> 3));
}

/* Exactly as large as the copy, so that the address sanitizer sees a read or a write beside it. */
static void copy_any_size_and_alignment(void **state)
{
	(void)state;
	for (size_t bytes = 0; bytes < 200; bytes++) {
		for (unsigned skew = 0; skew < 64; skew++) {
			size_t to_skew = skew % 8, from_skew = skew / 8;
			u8 *to = malloc(to_skew + bytes + 1), *from = malloc(from_skew + bytes + 1);
			u8 *exact_from = realloc(from, from_skew + bytes ? from_skew + bytes : 1);
			u8 *exact_to = realloc(to, to_skew + bytes ? to_skew + bytes : 1);

			fill(exact_from, from_skew + bytes, skew);
			memset(exact_to, 0xee, to_skew + bytes);
			assert_ptr_equal(core_memcpy(exact_to + to_skew, exact_from + from_skew, bytes),
					 exact_to + to_skew);
			assert_memory_equal(exact_to + to_skew, exact_from + from_skew, bytes);
			for (size_t i = 0; i < to_skew; i++)
				assert_int_equal(exact_to[i], 0xee);
			free(exact_to);
			free(exact_from);
		}
	}
}

static void move_overlapping(void **state)
{
	u8 got[512], want[512];

	(void)state;
	for (size_t bytes = 0; bytes < 150; bytes++) {
		for (size_t from = 100; from < 110; from++) {
			for (size_t to = 60; to < 200; to++) {
				fill(got, sizeof(got), 3);
				fill(want, sizeof(want), 3);
				assert_ptr_equal(core_memmove(got + to, got + from, bytes), got + to);
				memmove(want + to, want + from, bytes);
				if (memcmp(got, want, sizeof(got)) != 0)
					fail_msg("%zu bytes from %zu to %zu", bytes, from, to);
			}
		}
	}
}

static void set_any_size_and_alignment(void **state)
{
	u8 got[300], want[300];

	(void)state;
	for (size_t bytes = 0; bytes < 200; bytes++) {
		for (size_t skew = 0; skew < 9; skew++) {
			fill(got, sizeof(got), 1);
			fill(want, sizeof(want), 1);
			assert_ptr_equal(core_memset(got + skew, 0x1a5, bytes), got + skew);
			memset(want + skew, 0xa5, bytes);
			assert_memory_equal(got, want, sizeof(got));
		}
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void strings_are_the_c_librarys(void **state)
{
	static const char *const text[] = { "", "a", "ab", "abc", "abd", "b", "\xff", "abcabc" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(text); i++) {
		assert_int_equal(core_strlen(text[i]), strlen(text[i]));
		for (size_t n = 0; n < 8; n++)
			assert_int_equal(core_strnlen(text[i], n), strnlen(text[i], n));
		for (int c = 0; c < 256; c++) {
			assert_ptr_equal(core_strchr(text[i], c), strchr(text[i], c));
			assert_ptr_equal(core_strrchr(text[i], c), strrchr(text[i], c));
			assert_ptr_equal(core_memchr(text[i], c, strlen(text[i])),
					 memchr(text[i], c, strlen(text[i])));
		}
		for (unsigned k = 0; k < ARRAY_SIZE(text); k++) {
			size_t least = strlen(text[i]) < strlen(text[k]) ? strlen(text[i]) : strlen(text[k]);

			assert_int_equal(sign(core_strcmp(text[i], text[k])), sign(strcmp(text[i], text[k])));
			assert_int_equal(sign(core_memcmp(text[i], text[k], least)),
					 sign(memcmp(text[i], text[k], least)));
			for (size_t n = 0; n < 8; n++)
				assert_int_equal(sign(core_strncmp(text[i], text[k], n)),
						 sign(strncmp(text[i], text[k], n)));
		}
	}
}

#define SAME(...)                                                               \
	do {                                                                    \
		char got[128], want[128];                                       \
		size_t n = format(got, sizeof(got), __VA_ARGS__);               \
		assert_int_equal(n, snprintf(want, sizeof(want), __VA_ARGS__)); \
		assert_string_equal(got, want);                                 \
	} while (0)

static void format_is_printf(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%d %i %u %x", -1, 0, 4294967295u, 0xdeadbeefu);
	SAME("%ld %lu %lx", -9223372036854775807l - 1, 18446744073709551615ul, 0xfedcba9876543210ul);
	SAME("%lld %llu %llx", -5ll, 5ull, 0xabcull);
	SAME("%zu", (size_t)77);
	SAME("%5d|%-5d|%05d|%05d", 42, 42, 42, -42);
	SAME("%16lx|%016lx|%-16lx|", 0x12abul, 0x12abul, 0x12abul);
	SAME("%s|%8s|%-8s|%.2s|%.*s", "abc", "abc", "abc", "abc", 1, "abc");
	SAME("%c%c%%", 'x', 'y');
	SAME("%p", (void *)0x1000);
	SAME("%3u%%", 100u);
}

static void format_never_writes_beside(void **state)
{
	char room[8];

	(void)state;
	memset(room, 'z', sizeof(room));
	assert_int_equal(format(room, 4, "%d", 123456), 3);
	assert_string_equal(room, "123");
	assert_int_equal(room[4], 'z');
	assert_int_equal(format(room, 1, "x"), 0);
	assert_int_equal(room[0], 0);
	room[0] = 'z';
	assert_int_equal(format(room, 0, "x"), 0);
	assert_int_equal(room[0], 'z');
	assert_int_equal(format(room, sizeof(room), "%9999d", 1), 7);
}

static void format_stops_at_what_it_does_not_know(void **state)
{
	char got[64];
	const char *volatile unknown = "%d %q %s", *volatile null = NULL;

	(void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	format(got, sizeof(got), unknown, 5, "x");
#pragma GCC diagnostic pop
	assert_string_equal(got, "5 %q %s");
	format(got, sizeof(got), "%s", null);
	assert_string_equal(got, "(null)");
}

/* As the polynomial has it. */
static u32 bit_by_bit(u32 crc, const u8 *at, size_t bytes)
{
	crc = ~crc;
	while (bytes--) {
		crc ^= *at++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void crc_is_castagnolis(void **state)
{
	u8 bytes[32];

	(void)state;
	/* RFC 3720, appendix B.4. */
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(i * 151 + 7);
	for (size_t from = 0; from < 8; from++)
		for (size_t count = 0; from + count <= sizeof(bytes); count++)
			assert_int_equal(crc32c((u32)from * 0x12345u, bytes + from, count),
					 bit_by_bit((u32)from * 0x12345u, bytes + from, count));
}

static void ranges_do_not_wrap(void **state)
{
	(void)state;
	assert_true(range_inside(0, 0, 0, 0));
	assert_true(range_inside(8, 8, 0, 16));
	assert_false(range_inside(8, 9, 0, 16));
	assert_false(range_inside(7, 1, 8, 8));
	assert_false(range_inside(~0ull, 2, 0, 16));
	assert_false(range_inside(8, ~0ull, 0, 16));
	assert_true(range_inside(~0ull, 1, ~0ull - 7, 8));
	assert_true(ranges_overlap(0, 2, 1, 1));
	assert_false(ranges_overlap(0, 1, 1, 1));
	assert_false(ranges_overlap(0, 0, 0, 1));
}

static void try_takes_a_free_lock_only(void **state)
{
	struct lock l = { 0 };

	(void)state;
	assert_true(lock_try(&l));
	assert_false(lock_try(&l));
	lock_release(&l);
	lock_take(&l);
	assert_false(lock_try(&l));
	lock_release(&l);
	assert_true(lock_try(&l));
}

static void a_line_has_time_and_hart(void **state)
{
	(void)state;
	fixture_start();
	host->now = 12345678;
	log_line("%s", "hello");
	assert_non_null(strstr(fixture_log(), "[    1.234567] h0: hello\n"));
	host_be_hart(3);
	host->now = 10000000000;
	log_line("again");
	assert_non_null(strstr(fixture_log(), "hello\n[ 1000.000000] h3: again\n"));
	host_be_hart(0);
}

static void a_long_line_is_cut(void **state)
{
	char text[1000];

	(void)state;
	fixture_start();
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	log_line("%s", text);
	log_line("next");
	assert_non_null(strstr(fixture_log(), "xxx\n[    0.100000] h0: next\n"));
}

static void the_log_goes_round(void **state)
{
	char line[64], *found;
	u64 from = 0, head;
	static char all[LOG_DATA_SIZE];

	(void)state;
	fixture_start();
	for (unsigned n = 0; n < 20000; n++)
		log_line("line %05u of many", n);
	head = log_head();
	assert_true(head > LOG_DATA_SIZE);
	assert_int_equal(log_read(&from, all, sizeof(all)), LOG_DATA_SIZE);
	assert_int_equal(from, head - LOG_DATA_SIZE);
	/* What is there is the end of what has been written, without a gap. */
	found = memmem(all, sizeof(all), "line 1", 6);
	assert_non_null(found);
	for (unsigned n = (unsigned)strtoul(found + 5, NULL, 10); n < 20000; n++) {
		(void)snprintf(line, sizeof(line), "h0: line %05u of many\n", n);
		found = memmem(found - 4, (size_t)(all + sizeof(all) - (found - 4)), line, strlen(line));
		assert_non_null(found);
		found += strlen(line);
	}
	assert_ptr_equal(found, all + sizeof(all));
	from = head;
	assert_int_equal(log_read(&from, all, sizeof(all)), 0);
	from = head + 1000;
	assert_int_equal(log_read(&from, all, sizeof(all)), 0);
	from = head - 5;
	assert_int_equal(log_read(&from, all, 3), 3);
}

static void the_heir_continues_the_log(void **state)
{
	(void)state;
	fixture_start();
	log_line("before");
	fixture_heir();
	log_line("after");
	assert_non_null(strstr(fixture_log(), "before\n"));
	assert_true(strstr(fixture_log(), "before\n") < strstr(fixture_log(), "after\n"));
	estate.log->head = ~0ull - 3;
	fixture_heir();
	log_line("with a new head");
	assert_non_null(strstr(fixture_log(), "with a new head\n"));
}

static void panic_inside(const char *text, size_t bytes)
{
	(void)text;
	(void)bytes;
	host->on_serial = NULL;
	panic("in the serial driver");
}

static void log_one_line(void *context)
{
	log_line("%s", (const char *)context);
}

/* The line that ends the life is put out although the same hart holds the log's lock. */
static void a_life_that_ends_in_the_log_says_so(void **state)
{
	(void)state;
	fixture_start();
	host->on_serial = panic_inside;
	assert_int_equal(host_live(log_one_line, "first", 0), HOST_ENDED);
	assert_non_null(strstr(fixture_log(), "panic: in the serial driver\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_any_size_and_alignment),
		cmocka_unit_test(move_overlapping),
		cmocka_unit_test(set_any_size_and_alignment),
		cmocka_unit_test(strings_are_the_c_librarys),
		cmocka_unit_test(format_is_printf),
		cmocka_unit_test(format_never_writes_beside),
		cmocka_unit_test(format_stops_at_what_it_does_not_know),
		cmocka_unit_test(crc_is_castagnolis),
		cmocka_unit_test(ranges_do_not_wrap),
		cmocka_unit_test(try_takes_a_free_lock_only),
		cmocka_unit_test(a_line_has_time_and_hart),
		cmocka_unit_test(a_long_line_is_cut),
		cmocka_unit_test(the_log_goes_round),
		cmocka_unit_test(the_heir_continues_the_log),
		cmocka_unit_test(a_life_that_ends_in_the_log_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
