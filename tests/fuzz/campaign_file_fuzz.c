/* Files of a campaign's results: no bytes make the reader fail other than by saying so, and what it takes it writes again. */
#include "cli/campaign_file.h"
#include "cli/campaign_report.h"
#include "cli/campaign_tally.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static char *line_of(const struct campaign_result *result)
{
	json_t *value = campaign_result_json(result);
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	if (!text)
		abort();
	return text;
}

/* A result that was read is written as a line that reads as the same. */
static void take(void *arg, const struct campaign_result *result)
{
	char *text = line_of(result), *again;
	struct campaign_result back;
	const char *why;

	if (campaign_result_parse(&back, text, strlen(text), &why) != 0)
		abort();
	again = line_of(&back);
	if (strcmp(again, text) != 0)
		abort();
	free(again);
	free(text);
	campaign_tally_add(arg, result);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct campaign_tally tally = { 0 };
	struct campaign_file file = { .fd = -1 };
	FILE *from = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	FILE *to = fopen("/dev/null", "we");
	bool is_torn;

	if (from && to && campaign_file_read(&file, from, "results", &is_torn, take, &tally) == 0) {
		if (file.end > size || file.count != campaign_runs(&tally) || (!is_torn && file.end != size))
			abort();
		campaign_tally_sort(&tally);
		campaign_report_text(to, &file.head, &tally);
		campaign_report_svg(to, &file.head, &tally);
		json_decref(campaign_report_json(&file.head, &tally));
	}
	if (from)
		fclose(from);
	if (to)
		fclose(to);
	campaign_tally_free(&tally);
	campaign_file_close(&file);
	return 0;
}
