/* The lines of a campaign's results, and their file: what was written is read again, however its writer ended. */
#include "cli/campaign_file.h"
#include "cli/campaign_tally.h"
#include "tests/unit/campaign_results.h"
#include <errno.h>

static void write_text(const char *path, const char *text)
{
	FILE *to = fopen(path, "we");

	assert_non_null(to);
	assert_int_equal(fwrite(text, 1, strlen(text), to), strlen(text));
	assert_int_equal(fclose(to), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	  cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_odd_texts), cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_files), cmocka_unit_test(test_other_settings),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
