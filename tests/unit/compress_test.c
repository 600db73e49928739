/* Blocks that are compressed come out again, and what does not shrink is told. */
#include "core/lib/compress.h"
#include <lz4.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BLOCK 16384

static struct compress_state compress_state;

/* Random, but so that some of it repeats: `variety` different bytes. */
static void fill(u8 *at, size_t bytes, unsigned variety)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (u8)(rand() % (int)variety);
}

static void what_goes_in_comes_out(void **state)
{
	static u8 from[BLOCK], to[BLOCK], again[BLOCK];

	(void)state;
	srand(1);
	for (unsigned variety = 1; variety < 200; variety += 13) {
		for (size_t bytes = 1; bytes <= BLOCK; bytes += 1 + bytes * 2 / 3) {
			size_t n;

			fill(from, bytes, variety);
			memset(to, 0xee, sizeof(to));
			n = compress_block(&compress_state, from, bytes, to, bytes - 1);
			assert_true(n < bytes);
			assert_true(n == 0 || bytes > 12);
			assert_int_equal(to[bytes - 1], 0xee);
			if (n)
				assert_int_equal(
					LZ4_decompress_safe((char *)to, (char *)again, (int)n, BLOCK), bytes);
			if (n)
				assert_memory_equal(again, from, bytes);
		}
	}
}

static void what_does_not_shrink(void **state)
{
	static u8 from[BLOCK], to[BLOCK];

	(void)state;
	srand(2);
	fill(from, BLOCK, 256);
	assert_int_equal(compress_block(&compress_state, from, BLOCK, to, BLOCK - 1), 0);
	memset(from, 7, BLOCK);
	assert_true(compress_block(&compress_state, from, BLOCK, to, BLOCK - 1) < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(what_does_not_shrink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
