/* A campaign around runs that are not made: what happens when it is ended, its runs die, or the disk is full. */
#include "cli/campaign_work.h"
#include "tests/unit/campaign_results.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static u64 full_from = ~0ull, killed_at = ~0ull;

static int fake_run(const struct campaign_settings *settings, u64 run, struct campaign_result *r)
{
	char *path = memory_format("%s/tries", settings->directory);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	/* A byte for each try. */
	if (write(fd, "x", 1) != 1)
		abort();
	close(fd);
	free(path);
	if (run >= full_from)
		return -ENOSPC;
	if (run == killed_at)
		raise(SIGKILL);
	make_result(r, settings->seed, run);
	if (campaign_is_loss(r->outcome) && settings->keep)
		snprintf(r->dump, sizeof(r->dump), "%s/run-%llu", settings->keep, (unsigned long long)run);
	return 0;
}

static struct campaign_order order_in(const char *directory, u64 runs, unsigned jobs)
{
	struct campaign_order order = { .directory = directory,
					.head = head,
					.runs = runs,
					.jobs = jobs,
					.keep = 1,
					.quiet = true,
					.run = fake_run };

	return order;
}

static off_t size_of(const char *directory, const char *name)
{
	char *path = memory_format("%s/%s", directory, name);
	struct stat st = { 0 };

	assert_int_equal(stat(path, &st), 0);
	free(path);
	return st.st_size;
}

/* ---- The campaign ---- */

static void test_campaign(void **state)
{
	char *directory = in_place("campaign");
	struct campaign_order order = order_in(directory, 20, 3);
	struct campaign_tally tally;

	(void)state;
	assert_int_equal(campaign_carry_out(&order, &tally), 0);
	assert_int_equal(campaign_runs(&tally), 20);
	campaign_tally_free(&tally);
	assert_int_equal(results_in(directory, &tally), 20);
	assert_int_equal(tally.lost_count, 1);
	assert_string_equal(tally.lost[0].dump, "kept/run-12");
	campaign_tally_free(&tally);
	assert_int_equal(size_of(directory, "tries"), 20);
	assert_true(size_of(directory, "report.txt") > 500);
	assert_true(size_of(directory, "report.svg") > 2000);

	/* Again: nothing is left to do. With more runs: only those. */
	assert_int_equal(campaign_carry_out(&order, &tally), 0);
	campaign_tally_free(&tally);
	assert_int_equal(size_of(directory, "tries"), 20);
	order.runs = 50;
	assert_int_equal(campaign_carry_out(&order, &tally), 0);
	assert_int_equal(campaign_runs(&tally), 50);
	assert_int_equal(size_of(directory, "tries"), 50);
	/* One was to be kept, and one has been. */
	for (size_t i = 1; i < tally.lost_count; i++)
		assert_string_equal(tally.lost[i].dump, "");
	campaign_tally_free(&tally);
	free(directory);
}

/* The campaign's process is killed at any time: the next goes on, and each run has one result. */
static void test_killed(void **state)
{
	char *directory = in_place("killed");
	struct campaign_order order = order_in(directory, 100, 2);
	struct campaign_tally tally;
	int status;

	(void)state;
	for (useconds_t wait = 2000; wait < 40000; wait *= 2) {
		pid_t pid = fork();

		if (pid == 0) {
			campaign_carry_out(&order, &tally);
			_exit(0);
		}
		usleep(wait);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_int_equal(campaign_carry_out(&order, &tally), 0);
	campaign_tally_free(&tally);
	assert_int_equal(results_in(directory, &tally), 100);
	campaign_tally_free(&tally);
	/* Two at a time were lost, no more. */
	assert_true(size_of(directory, "tries") <= 100 + 5 * 2);
	free(directory);
}

static void test_run_that_dies(void **state)
{
	char *directory = in_place("dies");
	struct campaign_order order = order_in(directory, 10, 2);
	struct campaign_tally tally;

	(void)state;
	killed_at = 4;
	assert_int_equal(campaign_carry_out(&order, &tally), -EPIPE);
	campaign_tally_free(&tally);
	killed_at = ~0ull;
	assert_int_equal(campaign_carry_out(&order, &tally), 0);
	assert_int_equal(campaign_runs(&tally), 10);
	campaign_tally_free(&tally);
	free(directory);
}

static void test_full_disk(void **state)
{
	struct rlimit old, limit;
	char *directory = in_place("full");
	struct campaign_order order = order_in(directory, 30, 1);
	struct campaign_tally tally;

	(void)state;
	/* A run's own files do not fit. */
	full_from = 10;
	assert_int_equal(campaign_carry_out(&order, &tally), -ENOSPC);
	assert_int_equal(campaign_runs(&tally), 10);
	campaign_tally_free(&tally);
	full_from = ~0ull;
	/* The results do not. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)size_of(directory, "results.jsonl") + 700;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(campaign_carry_out(&order, &tally), -EFBIG);
	campaign_tally_free(&tally);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(results_in(directory, &tally) > 10);
	campaign_tally_free(&tally);
	assert_int_equal(campaign_carry_out(&order, &tally), 0);
	assert_int_equal(campaign_runs(&tally), 30);
	campaign_tally_free(&tally);
	free(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_campaign),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_run_that_dies),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
