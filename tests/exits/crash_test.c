/*
 * Lives that end at every store to the estate: tests/exits/crash/crash.h. timeout: 600 s, soak: 36000 s
 *
 *	crash_test            all cases; of the points of a recovery a sample
 *	crash_test PATTERN    cases whose name contains it
 *	EXITS_ALL=1 ...       all points of each recovery, as make soak does
 *	EXITS_VERBOSE=1 ...   says the name of each case
 */
#include "tests/exits/crash/crash.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void try_part(void **state)
{
	u64 failed = crash_totals.failures;

	((void (*)(void)) * state)();
	assert_int_equal(crash_totals.failures, failed);
}

static void all_stores_are_points(void **state)
{
	(void)state;
	if (crash_pattern)
		skip();
	assert_int_equal(crash_uncovered(), 0);
}

#define PART(f)                                       \
	{                                             \
#f, try_part, NULL, NULL, (void *)(f) \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PART(crash_exits),
		PART(crash_sbi),
		PART(crash_devices),
		PART(crash_queues),
		PART(crash_requests),
		PART(crash_lives),
		PART(crash_root),
		PART(crash_private),
		PART(crash_damage),
		PART(crash_estate),
		cmocka_unit_test(all_stores_are_points),
	};
	int failed;

	crash_pattern = argc > 1 ? argv[1] : NULL;
	crash_all = getenv("EXITS_ALL") || getenv("OUTLIVE_SOAK");
	host_sites_counted = true;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)printf(
		"%llu cases, %llu points of crash, %llu ways of recovery with %llu points of a second crash, %llu failures\n",
		(unsigned long long)crash_totals.cases, (unsigned long long)crash_totals.points,
		(unsigned long long)crash_totals.paths, (unsigned long long)crash_totals.second_points,
		(unsigned long long)crash_totals.failures);
	return failed;
}
