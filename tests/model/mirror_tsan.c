/* The storm of mirror_storm.h with threads, under the thread sanitizer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STORM_ROUNDS	 3000
#define STORM_PAGES	 5
#define STORM_WHOLE_ZAPS 20

typedef pthread_mutex_t storm_lock_t;

static void storm_lock(storm_lock_t *l)
{
	pthread_mutex_lock(l);
}

static void storm_unlock(storm_lock_t *l)
{
	pthread_mutex_unlock(l);
}

#include "tests/model/gstage_storm.h"

#include "tests/model/mirror_storm.h"

static void *run(void *argument)
{
	mirror_hart((unsigned)(uintptr_t)argument);
	return NULL;
}

static void storm(void **state)
{
	pthread_t threads[HARTS];

	(void)state;
	mirror_begin(1);
	pthread_mutex_init(&told.lock, NULL);
	for (u64 h = 0; h < HARTS; h++)
		pthread_create(&threads[h], NULL, run, (void *)(uintptr_t)h);
	for (unsigned h = 0; h < HARTS; h++)
		pthread_join(threads[h], NULL);
	mirror_end();
	/* With the root's. */
	assert_int_equal(pages_free(), pages_before + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(storm) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
