/* Cold records: at every instant of a write one copy counts, the old one or the new one. */
#include "core/estate/cold.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define MAGIC 0x54534554u

struct body {
	char text[117]; /* not a multiple of a word */
};

struct pair {
	_Alignas(8) u8 copy[2][ESTATE_COLD_STRIDE];
};

static HOST_KEEP struct pair pair;

static struct body body_of(char c)
{
	struct body b;

	memset(&b, c, sizeof(b));
	return b;
}

static void write_body(char c)
{
	struct body b = body_of(c);

	cold_write(&pair, MAGIC, &b, sizeof(b));
}

/* 0: no valid copy. */
static char read_body(void)
{
	struct body got, want;

	if (cold_read(&pair, MAGIC, &got, sizeof(got)))
		return 0;
	want = body_of(got.text[0]);
	assert_memory_equal(&got, &want, sizeof(got));
	return got.text[0];
}

static int setup(void **state)
{
	(void)state;
	fixture_start();
	memset(&pair, 0, sizeof(pair));
	return 0;
}

static void nothing_is_no_record(void **state)
{
	struct body b;

	(void)state;
	assert_int_equal(cold_read(&pair, MAGIC, &b, sizeof(b)), -ENOENT);
	memset(&pair, 0xff, sizeof(pair));
	assert_int_equal(cold_read(&pair, MAGIC, &b, sizeof(b)), -ENOENT);
}

static void the_newest_counts(void **state)
{
	(void)state;
	for (int c = 'a'; c <= 'z'; c++) {
		write_body((char)c);
		assert_int_equal(read_body(), c);
	}
}

static void writes_alternate(void **state)
{
	struct pair before;

	(void)state;
	write_body('a');
	write_body('b');
	before = pair;
	write_body('c');
	assert_memory_equal(before.copy[1], pair.copy[1], ESTATE_COLD_STRIDE);
	assert_true(memcmp(before.copy[0], pair.copy[0], ESTATE_COLD_STRIDE) != 0);
	memset(pair.copy[0], 0, ESTATE_COLD_STRIDE);
	assert_int_equal(read_body(), 'b');
}

static void other_magic_or_size_is_no_record(void **state)
{
	struct body b;
	char larger[sizeof(b) + 1];

	(void)state;
	write_body('a');
	assert_int_equal(cold_read(&pair, MAGIC + 1, &b, sizeof(b)), -ENOENT);
	assert_int_equal(cold_read(&pair, MAGIC, larger, sizeof(larger)), -ENOENT);
	assert_int_equal(cold_read(&pair, MAGIC, &b, sizeof(b) - 1), -ENOENT);
}

static void every_bit_matters(void **state)
{
	size_t bytes = sizeof(struct cold_head) + sizeof(struct body);

	(void)state;
	write_body('a');
	write_body('b');
	for (size_t at = 0; at < bytes; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			pair.copy[1][at] ^= (u8)(1u << bit);
			assert_int_equal(read_body(), 'a');
			pair.copy[1][at] ^= (u8)(1u << bit);
		}
	}
	assert_int_equal(read_body(), 'b');
}

/* 'c' if the first copy is complete, else what counted before. */
static char c_or_b(const struct pair *new, size_t bytes)
{
	return memcmp(pair.copy[0], new->copy[0], bytes) == 0 ? 'c' : 'b';
}

/* Whatever part of a copy has been written, from the front or from the end. */
static void torn_at_each_byte(void **state)
{
	size_t bytes = sizeof(struct cold_head) + sizeof(struct body);
	struct pair old, new;

	(void)state;
	write_body('a');
	write_body('b');
	old = pair;
	write_body('c');
	new = pair;
	for (size_t at = 0; at <= bytes; at++) {
		pair = old;
		memcpy(pair.copy[0], new.copy[0], at);
		assert_int_equal(read_body(), c_or_b(&new, bytes));
		pair = old;
		memcpy(pair.copy[0] + at, new.copy[0] + at, bytes - at);
		assert_int_equal(read_body(), c_or_b(&new, bytes));
	}
}

static void write_c(void *context)
{
	(void)context;
	write_body('c');
}

static void torn_at_each_store(void **state)
{
	enum host_end end;
	u64 n = 1;

	(void)state;
	do {
		memset(&pair, 0, sizeof(pair));
		write_body('a');
		write_body('b');
		end = host_live(write_c, NULL, n++);
		assert_int_equal(read_body(), end == HOST_DIED ? 'b' : 'c');
		/* The next life writes over the torn copy, not over the one that counts. */
		write_body('d');
		assert_int_equal(read_body(), 'd');
		if (end == HOST_DIED) {
			memset(pair.copy[0], 0, ESTATE_COLD_STRIDE);
			assert_int_equal(read_body(), 'b');
		}
	} while (end == HOST_DIED);
	assert_int_equal(n - 1, 1 + 1 + 3 + (sizeof(struct body) + 7) / 8);
}

/* Damage can leave any sequence number in a copy that is valid all the same. */
static void set_sequence(unsigned which, u64 sequence)
{
	struct cold_head head;
	u8 *copy = pair.copy[which];

	memcpy(&head, copy, sizeof(head));
	head.sequence = sequence;
	head.crc = crc32c(crc32c(0, &head, offsetof(struct cold_head, crc)), copy + sizeof(head), head.size);
	memcpy(copy, &head, sizeof(head));
}

/* Either copy may be damaged, and what is read is not older for it. */
static void both_copies_are_as_new(void **state)
{
	struct body b = body_of('e');

	(void)state;
	write_body('d');
	cold_write_both(&pair, MAGIC, &b, sizeof(b));
	for (unsigned which = 0; which < 2; which++) {
		pair.copy[which][sizeof(struct cold_head)] ^= 1;
		assert_int_equal(read_body(), 'e');
		pair.copy[which][sizeof(struct cold_head)] ^= 1;
	}
}

static void sequence_numbers_go_round(void **state)
{
	(void)state;
	write_body('a');
	write_body('b');
	set_sequence(1, ~0ull);
	set_sequence(0, ~0ull - 1);
	assert_int_equal(read_body(), 'b');
	for (int c = 'c'; c < 'h'; c++) {
		write_body((char)c);
		assert_int_equal(read_body(), c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_no_record, setup),
		cmocka_unit_test_setup(the_newest_counts, setup),
		cmocka_unit_test_setup(writes_alternate, setup),
		cmocka_unit_test_setup(other_magic_or_size_is_no_record, setup),
		cmocka_unit_test_setup(every_bit_matters, setup),
		cmocka_unit_test_setup(torn_at_each_byte, setup),
		cmocka_unit_test_setup(torn_at_each_store, setup),
		cmocka_unit_test_setup(both_copies_are_as_new, setup),
		cmocka_unit_test_setup(sequence_numbers_go_round, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
