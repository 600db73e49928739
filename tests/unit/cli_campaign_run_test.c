/* The fault campaign's plan, and how it reads what guests say. */
#include "cli/campaign.h"
#include "cli/campaign_guest.h"
#include "cli/splitmix.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const u32 places[] = { 0x80, 0x82, 0x86, 0x100, 0x2000, 0x2004 };
static const struct campaign_text text = { places, ARRAY_SIZE(places) };

/* ---- Random numbers ---- */

static void numbers_are_those_of_splitmix64(void **state)
{
	/* Of Vigna's reference implementation. */
	static const u64 expected[] = { 6457827717110365317ull, 3203168211198807973ull,
					9817491932198370423ull, 4593380528125082431ull,
					16408922859458223821ull };
	u64 s = 1234567;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(splitmix_next(&s), expected[i]);
}

/* ---- Plan ---- */

static void a_seed_decides_the_plan(void **state)
{
	struct campaign_fault a, b;

	(void)state;
	for (u64 run = 0; run < 200; run++) {
		campaign_plan(&a, 7, run, FAULTS_DEFAULT, &text);
		campaign_plan(&b, 7, run, FAULTS_DEFAULT, &text);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

/* A campaign that is gone on with, or a run that is replayed, years later: these must not change. */
static void the_plan_stays_what_it_was(void **state)
{
	struct campaign_fault a;

	(void)state;
	campaign_plan(&a, 1, 0, FAULTS_DEFAULT, &text);
	assert_string_equal(fault_kinds[a.first.kind].name, "data");
	assert_int_equal(a.first.target, 0x400f5b20916bf9a3ull);
	campaign_plan(&a, 1, 1000, FAULTS_DEFAULT, &text);
	assert_string_equal(fault_kinds[a.first.kind].name, "heap");
	assert_int_equal(a.second.value, 0x6165fd980286f98aull);
}

static void runs_and_seeds_differ(void **state)
{
	struct campaign_fault a, b;

	(void)state;
	for (u64 run = 0; run < 200; run++) {
		campaign_plan(&a, 7, run, FAULTS_DEFAULT, &text);
		campaign_plan(&b, 7, run + 1, FAULTS_DEFAULT, &text);
		assert_true(a.first.target != b.first.target);
		campaign_plan(&b, 8, run, FAULTS_DEFAULT, &text);
		assert_true(a.first.target != b.first.target);
	}
}

static void only_kinds_that_are_allowed_are_drawn(void **state)
{
	u32 seen = 0;

	(void)state;
	for (u64 run = 0; run < 2000; run++) {
		struct campaign_fault a;

		campaign_plan(&a, 3, run, FAULTS_DEFAULT, &text);
		seen |= 1u << a.first.kind;
		assert_true(a.second.kind < FAULT_RECOVERY);
		assert_true(a.first.moment.times >= 1);
		campaign_plan(&a, 3, run, 1u << FAULT_STACK | 1u << FAULT_ESTATE, &text);
		assert_true(a.first.kind == FAULT_STACK || a.first.kind == FAULT_ESTATE);
	}
	assert_int_equal(seen, FAULTS_DEFAULT);
}

/* So that runs of one kind alone are those of the whole campaign in all else. */
static void kinds_change_nothing_else(void **state)
{
	struct campaign_fault a, b;

	(void)state;
	campaign_plan(&a, 3, 5, FAULTS_DEFAULT, &text);
	campaign_plan(&b, 3, 5, 1u << a.first.kind, &text);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void names_are_found(void **state)
{
	(void)state;
	for (int i = 0; i < FAULT_KINDS; i++)
		assert_int_equal(fault_kind_find(fault_kinds[i].name), i);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		assert_int_equal(campaign_outcome_find(campaign_outcomes[i].name), i);
	assert_int_equal(fault_kind_find(""), -1);
	assert_int_equal(campaign_outcome_find("lost"), -1);
}

/* ---- Guests ---- */

#define FIGURES(t, mem, gaps, errors)                                                              \
	"WITNESS t=" t " boot=5f0e00000000aa01 vcpus=3 mem=" mem                                   \
	" disk=871 net=- regs=900 ticks=20381 ipis=1180 "                                          \
	"fences=393 netlost=- netdup=- gap_exit_us=1210 gap_spin_us=14 lost_ticks=0 gaps_us=" gaps \
	" errors=" errors

static void lines_of_figures_are_read(void **state)
{
	struct guest_line line;

	(void)state;
	assert_true(guest_line_read(&line, FIGURES("5100", "8360", "1210,1007,14", "0")));
	assert_string_equal(line.boot, "5f0e00000000aa01");
	assert_int_equal(line.counts[GUEST_T], 5100);
	assert_int_equal(line.counts[GUEST_MEM], 8360);
	assert_true(line.has[GUEST_DISK]);
	assert_false(line.has[GUEST_NET]);
	assert_int_equal(line.vcpus, 3);
	assert_int_equal(line.gaps_us[1], 1007);
	assert_int_equal(line.gaps_us[2], 14);
	assert_int_equal(line.gap_exit_us, 1210);
	assert_int_equal(line.gap_spin_us, 14);
	assert_int_equal(line.errors, 0);
}

static void other_lines_are_not(void **state)
{
	const char *whole = FIGURES("5100", "8360", "1210,1007,14", "0");
	struct guest_line line;
	char cut[GUEST_LINE_MAX];

	(void)state;
	/* Whatever is missing at its end. */
	for (size_t length = 0; length + 1 < strlen(whole); length++) {
		snprintf(cut, sizeof(cut), "%.*s", (int)length, whole);
		assert_false(guest_line_read(&line, cut));
	}
	assert_false(guest_line_read(&line, "WITNESS ERROR disk 1 2 3 hart=0"));
	assert_false(guest_line_read(&line, FIGURES("5100", "8360", "1210,1007", "0")));
	assert_false(guest_line_read(&line, FIGURES("5100", "x", "1210,1007,14", "0")));
	assert_false(guest_line_read(&line, FIGURES("99999999999999999999999", "1", "1210,1007,14", "0")));
}

/* ---- A guest's log ---- */

struct log {
	char path[64];
	int directory, file;
	struct campaign_guest guest;
};

static int open_log(void **state)
{
	struct log *log = calloc(1, sizeof(*log));

	snprintf(log->path, sizeof(log->path), "/tmp/outlive-unit-XXXXXX");
	assert_non_null(mkdtemp(log->path));
	log->directory = open(log->path, O_RDONLY | O_DIRECTORY);
	log->file = openat(log->directory, "console-alpha.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(log->file >= 0);
	campaign_guest_open(&log->guest, "alpha", log->directory);
	*state = log;
	return 0;
}

static int close_log(void **state)
{
	struct log *log = *state;

	campaign_guest_close(&log->guest);
	close(log->file);
	unlinkat(log->directory, "console-alpha.log", 0);
	close(log->directory);
	rmdir(log->path);
	free(log);
	return 0;
}

static void say(struct log *log, const char *bytes)
{
	assert_int_equal(write(log->file, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	campaign_guest_read(&log->guest);
}

static void a_guest_moves_when_all_of_it_does(void **state)
{
	struct log *log = *state;
	char why[128];

	say(log,
	    "WITNESS t=100 boot=aa vcpus=2 mem=1 disk=1 net=1 regs=1 ticks=1 ipis=1 fences=1 gap_exit_us=1 "
	    "gap_spin_us=1 gaps_us=1,1 errors=0\r\n");
	campaign_guest_mark(&log->guest);
	assert_false(campaign_guest_moved(&log->guest, why, sizeof(why)));
	assert_string_equal(why, "alpha: says nothing");
	/* A line in two pieces. The second vCPU is dead. */
	say(log, "WITNESS t=200 boot=aa vcpus=2 mem=2 disk=1 net=2 regs=2 ticks=2 ipis=2 fences=2 gap_exit");
	say(log, "_us=70 gap_spin_us=0 gaps_us=1,0 errors=0\n");
	say(log,
	    "WITNESS t=300 boot=aa vcpus=2 mem=3 disk=1 net=3 regs=3 ticks=3 ipis=3 fences=3 gap_exit_us=1 "
	    "gap_spin_us=0 gaps_us=1,0 errors=0\n");
	assert_false(campaign_guest_moved(&log->guest, why, sizeof(why)));
	assert_string_equal(why, "alpha: disk stands at 1");
	say(log,
	    "WITNESS t=400 boot=aa vcpus=2 mem=4 disk=2 net=4 regs=4 ticks=4 ipis=4 fences=4 gap_exit_us=1 "
	    "gap_spin_us=0 gaps_us=1,0 errors=0\n");
	assert_false(campaign_guest_moved(&log->guest, why, sizeof(why)));
	assert_string_equal(why, "alpha: vCPU 1 does nothing");
	say(log,
	    "WITNESS t=500 boot=aa vcpus=2 mem=5 disk=3 net=5 regs=5 ticks=5 ipis=5 fences=5 gap_exit_us=1 "
	    "gap_spin_us=9 gaps_us=1,9 errors=0\n");
	assert_true(campaign_guest_moved(&log->guest, why, sizeof(why)));
	assert_true(campaign_guest_is_well(&log->guest, why, sizeof(why)));
	assert_int_equal(log->guest.gap_exit_us, 70);
	assert_int_equal(log->guest.gap_spin_us, 9);
}

static void an_error_line_is_trouble(void **state)
{
	struct log *log = *state;
	char why[128];

	say(log, "WITNESS ERROR disk 1 2 3\x1b[m hart=0\n");
	assert_false(campaign_guest_is_well(&log->guest, why, sizeof(why)));
	assert_string_equal(why, "alpha: WITNESS ERROR disk 1 2 3?[m hart=0");
}

static void counted_errors_are_trouble(void **state)
{
	struct log *log = *state;

	say(log, FIGURES("5100", "8360", "1210,1007,14", "1") "\n");
	assert_false(campaign_guest_is_well(&log->guest, NULL, 0));
}

static void another_boot_is_noticed(void **state)
{
	struct log *log = *state;

	say(log, FIGURES("5100", "8360", "1210,1007,14", "0") "\n");
	assert_true(campaign_guest_is_well(&log->guest, NULL, 0));
	say(log,
	    "WITNESS t=100 boot=bb vcpus=2 mem=1 disk=1 net=1 regs=1 ticks=1 ipis=1 fences=1 gap_exit_us=1 "
	    "gap_spin_us=1 gaps_us=1,1 errors=0\n");
	assert_true(log->guest.is_restarted);
}

static void a_line_without_end_does_no_harm(void **state)
{
	struct log *log = *state;

	for (int i = 0; i < 1000; i++)
		say(log, "WITNESS ERROR ");
	say(log, "\n");
	assert_false(campaign_guest_is_well(&log->guest, NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_those_of_splitmix64),
		cmocka_unit_test(a_seed_decides_the_plan),
		cmocka_unit_test(the_plan_stays_what_it_was),
		cmocka_unit_test(runs_and_seeds_differ),
		cmocka_unit_test(only_kinds_that_are_allowed_are_drawn),
		cmocka_unit_test(kinds_change_nothing_else),
		cmocka_unit_test(names_are_found),
		cmocka_unit_test(lines_of_figures_are_read),
		cmocka_unit_test(other_lines_are_not),
		cmocka_unit_test_setup_teardown(a_guest_moves_when_all_of_it_does, open_log, close_log),
		cmocka_unit_test_setup_teardown(an_error_line_is_trouble, open_log, close_log),
		cmocka_unit_test_setup_teardown(counted_errors_are_trouble, open_log, close_log),
		cmocka_unit_test_setup_teardown(another_boot_is_noticed, open_log, close_log),
		cmocka_unit_test_setup_teardown(a_line_without_end_does_no_harm, open_log, close_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
