/*
 * A campaign around runs that are not made: results on disk, what happens when the campaign is killed, or the disk is full,
 * and the reports.
 */
#include "cli/campaign_file.h"
#include "cli/campaign_identity.h"
#include "cli/campaign_replay.h"
#include "cli/campaign_report.h"
#include "cli/campaign_view.h"
#include "cli/campaign_work.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN "tests/unit/golden/campaign"

static char place[] = "/tmp/outlive-campaign-XXXXXX";

static const struct campaign_head head = { .seed = 7,
					   .runs = 20,
					   .faults = FAULTS_DEFAULT,
					   .harts = 4,
					   .build = "0123456789abcdef0123456789abcdef01234567",
					   .warden = "89abcdef",
					   .guest = "01234567",
					   .qemu = "7.2.22" };

static char *in_place(const char *name)
{
	return memory_format("%s/%s", place, name);
}

static char *read_text(const char *path)
{
	FILE *from = fopen(path, "re");
	char *text = memory_new(1, 1 << 20);

	assert_non_null(from);
	text[fread(text, 1, (1 << 20) - 1, from)] = '\0';
	fclose(from);
	return text;
}

static void write_text(const char *path, const char *text)
{
	FILE *to = fopen(path, "we");

	assert_non_null(to);
	assert_int_equal(fwrite(text, 1, strlen(text), to), strlen(text));
	assert_int_equal(fclose(to), 0);
}

static int make_place(void **state)
{
	(void)state;
	message_quiet(true);
	return mkdtemp(place) ? 0 : -1;
}

static int remove_place(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", place);
	return system(command); /* NOLINT(cert-env33-c): our own directory */
}

/* ---- A runner ---- */

/* What came of run `run`: a function of its number. */
static void make_result(struct campaign_result *r, u64 seed, u64 run)
{
	*r = (struct campaign_result){
		.seed = seed, .run = run, .hart = run % 4, .bit = ~0ull, .address = ~0ull
	};
	r->plan = (struct campaign_fault){ .seed = seed, .run = run };
	r->plan.first.kind = (enum fault_kind)(run % (FAULT_RECOVERY + 1));
	r->plan.second.kind = r->plan.first.kind == FAULT_RECOVERY ? FAULT_CODE : FAULT_REGISTER;
	r->outcome = run % 13 == 12 ? OUTCOME_HANG : run % 3 ? OUTCOME_RECOVERED : OUTCOME_NO_EFFECT;
	r->place = 0x1000 + run;
	r->lives = r->outcome == OUTCOME_RECOVERED;
	r->wall_ms = 1500 + run;
	snprintf(r->fault, sizeof(r->fault), "bit %llu of x%llu", (unsigned long long)run % 64,
		 (unsigned long long)run % 32);
	snprintf(r->symbol, sizeof(r->symbol), "vcpu_load+0x%llx", (unsigned long long)run);
	if (r->outcome == OUTCOME_HANG)
		snprintf(r->reason, sizeof(r->reason), "alpha stands still");
	if (r->outcome != OUTCOME_RECOVERED)
		return;
	snprintf(r->cause, sizeof(r->cause), "trap");
	r->pause_exits_ns = 20000000 + 100000 * run;
	r->pause_computes_ns = 5000000 + 10000 * run;
	r->recovery_ns = 3000000 + 1000 * run;
}

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

/* The results in a directory, sorted. */
static u64 results_in(const char *directory, struct campaign_tally *tally)
{
	struct campaign_file file;
	u64 count;

	*tally = (struct campaign_tally){ 0 };
	assert_int_equal(campaign_file_open(&file, directory, campaign_tally_add, tally), 0);
	assert_int_equal(file.head.seed, head.seed);
	for (u64 run = 0; run < file.count; run++)
		assert_true(campaign_file_has(&file, run));
	assert_false(campaign_file_has(&file, file.count));
	count = file.count;
	campaign_tally_sort(tally);
	campaign_file_close(&file);
	return count;
}

static off_t size_of(const char *directory, const char *name)
{
	char *path = memory_format("%s/%s", directory, name);
	struct stat st = { 0 };

	assert_int_equal(stat(path, &st), 0);
	free(path);
	return st.st_size;
}

/* ---- Lines ---- */

/* A value as a line; free() it. */
static char *line_of(json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	return text;
}

static void test_lines(void **state)
{
	struct campaign_head again;
	const char *why;
	char *text;

	(void)state;
	text = line_of(campaign_head_json(&head));
	assert_int_equal(campaign_head_parse(&again, text, strlen(text), &why), 0);
	assert_memory_equal(&again, &head, sizeof(head));
	free(text);
	for (u64 run = 0; run < 40; run++) {
		struct campaign_result r, back;

		make_result(&r, 0, run);
		text = line_of(campaign_result_json(&r));
		assert_int_equal(campaign_result_parse(&back, text, strlen(text), &why), 0);
		assert_memory_equal(&back, &r, sizeof(r));
		/* Torn anywhere it is none. */
		for (size_t length = 0; length < strlen(text); length++)
			assert_int_equal(campaign_result_parse(&back, text, length, &why), -EBADMSG);
		free(text);
	}
}

static void test_bad_lines(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"run\":1}",
		"{\"run\":1,\"run\":1}",
	};
	/* A good line in which one thing is changed. */
	static const char *const changes[][2] = {
		{ "\"run\":5", "\"run\":1000000" },
		{ "\"run\":5", "\"run\":-1" },
		{ "\"run\":5", "\"run\":5.0" },
		{ "\"run\":5", "\"run\":\"5\"" },
		{ "\"stack\"", "\"stick\"" },
		{ "\"recovery\"", "7" },
		{ "\"recovered\"", "\"recover\"" },
		{ "\"trap\"", "\"tr\\u001bap\"" },
		{ "\"trap\"", "\"tr\\u00e4p\"" },
		{ "\"trap\"", "\"a text that is longer than what a life can end by\"" },
		{ "\"0x1005\"", "\"1005\"" },
		{ "\"0x1005\"", "\"0x10051005100510051\"" },
		{ "\"0x1005\"", "4101" },
		{ "\"0x1005\"", "\"0x\"" },
	};
	struct campaign_result r, back;
	const char *why;
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(campaign_result_parse(&back, bad[i], strlen(bad[i]), &why) < 0);
		assert_non_null(why);
	}
	make_result(&r, 0, 5);
	r.plan.first.kind = FAULT_RECOVERY;
	r.plan.second.kind = FAULT_STACK;
	text = line_of(campaign_result_json(&r));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		char *at = strstr(text, changes[i][0]), *line;

		assert_non_null(at);
		line = memory_format("%.*s%s%s", (int)(at - text), text, changes[i][1],
				     at + strlen(changes[i][0]));
		if (campaign_result_parse(&back, line, strlen(line), &why) != -EINVAL)
			fail_msg("%s passes", line);
		free(line);
	}
	free(text);
}

/* Texts from a machine that is out of its mind do not make a line that cannot be read. */
static void test_odd_texts(void **state)
{
	struct campaign_result r, back;
	const char *why;
	char *text;

	(void)state;
	make_result(&r, 0, 1);
	memset(r.reason, 0xff, sizeof(r.reason));
	r.reason[sizeof(r.reason) - 1] = '\0';
	snprintf(r.fault, sizeof(r.fault), "a \"quote\"\n\033[2J\\");
	text = line_of(campaign_result_json(&r));
	assert_int_equal(campaign_result_parse(&back, text, strlen(text), &why), 0);
	assert_string_equal(back.fault, "a \"quote\"??[2J\\");
	free(text);
}

/* ---- The file ---- */

static void test_file(void **state)
{
	char *directory = in_place("file"), *path = in_place("file/results.jsonl"), *whole, *torn;
	struct campaign_file file, other;
	struct campaign_tally tally;
	struct campaign_result r;

	(void)state;
	assert_int_equal(campaign_file_begin(&file, directory, &head, NULL, NULL), 0);
	for (u64 run = 0; run < 3; run++) {
		make_result(&r, head.seed, run);
		assert_int_equal(campaign_file_append(&file, &r), 0);
	}
	/* One writer at a time; readers are welcome. */
	assert_int_equal(campaign_file_begin(&other, directory, &head, NULL, NULL), -EBUSY);
	campaign_file_close(&other);
	assert_int_equal(results_in(directory, &tally), 3);
	campaign_tally_free(&tally);
	campaign_file_close(&file);

	/* Cut anywhere, as far as there is time for: what is whole counts, the rest is written anew. */
	whole = read_text(path);
	for (size_t length = 0; length < strlen(whole); length += 61) {
		u64 lines = 0;

		torn = memory_format("%.*s", (int)length, whole);
		for (const char *at = torn; (at = strchr(at, '\n')); at++)
			lines++;
		write_text(path, torn);
		free(torn);
		assert_int_equal(campaign_file_begin(&file, directory, &head, NULL, NULL), 0);
		assert_int_equal(file.count, lines ? lines - 1 : 0);
		for (u64 run = file.count; run < 3; run++) {
			make_result(&r, head.seed, run);
			assert_int_equal(campaign_file_append(&file, &r), 0);
		}
		campaign_file_close(&file);
		torn = read_text(path);
		assert_string_equal(torn, whole);
		free(torn);
	}
	free(whole);
	free(path);
	free(directory);
}

/* Reads a text as the file of results. */
static int read_lines(const char *text, u64 *count)
{
	struct campaign_file file = { .fd = -1 };
	FILE *from = fmemopen((char *)text, strlen(text), "r");
	bool is_torn;
	int error;

	assert_non_null(from);
	error = campaign_file_read(&file, from, "results", &is_torn, NULL, NULL);
	fclose(from);
	*count = file.count;
	campaign_file_close(&file);
	return error;
}

static void test_bad_files(void **state)
{
	char *text = line_of(campaign_head_json(&head)), *line, *file;
	struct campaign_result r;
	u64 count;

	(void)state;
	make_result(&r, head.seed, 3);
	line = line_of(campaign_result_json(&r));
	file = memory_format("%s\n%s\nrubbish\n%s\n", text, line, line);
	assert_int_equal(read_lines(file, &count), -EINVAL); /* in the middle */
	free(file);
	file = memory_format("%s\n%s\n%s\n", text, line, line);
	assert_int_equal(read_lines(file, &count), -EINVAL); /* twice */
	free(file);
	file = memory_format("%s\n%s\nrubbish\n", text, line);
	assert_int_equal(read_lines(file, &count), 0);
	assert_int_equal(count, 1);
	free(file);
	file = memory_format("%s\n%s\n", line, line);
	assert_int_equal(read_lines(file, &count), -EINVAL); /* no head */
	free(file);
	assert_int_equal(read_lines("{\"campaign\":2}\n{}\n", &count), -EINVAL);
	assert_int_equal(read_lines("rub", &count), -ENODATA);
	file = memory_new(1, 100001);
	memset(file, 'x', 100000);
	assert_int_equal(read_lines(file, &count), -EINVAL);
	free(file);
	free(line);
	free(text);
}

static void test_other_settings(void **state)
{
	char *directory = in_place("other");
	struct campaign_head changed[7];
	struct campaign_file file;

	(void)state;
	assert_int_equal(campaign_file_begin(&file, directory, &head, NULL, NULL), 0);
	campaign_file_close(&file);
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++)
		changed[i] = head;
	changed[0].seed = 8;
	changed[1].faults = 1;
	changed[2].harts = 2;
	changed[3].build[0] = 'f';
	changed[4].warden[0] = 'f';
	changed[5].qemu[0] = '8';
	changed[6].guest[0] = 'f';
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		assert_int_equal(campaign_file_begin(&file, directory, &changed[i], NULL, NULL), -EEXIST);
		campaign_file_close(&file);
	}
	/* More runs are the same campaign. */
	changed[0] = head;
	changed[0].runs = 1000;
	assert_int_equal(campaign_file_begin(&file, directory, &changed[0], NULL, NULL), 0);
	campaign_file_close(&file);
	free(directory);
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

/* ---- Reports ---- */

/* The same results always make the same reports, which a person has looked at. */
static void test_golden(void **state)
{
	struct campaign_tally tally;
	struct campaign_file file;
	char *text = NULL, *golden;
	size_t size;
	FILE *to;

	(void)state;
	tally = (struct campaign_tally){ 0 };
	assert_int_equal(campaign_file_open(&file, GOLDEN, campaign_tally_add, &tally), 0);
	campaign_tally_sort(&tally);
	to = open_memstream(&text, &size);
	campaign_report_text(to, &file.head, &tally);
	fclose(to);
	golden = read_text(GOLDEN "/report.txt");
	assert_string_equal(text, golden);
	free(text);
	free(golden);
	to = open_memstream(&text, &size);
	campaign_report_svg(to, &file.head, &tally);
	fclose(to);
	golden = read_text(GOLDEN "/report.svg");
	assert_string_equal(text, golden);
	free(text);
	free(golden);
	campaign_tally_free(&tally);
	campaign_file_close(&file);
}

/* A campaign without any result has a report, too. */
static void test_empty_report(void **state)
{
	struct campaign_tally tally = { 0 };
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	campaign_report_text(to, &head, &tally);
	campaign_report_svg(to, &head, &tally);
	fclose(to);
	assert_non_null(strstr(text, "Faults that did something: 0\n"));
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf\""));
	free(text);
	json_decref(campaign_report_json(&head, &tally));
}

/* What was known of a run is found, and said beside what comes of it now. */
static void test_replay(void **state)
{
	struct campaign_result then, now;
	struct campaign_head found;
	char *text = NULL;
	size_t size;
	FILE *to;

	(void)state;
	assert_int_equal(campaign_replay_find(place, 42, 128, &found, &then), -ENOENT);
	assert_int_equal(campaign_replay_find(GOLDEN, 43, 128, &found, &then), -ENOENT);
	assert_int_equal(campaign_replay_find(GOLDEN, 42, 1000, &found, &then), 0);
	assert_int_equal(campaign_replay_find(GOLDEN, 42, 128, &found, &then), 1);
	assert_int_equal(found.faults, FAULTS_ALL);
	assert_int_equal(then.outcome, OUTCOME_SILENT);
	make_result(&now, 42, 128);
	now.plan.first.moment = (struct fault_moment){ .is_place = true, .places = { 0x1234 }, .times = 3 };
	to = open_memstream(&text, &size);
	campaign_replay_print(to, &now, &then);
	fclose(to);
	assert_non_null(strstr(text, "run 42:128\n"));
	assert_non_null(strstr(text, "comes to image+0x1234 "));
	assert_non_null(strstr(text, "before: silent, bit 0 of something at image+0x1200\n"));
	free(text);
	text = line_of(campaign_replay_json(&now, NULL));
	assert_non_null(strstr(text, "\"before\":null"));
	free(text);
}

static void test_progress_line(void **state)
{
	char *line = campaign_view_line(60, 200, 10, 25000);

	(void)state;
	assert_string_equal(line, "60 of 200 runs, 2.00/s, 70 s left");
	free(line);
	line = campaign_view_line(100, 10000, 0, 100000);
	assert_string_equal(line, "100 of 10000 runs, 1.00/s, 2 h 45 min left");
	free(line);
	line = campaign_view_line(10, 200, 10, 3000);
	assert_string_equal(line, "10 of 200 runs");
	free(line);
}

static void test_build_id(void **state)
{
	u8 image[64] = { 0 };
	char text[48];

	(void)state;
	memcpy(image + 20, "\4\0\0\0\24\0\0\0\3\0\0\0GNU", 16);
	for (u8 i = 0; i < 20; i++)
		image[36 + i] = i;
	assert_true(campaign_build_id(image, sizeof(image), text, sizeof(text)));
	assert_string_equal(text, "000102030405060708090a0b0c0d0e0f10111213");
	assert_false(campaign_build_id(image, 55, text, sizeof(text)));
	assert_false(campaign_build_id(image + 21, 43, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	      cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_odd_texts),     cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_files),     cmocka_unit_test(test_other_settings),
		cmocka_unit_test(test_campaign),      cmocka_unit_test(test_killed),
		cmocka_unit_test(test_run_that_dies), cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_golden),	      cmocka_unit_test(test_empty_report),
		cmocka_unit_test(test_replay),	      cmocka_unit_test(test_progress_line),
		cmocka_unit_test(test_build_id),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
