/* Work in processes: all of it is done, failures are told, and nothing is left behind. */
#include "cli/clock.h"
#include "cli/jobs.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 20

struct answer {
	u64 square;
	pid_t pid;
	u8 rest[8192]; /* more than one piece of a pipe takes at once */
};

/* What the work is told to do for the number 7. */
enum trick { TRICK_NONE, TRICK_FAIL, TRICK_DIE, TRICK_HANG, TRICK_LEAVE };

struct world {
	enum trick trick;
	u64 next, count;
	u64 seen; /* bit n: work n has been done */
	int result;
	bool again; /* once more, please */
	bool stop;  /* a signal comes with the first result */
	int gate;   /* held open by all that the work starts */
};

static bool next(void *arg, u64 *number)
{
	struct world *w = arg;

	if (w->again) {
		w->again = false;
		*number = 7;
		return true;
	}
	*number = w->next;
	return w->next < w->count && ++w->next;
}

static int work(void *arg, u64 number, void *to)
{
	struct world *w = arg;
	struct answer *answer = to;

	if (number == 7 && w->trick == TRICK_FAIL)
		return -ENOSPC;
	if (number == 7 && w->trick == TRICK_DIE)
		raise(SIGKILL);
	if (number == 7 && w->trick == TRICK_HANG)
		pause();
	if (number == 7 && w->trick == TRICK_LEAVE && fork() == 0)
		for (;;)
			pause();
	answer->square = number * number;
	answer->pid = getpid();
	memset(answer->rest, (int)number, sizeof(answer->rest));
	return 0;
}

static int done(void *arg, u64 number, int result, const void *from)
{
	const struct answer *answer = from;
	struct world *w = arg;

	if (result) {
		assert_int_equal(number, 7);
		assert_int_equal(answer->square, 0);
		w->result = result;
		if (result == -EPIPE && w->trick == TRICK_DIE) {
			w->trick = TRICK_NONE;
			w->again = true;
			return 0;
		}
		return result;
	}
	assert_int_equal(answer->square, number * number);
	assert_int_not_equal(answer->pid, getpid());
	assert_int_equal(answer->rest[sizeof(answer->rest) - 1], number);
	assert_false(w->seen >> number & 1);
	w->seen |= 1ull << number;
	if (w->stop)
		raise(SIGINT);
	return 0;
}

/* Runs it; then no process that took part is alive any more: each holds the other end of a pipe open. */
static int run(struct world *w, unsigned count)
{
	const struct jobs jobs = { .count = count,
				   .limit_ms = 500,
				   .answer_size = sizeof(struct answer),
				   .arg = w,
				   .next = next,
				   .work = work,
				   .done = done };
	u64 begun = clock_ms();
	int ends[2], result;
	char byte;

	w->count = w->count ? w->count : COUNT;
	assert_int_equal(pipe(ends), 0);
	w->gate = ends[1];
	result = jobs_run(&jobs);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_true(clock_ms() - begun < 10000);
	return result;
}

static void test_all_is_done(void **state)
{
	(void)state;
	for (unsigned count = 1; count <= 32; count *= 4) {
		struct world w = { 0 };

		assert_int_equal(run(&w, count), 0);
		assert_int_equal(w.seen, (1u << COUNT) - 1);
	}
}

static void test_failure_ends_it(void **state)
{
	struct world w = { .trick = TRICK_FAIL };

	(void)state;
	assert_int_equal(run(&w, 3), -ENOSPC);
	assert_true(w.next < COUNT);
}

/* Also the last piece of work can be done again when there was no more. */
static void test_death_and_again(void **state)
{
	struct world w = { .trick = TRICK_DIE, .count = 8 };

	(void)state;
	assert_int_equal(run(&w, 2), 0);
	assert_int_equal(w.result, -EPIPE);
	assert_int_equal(w.seen, 0xff);
}

static void test_hang(void **state)
{
	struct world w = { .trick = TRICK_HANG };

	(void)state;
	assert_int_equal(run(&w, 2), -ETIMEDOUT);
}

static void test_nothing_is_left(void **state)
{
	struct world w = { .trick = TRICK_LEAVE };

	(void)state;
	assert_int_equal(run(&w, 2), 0);
	assert_int_equal(w.seen, (1u << COUNT) - 1);
}

static void test_signal(void **state)
{
	struct world w = { .trick = TRICK_HANG, .stop = true };

	(void)state;
	w.next = 6;
	assert_int_equal(run(&w, 2), -EINTR);
	assert_int_equal(w.seen, 1u << 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_done),	cmocka_unit_test(test_failure_ends_it),
		cmocka_unit_test(test_death_and_again), cmocka_unit_test(test_hang),
		cmocka_unit_test(test_nothing_is_left), cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
