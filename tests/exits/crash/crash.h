/*
 * Operations at each of whose stores to the estate a life ends.
 *
 * For each case, and each of its stores: the life ends before the store, the heir adopts, what goes on goes on, and the
 * case's check looks at the outcome. Then the recoveries: each way that one takes, told by the places that it stores from,
 * is a row of such points itself, at which the heir dies and an heir's heir adopts.
 *
 * The places of the program that store to the estate are known from its code. One at which no life has ended, in no case,
 * is an error unless it is listed with a reason: crash_uncovered.
 */
#ifndef TESTS_EXITS_CRASH_CRASH_H
#define TESTS_EXITS_CRASH_CRASH_H

#include "tests/exits/view.h"

struct crash_case {
	char name[100];
	void (*start)(const struct crash_case *c);   /* a machine in which it is about to happen */
	void (*perform)(const struct crash_case *c); /* lets it happen; may run twice in a machine */
	/* The last life has adopted: goes on, and looks. False: crash_wrong has said why. */
	bool (*check)(const struct crash_case *c);
	const void *what;   /* more for these three */
	enum host_end ends; /* how the life ends if nothing ends it before */
	/*
	 * Not NULL: cases with the same key and the same number of stores take the same way, and one of them has all points.
	 * Called when crash_wanted is there.
	 */
	u64 (*key)(const struct crash_case *c);
};

/* What can be seen before the operation, after it without a crash, and now. */
extern struct view crash_before, crash_wanted, crash_now;

extern struct crash_totals {
	u64 cases, points, paths, second_points, failures;
} crash_totals;

/* Says what is wrong with the outcome, at which point of which case. False. */
bool crash_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Only cases whose name contains this; NULL: all. All second points, not a sample of them. */
extern const char *crash_pattern;
extern bool crash_all;

/* Tries a case. Between the cases nothing but crash_... remains. */
void crash_try(const struct crash_case *c);

/* Time beyond all timers of a scene. The life goes on: true if it does not end by that. */
bool crash_let_time_pass(void);

/* ---- The parts: each tries its table of cases ---- */

void crash_exits(void);
void crash_sbi(void);
void crash_devices(void);
void crash_queues(void);
void crash_requests(void);
void crash_lives(void);
void crash_root(void);
void crash_private(void);
void crash_damage(void);
void crash_estate(void);

/* Says which places that store to the estate have ended no life. -> how many there are that are not expected to. */
unsigned crash_uncovered(void);

#endif
