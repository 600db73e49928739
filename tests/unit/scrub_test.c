/* What is constant in a life is compared: each change of it is found, by whichever hart, and in a bounded number of rounds. */
#include "core/memory/pages.h"
#include "core/survive/scrub.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Two regions of so many pieces; neither is a power of two. */
#define FIRST  5u
#define SECOND 3u
#define WORDS  (SCRUB_PIECE / sizeof(u64))

HOST_KEEP static u64 constants[(FIRST + SECOND + 1) * WORDS];

static void begin(void *context)
{
	(void)context;
	scrub_add(constants, (u64)FIRST * SCRUB_PIECE);
	scrub_add(constants + (FIRST + 1) * WORDS, (u64)SECOND * SCRUB_PIECE);
	scrub_begin();
}

static void look(void *context)
{
	for (unsigned n = 0; n < FIRST + SECOND; n++)
		scrub_some(*(unsigned *)context, 1, NULL);
}

static void doubt(void *context)
{
	scrub_doubt(context);
}

static void start(void)
{
	fixture_start();
	for (size_t n = 0; n < ARRAY_SIZE(constants); n++)
		constants[n] = n * 0x9e3779b97f4a7c15ull;
	assert_int_equal(host_live(begin, NULL, 0), HOST_RETURNED);
}

static bool is_constant(size_t word)
{
	return word / WORDS != FIRST;
}

static void a_round_of_any_hart_finds_a_change(void **state)
{
	unsigned hart = 0;

	(void)state;
	for (size_t word = 0; word < ARRAY_SIZE(constants); word += 7) {
		start();
		hart = (hart + 1) % 4;
		for (unsigned rounds = 0; rounds < word % 3; rounds++)
			assert_int_equal(host_live(look, &hart, 0), HOST_RETURNED);
		constants[word] ^= 1ull << word % 64;
		assert_int_equal(host_live(look, &hart, 0), is_constant(word) ? HOST_ENDED : HOST_RETURNED);
		if (is_constant(word))
			assert_non_null(strstr(host->text, "has changed"));
	}
}

static void doubt_finds_it_at_once_and_not_all_the_time(void **state)
{
	struct vm *vm;

	(void)state;
	start();
	vm = fixture_vm(NULL);
	host->now += 10000000;
	assert_int_equal(host_live(doubt, vm, 0), HOST_RETURNED);
	constants[0]++;
	/* It has just been looked at. */
	assert_int_equal(host_live(doubt, vm, 0), HOST_RETURNED);
	host->now += 10000000;
	assert_int_equal(host_live(doubt, vm, 0), HOST_ENDED);
}

static void without_memory_nothing_is_looked_at(void **state)
{
	unsigned hart = 0;

	(void)state;
	fixture_start();
	while (pages_alloc(1))
		;
	assert_int_equal(host_live(begin, NULL, 0), HOST_RETURNED);
	constants[0]++;
	assert_int_equal(host_live(look, &hart, 0), HOST_RETURNED);
}

static void regions_that_are_too_many_are_left_out(void **state)
{
	unsigned hart = 1;

	(void)state;
	fixture_start();
	for (unsigned n = 0; n < SCRUB_REGIONS + 3; n++)
		scrub_add(constants, SCRUB_PIECE);
	/* As are those that are too large. */
	scrub_add(constants, GIB(1));
	assert_int_equal(host_live(begin, NULL, 0), HOST_RETURNED);
	assert_int_equal(host_live(look, &hart, 0), HOST_RETURNED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_round_of_any_hart_finds_a_change),
		cmocka_unit_test(doubt_finds_it_at_once_and_not_all_the_time),
		cmocka_unit_test(without_memory_nothing_is_looked_at),
		cmocka_unit_test(regions_that_are_too_many_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
