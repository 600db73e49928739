/* What is said of a campaign's results. */
#include "cli/campaign_identity.h"
#include "cli/campaign_replay.h"
#include "cli/campaign_report.h"
#include "cli/campaign_view.h"
#include "tests/unit/campaign_results.h"
#include <errno.h>

#define GOLDEN "tests/unit/golden/campaign"

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
		cmocka_unit_test(test_golden),	 cmocka_unit_test(test_empty_report),
		cmocka_unit_test(test_replay),	 cmocka_unit_test(test_progress_line),
		cmocka_unit_test(test_build_id),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
