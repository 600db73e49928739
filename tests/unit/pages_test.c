/* Pages of a slot: zeroed, given once, until there are none. */
#include "core/memory/pages.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGES 64

static u8 *from;

static int setup(void **state)
{
	(void)state;
	fixture_start();
	from = (u8 *)(uintptr_t)(host_slot(1) + MIB(4) + PAGE_SIZE);
	memset(from, 0xcc, PAGES * PAGE_SIZE);
	pages_init(from, PAGES * PAGE_SIZE);
	return 0;
}

static void assert_zero(const u8 *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(at[i], 0);
}

static void all_pages_are_given_once(void **state)
{
	u8 *page[PAGES];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(pages_free(), PAGES);
		for (unsigned i = 0; i < PAGES; i++) {
			page[i] = page_alloc();
			assert_non_null(page[i]);
			assert_int_equal((uintptr_t)page[i] % PAGE_SIZE, 0);
			assert_true(page[i] >= from && page[i] < from + PAGES * PAGE_SIZE);
			/* Dirt from the slot or from its last use is gone; dirt of this use shows a page given twice. */
			assert_zero(page[i], PAGE_SIZE);
			memset(page[i], 0x77, PAGE_SIZE);
		}
		assert_null(page_alloc());
		assert_int_equal(pages_free(), 0);
		for (unsigned i = 0; i < PAGES; i++)
			page_free(page[(i * 7) % PAGES]);
	}
}

static void runs_are_aligned_to_their_size(void **state)
{
	u8 *run;

	(void)state;
	run = pages_alloc(2);
	assert_int_equal((uintptr_t)run % (4 * PAGE_SIZE), 0);
	assert_zero(run, 4 * PAGE_SIZE);
	memset(run, 0x77, 4 * PAGE_SIZE);
	/* Pages in front of it have not been lost. */
	assert_int_equal(pages_free(), PAGES - 4);
	for (unsigned i = 0; i < PAGES - 4; i++) {
		u8 *page = page_alloc();

		assert_non_null(page);
		assert_true(page < run || page >= run + 4 * PAGE_SIZE);
	}
	assert_null(page_alloc());
	assert_null(pages_alloc(0));
	assert_null(pages_alloc(20));
	for (unsigned i = 0; i < 4; i++)
		page_free(run + i * PAGE_SIZE);
	assert_int_equal(pages_free(), 4);
}

static void objects_do_not_overlap(void **state)
{
	u8 *last = NULL;
	size_t last_bytes = 0;

	(void)state;
	for (size_t bytes = 1; bytes < 6000; bytes = bytes * 3 + 1) {
		u8 *object = object_alloc(bytes);

		assert_non_null(object);
		assert_int_equal((uintptr_t)object % 16, 0);
		assert_zero(object, bytes);
		memset(object, 0x77, bytes);
		assert_true(!last || object >= last + last_bytes || object + bytes <= last);
		last = object;
		last_bytes = bytes;
	}
	assert_null(object_alloc(PAGES * PAGE_SIZE));
	assert_null(object_alloc(~0ull));
	assert_null(object_alloc(~0ull - 15));
	assert_non_null(object_alloc(0x100));
}

static void free_stack_page(void *context)
{
	page_free(context);
}

static void a_page_that_is_not_ours_ends_the_life(void **state)
{
	u8 *page;

	(void)state;
	assert_int_equal(host_live(free_stack_page, from - PAGE_SIZE, 0), HOST_ENDED);
	setup(state);
	page = page_alloc();
	assert_int_equal(host_live(free_stack_page, page + 8, 0), HOST_ENDED);
	setup(state);
	page = page_alloc();
	/* Never given out. */
	assert_int_equal(host_live(free_stack_page, page + PAGE_SIZE, 0), HOST_ENDED);
}

static void alloc(void *context)
{
	*(void **)context = page_alloc();
}

static void a_damaged_list_is_not_followed(void **state)
{
	u64 *page;
	void *got;

	(void)state;
	page = page_alloc();
	page_free(page);
	*page = 0x1234;
	assert_int_equal(host_live(alloc, &got, 0), HOST_RETURNED);
	assert_int_equal(host_live(alloc, &got, 0), HOST_ENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_pages_are_given_once, setup),
		cmocka_unit_test_setup(runs_are_aligned_to_their_size, setup),
		cmocka_unit_test_setup(objects_do_not_overlap, setup),
		cmocka_unit_test_setup(a_page_that_is_not_ours_ends_the_life, setup),
		cmocka_unit_test_setup(a_damaged_list_is_not_followed, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
