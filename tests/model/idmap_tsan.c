/*
 * The id map under a storm: threads set and drop ids against each other while others look up, with the thread sanitizer.
 *
 * What must hold: of those who race for an id one wins; who has an id all through a lookup is found by it; a vCPU that
 * has dropped its id is not found by a lookup that begins afterwards.
 */
#include "core/lib/errno.h"
#include "core/vcpu/idmap.h"
#include "tests/lib/fixture.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SETTERS 3
#define READERS 2
#define ROUNDS	20000

/* Few ids, so that they collide; at both ends of leaves, so that leaves are made during the storm. */
static const u64 ids[] = { 0, 1, 511, 512, 1023, 2048, 4095 };

static struct idmap map;

/* Each setter has one vCPU. It has the id `holds` for sure while `turn`, which only grows, is odd. */
static struct {
	struct vcpu v;
	u64 holds;
	u64 turn;
} own[SETTERS];

static u64 owners[MAX_VCPU_ID]; /* how many believe that they have the id */
static u64 stop;

static u64 next_random(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void check(bool holds, const char *what)
{
	if (!holds)
		host_fail(what);
}

static void *setter(void *argument)
{
	u64 n = (u64)(uintptr_t)argument, seed = n + 1;
	struct vcpu *v = &own[n].v;

	host_be_hart((unsigned)n);
	for (unsigned round = 0; round < ROUNDS; round++) {
		u64 id = ids[next_random(&seed) % ARRAY_SIZE(ids)];
		int error = idmap_set(&map, v, &v->id, id);

		check(!error || error == -EEXIST, "idmap_set: no such error is possible");
		if (error)
			continue;
		check(__atomic_add_fetch(&owners[id], 1, __ATOMIC_RELAXED) == 1, "two vCPUs won the same id");
		__atomic_store_n(&own[n].holds, id, __ATOMIC_RELAXED);
		__atomic_add_fetch(&own[n].turn, 1, __ATOMIC_ACQ_REL);
		check(idmap_find(&map, id) == v, "an id that is set is not found");
		check(idmap_set(&map, v, &v->id, id) == 0, "the same id again is refused");
		check(idmap_set(&map, v, &v->id, (id + 1) % MAX_VCPU_ID) == -EBUSY, "another id is accepted");
		check(idmap_set(&map, v, &v->id, ~0ull) == -ERANGE, "an id out of range is accepted");
		__atomic_add_fetch(&own[n].turn, 1, __ATOMIC_ACQ_REL);
		__atomic_sub_fetch(&owners[id], 1, __ATOMIC_RELAXED);
		idmap_drop(&map, v, &v->id);
		check(idmap_find(&map, id) != v, "an id that is dropped is found");
	}
	return NULL;
}

static void *reader(void *argument)
{
	u64 seed = 1000 + (u64)(uintptr_t)argument, found = 0;

	host_be_hart(SETTERS + (unsigned)(uintptr_t)argument);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		u64 n = next_random(&seed) % SETTERS;
		u64 turn = __atomic_load_n(&own[n].turn, __ATOMIC_ACQUIRE);
		u64 id = __atomic_load_n(&own[n].holds, __ATOMIC_RELAXED);
		struct vcpu *v = idmap_find(&map, id);

		/* Read by a write: it cannot come before the lookup. */
		if (turn % 2 && turn == __atomic_fetch_add(&own[n].turn, 0, __ATOMIC_ACQ_REL)) {
			check(v == &own[n].v, "who has the id is not found");
			found++;
		}
		check(!v || (v >= &own[0].v && v <= &own[SETTERS - 1].v), "a lookup gives what is no vCPU");
		check(!idmap_find(&map, MAX_VCPU_ID + id), "an id out of range is found");
	}
	return (void *)(uintptr_t)found;
}

static void storm(void **state)
{
	pthread_t threads[SETTERS + READERS];
	u64 found = 0;

	(void)state;
	fixture_start();
	for (u64 n = 0; n < SETTERS; n++) {
		own[n].v.id = VCPU_NO_ID;
		pthread_create(&threads[n], NULL, setter, (void *)(uintptr_t)n);
	}
	for (u64 n = 0; n < READERS; n++)
		pthread_create(&threads[SETTERS + n], NULL, reader, (void *)(uintptr_t)n);
	for (unsigned n = 0; n < SETTERS; n++)
		pthread_join(threads[n], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (unsigned n = SETTERS; n < SETTERS + READERS; n++) {
		void *result;

		pthread_join(threads[n], &result);
		found += (u64)(uintptr_t)result;
	}
	assert_true(found > 0);
	for (u64 id = 0; id < MAX_VCPU_ID; id++)
		assert_null(idmap_find(&map, id));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(storm) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
