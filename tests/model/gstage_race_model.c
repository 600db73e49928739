/*
 * The storm of gstage_storm.h under a scheduler that tries interleavings: harts are coroutines of one thread, and each
 * atomic access of core/gstage is a point where another one may go on, for long. Page tables that have been freed are
 * watched: who touches one has been overtaken by its reuse.
 *
 * core/gstage is compiled into this file with its atomic operations, its pages and its waiting replaced by ours. The
 * seed of a run is printed if it fails; GSTAGE_SEED repeats it, GSTAGE_RUNS makes more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <cmocka.h>
/* Before the macros below, because it defines what they replace. */
#include "core/memory/pages.h"
#include <arch/inline.h>

static void race_point(const void *at);
static void race_point_before_swap(const void *at);
static void race_wait(void);
static void *race_page_alloc(void);
static void race_page_free(void *page);

/* A macro is not expanded inside of itself: the operation is the compiler's. */
#define __atomic_load_n(p, o)	     (race_point(p), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o)    (race_point(p), __atomic_store_n(p, v, o))
#define __atomic_exchange_n(p, v, o) (race_point(p), __atomic_exchange_n(p, v, o))
#define __atomic_fetch_add(p, v, o)  (race_point(p), __atomic_fetch_add(p, v, o))
#define __atomic_fetch_sub(p, v, o)  (race_point(p), __atomic_fetch_sub(p, v, o))
#define __atomic_fetch_or(p, v, o)   (race_point(p), __atomic_fetch_or(p, v, o))
#define __atomic_add_fetch(p, v, o)  (race_point(p), __atomic_add_fetch(p, v, o))
#define __atomic_compare_exchange_n(p, e, v, w, s, f) \
	(race_point_before_swap(p), __atomic_compare_exchange_n(p, e, v, w, s, f))
#define LEVEL_BITS 2u
#define arch_relax race_wait
#define page_alloc race_page_alloc
#define page_free  race_page_free

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "core/gstage/asked.c"
#include "core/gstage/epoch.c"
#include "core/gstage/gstage.c"
#include "core/gstage/range.c"
#include "core/gstage/shape.c"
#include "core/gstage/walk.c"
/* NOLINTEND(bugprone-suspicious-include) */

#define STORM_ROUNDS	 1000
#define STORM_PAGES	 TABLE_ENTRIES
#define STORM_WHOLE_ZAPS 3

typedef unsigned storm_lock_t;

static void storm_lock(storm_lock_t *l)
{
	while (*l)
		race_wait();
	*l = 1;
}

static void storm_unlock(storm_lock_t *l)
{
	*l = 0;
}

#include "tests/model/gstage_storm.h"
/* Has those of gstage_storm.h. */
#include "tests/model/mirror_storm.h"

#undef page_alloc
#undef page_free

/* ---- Scheduler ---- */

#define STACK KIB(256)

static struct coroutine {
	ucontext_t context;
	bool done;
	u64 held_until; /* does not go on before that step */
} coroutine[HARTS];

static ucontext_t scheduler;
static unsigned running = HARTS; /* none */
static u64 steps;
static u64 race_seed;
static void (*race_hart)(unsigned hart);

static void leave(void)
{
	swapcontext(&coroutine[running].context, &scheduler);
}

static void run_coroutine(void)
{
	unsigned hart = running;

	race_hart(hart);
	coroutine[hart].done = true;
	leave();
}

/* Any that is not done; those that are held back only if there are no others. */
static unsigned choose(void)
{
	unsigned n = (unsigned)next_random(&race_seed, HARTS), held = HARTS;

	for (unsigned i = 0; i < HARTS; i++, n = (n + 1) % HARTS) {
		if (coroutine[n].done)
			continue;
		if (coroutine[n].held_until <= steps)
			return n;
		if (held == HARTS || coroutine[n].held_until < coroutine[held].held_until)
			held = n;
	}
	return held;
}

static void run_all(void)
{
	static u8 stack[HARTS][STACK];

	for (unsigned h = 0; h < HARTS; h++) {
		coroutine[h].done = false;
		coroutine[h].held_until = 0;
		getcontext(&coroutine[h].context);
		coroutine[h].context.uc_stack.ss_sp = stack[h];
		coroutine[h].context.uc_stack.ss_size = STACK;
		coroutine[h].context.uc_link = NULL;
		makecontext(&coroutine[h].context, run_coroutine, 0);
	}
	while ((running = choose()) < HARTS) {
		host_be_hart(running);
		swapcontext(&scheduler, &coroutine[running].context);
	}
}

/* ---- Pages ---- */

/* What has been freed and not been given out again: a bit for each page of the slot. */
static u8 freed[LAYOUT_SLOT_SIZE / PAGE_SIZE];

static u8 *freed_mark(const void *at)
{
	u64 offset = (u64)(uintptr_t)at - host_slot(1);

	return offset < LAYOUT_SLOT_SIZE ? &freed[offset / PAGE_SIZE] : NULL;
}

/* Freed pages wait here before they are used again, so that a late visitor is noticed. */
#define QUARANTINE 1024

static struct {
	void *page[QUARANTINE];
	u64 in, out;
} quarantine;

static void release_oldest(void)
{
	void *page = quarantine.page[quarantine.out++ % QUARANTINE];

	*freed_mark(page) = 0;
	page_free(page);
}

static void *race_page_alloc(void)
{
	race_point(NULL);
	return page_alloc();
}

static void race_page_free(void *page)
{
	race_point(NULL);
	check(!*freed_mark(page), "a table is freed twice");
	*freed_mark(page) = 1;
	if (quarantine.in - quarantine.out == QUARANTINE)
		release_oldest();
	quarantine.page[quarantine.in++ % QUARANTINE] = page;
}

/* ---- Points ---- */

/* One in `odds` times somebody else goes on; of those, now and then for long: until what we look at is something else. */
static void maybe_leave(unsigned odds)
{
	steps++;
	if (next_random(&race_seed, odds))
		return;
	if (next_random(&race_seed, 16) == 0)
		coroutine[running].held_until =
			steps + next_random(&race_seed, 1ull << next_random(&race_seed, 16));
	leave();
}

static void check_not_freed(const void *at)
{
	const u8 *mark = freed_mark(at);

	if (mark && *mark)
		host_fail("a table is used after it was freed");
}

static void race_point(const void *at)
{
	if (running == HARTS)
		return;
	maybe_leave(8);
	check_not_freed(at);
}

/* What a swap expects has been read before: here it matters most that somebody changes it. */
static void race_point_before_swap(const void *at)
{
	if (running == HARTS)
		return;
	maybe_leave(2);
	check_not_freed(at);
}

static void race_wait(void)
{
	if (running == HARTS)
		host_fail("the only one left waits");
	coroutine[running].held_until = steps++ + 8;
	leave();
}

static void explore(void (*begin)(u64 seed), void (*hart)(unsigned hart), void (*end)(void), unsigned runs)
{
	u64 first = getenv("GSTAGE_SEED") ? strtoull(getenv("GSTAGE_SEED"), NULL, 0) : 1;

	if (getenv("GSTAGE_RUNS"))
		runs = (unsigned)atoi(getenv("GSTAGE_RUNS"));
	for (u64 run = first; run < first + runs; run++) {
		char banner[64];

		begin(run);
		race_hart = hart;
		(void)snprintf(banner, sizeof(banner), "\rseed %lu ", run);
		(void)fputs(banner, stderr);
		race_seed = run * 0x9e3779b97f4a7c15;
		run_all();
		end();
		while (quarantine.out < quarantine.in)
			release_oldest();
		check(pages_free() == pages_before + 4, "pages are lost");
	}
}

static void interleavings(void **state)
{
	(void)state;
	explore(storm_begin, storm_hart, storm_end, 100);
}

static void interleavings_with_a_hook(void **state)
{
	(void)state;
	explore(mirror_begin, mirror_hart, mirror_end, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interleavings),
		cmocka_unit_test(interleavings_with_a_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
