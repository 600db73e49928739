/* The points of a case, one after the other; see crash.h. */
#include "tests/exits/crash/crash.h"
#include "tests/exits/exits.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HOST_KEEP struct view crash_before, crash_wanted, crash_now;
HOST_KEEP struct crash_totals crash_totals;
HOST_KEEP const char *crash_pattern;
HOST_KEEP bool crash_all;

HOST_KEEP static struct crash_case now;
HOST_KEEP static u64 first, second; /* stores before which lives have ended; 0: none has */
HOST_KEEP static u64 random_state = 1;

/* So often a life ends behind the same row of stores, in whatever case; in a sample. */
#define SAMPLE_OF_CONTEXT 8

/* Second points of a way of recovery, and of a case, that a sample has. */
#define SAMPLE_OF_PATH 6
#define SAMPLE_OF_CASE 2

/* A case that fails at every store is not told at each. */
#define FAILURES_MAX 3

bool crash_wrong(const char *format, ...)
{
	va_list arguments;

	(void)printf("%s: life ended before store %llu, heir before %llu: ", now.name,
		     (unsigned long long)first, (unsigned long long)second);
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	(void)printf("%s%s\n", host->text[0] ? "; last words: " : "", host->text);
	crash_totals.failures++;
	return false;
}

static u64 random_below(u64 end)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % end;
}

/* ---- Numbers met before ---- */

struct numbers {
	u64 at[1 << 14];
	unsigned count;
};

/* True if it is new. */
static bool add_number(struct numbers *n, u64 number)
{
	u64 i = number * 0x9e3779b97f4a7c15ull % ARRAY_SIZE(n->at);

	number |= 1; /* 0 is an empty place */
	for (; n->at[i]; i = (i + 1) % ARRAY_SIZE(n->at)) {
		if (n->at[i] == number)
			return false;
	}
	if (++n->count == ARRAY_SIZE(n->at))
		host_fail("too many cases");
	n->at[i] = number;
	return true;
}

HOST_KEEP static struct numbers keys, paths;

/* ---- Which points ---- */

HOST_KEEP static u8 seen[1 << 18]; /* how often, by context */
HOST_KEEP static enum { NO_POINT, POINT, FRESH_POINT } wanted[HOST_CONTEXTS + 1];

/*
 * Says which of the stores of the last life are points: all, or those whose context has not been met often enough, and those from
 * places at which nothing has ended before.
 */
static void choose_points(u64 stores)
{
	u64 fresh[HOST_FRESH];
	unsigned count = host_fresh(fresh);

	for (u64 n = 1; n <= stores && n <= HOST_CONTEXTS; n++) {
		u8 *often = &seen[host_context(n) * 0x9e3779b97f4a7c15ull >> 46];

		wanted[n] = crash_all || *often < SAMPLE_OF_CONTEXT ? POINT : NO_POINT;
		if (*often < SAMPLE_OF_CONTEXT)
			++*often;
	}
	for (unsigned n = 0; n < count; n++) {
		if (fresh[n] <= HOST_CONTEXTS)
			wanted[fresh[n]] = FRESH_POINT;
	}
}

/* `step`: of a way that another case has taken already, every so many. */
static bool is_point(u64 n, u64 step)
{
	if (n > HOST_CONTEXTS)
		return (n - 1) % step == 0;
	return wanted[n] == FRESH_POINT || (wanted[n] == POINT && (n - 1) % step == 0);
}

/* ---- Lives ---- */

static void perform(void *context)
{
	(void)context;
	now.perform(&now);
}

static void heir(void *context)
{
	exits_heir(*(unsigned *)context);
}

/* The life has ended on some hart: it is held, and the next one starts there. Ends before store `die_before` of that. */
static enum host_end next_life(u64 die_before)
{
	unsigned hart = host_hart;

	exits_stop(hart);
	return host_live(heir, &hart, die_before);
}

static void time_goes_on(void *context)
{
	(void)context;
	exits_advance(1ull << 50);
}

bool crash_let_time_pass(void)
{
	return host_live(time_goes_on, NULL, 0) == HOST_RETURNED;
}

/* ---- Points ---- */

static enum host_end live_until(u64 store)
{
	now.start(&now);
	return host_live(perform, NULL, store);
}

/* The heir dies before its store `s` as well, after a crash at `first`. False: it has no such store. */
static bool crash_twice(u64 s)
{
	enum host_end end;

	if (live_until(first) != HOST_DIED)
		return false;
	end = next_life(s);
	if (end == HOST_RETURNED)
		return false;
	second = s;
	crash_totals.second_points++;
	if (end != HOST_DIED)
		crash_wrong("the heir dies by itself");
	else if (next_life(0) != HOST_RETURNED)
		crash_wrong("the heir's heir dies by itself");
	else
		now.check(&now);
	second = 0;
	return true;
}

/*
 * The recovery from a crash at `first` took a way that none has taken before: its `stores` are points. `fresh`: those from places
 * at which nothing has ended before, which are in each sample.
 */
static void crash_on_the_way(u64 stores, const u64 *fresh, unsigned fresh_count)
{
	u64 failed = crash_totals.failures;

	crash_totals.paths++;
	for (unsigned n = 0; n < fresh_count && crash_totals.failures < failed + FAILURES_MAX; n++)
		crash_twice(fresh[n]);
	for (u64 n = 1; n <= stores && crash_totals.failures < failed + FAILURES_MAX; n++) {
		if (crash_all)
			crash_twice(n);
		else if (n <= SAMPLE_OF_PATH)
			crash_twice(1 + random_below(stores));
	}
}

/* The life ends before store `store`. False: there is no such store. */
static bool crash_at(u64 store)
{
	u64 fresh[HOST_FRESH];
	unsigned fresh_count;
	enum host_end end;
	u64 stores;

	first = store;
	end = live_until(store);
	if (end == now.ends)
		return false;
	crash_totals.points++;
	if (end != HOST_DIED) {
		crash_wrong("it ends the life by itself");
		return true;
	}
	if (next_life(0) != HOST_RETURNED) {
		crash_wrong("the heir dies by itself");
		return true;
	}
	stores = host_stores();
	/* Before the check, which lives, too. */
	if (add_number(&paths, host_path())) {
		fresh_count = host_fresh(fresh);
		now.check(&now);
		crash_on_the_way(stores, fresh, fresh_count);
	} else {
		now.check(&now);
	}
	return true;
}

/* Without a crash. -> stores of the operation. */
static u64 reference(void)
{
	enum host_end end;
	u64 stores;

	first = 0;
	now.start(&now);
	view_take(&crash_before);
	end = host_live(perform, NULL, 0);
	stores = host_stores();
	if (end != now.ends)
		crash_wrong("it ends the life");
	choose_points(stores);
	view_take(&crash_wanted);
	return stores;
}

void crash_try(const struct crash_case *c)
{
	u64 failed = crash_totals.failures;
	u64 stores, step = 1;

	if (crash_pattern && !strstr(c->name, crash_pattern))
		return;
	now = *c;
	crash_totals.cases++;
	stores = reference();
	if (getenv("EXITS_VERBOSE"))
		(void)printf("%s: %llu stores\n", now.name, (unsigned long long)stores);
	if (now.key && !add_number(&keys, now.key(&now) * 1000003 + stores))
		step = stores > 3 ? stores / 3 : 1;
	for (u64 n = 1; n <= stores && crash_totals.failures < failed + FAILURES_MAX; n++) {
		if (is_point(n, step) && !crash_at(n))
			break;
	}
	for (unsigned n = 0; stores && n < SAMPLE_OF_CASE && crash_totals.failures == failed; n++) {
		first = 1 + random_below(stores);
		crash_twice(1 + random_below(250));
	}
}
