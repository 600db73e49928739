/* See crash_past.h. */
#include "cli/crash_past.h"
#include "cli/blackbox.h"
#include "cli/box_client.h"
#include "cli/json_out.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_time(const void *a, const void *b)
{
	const struct ctl_box_record *x = a, *y = b;

	if (x->seconds != y->seconds)
		return x->seconds < y->seconds ? -1 : 1;
	return (x->nanoseconds > y->nanoseconds) - (x->nanoseconds < y->nanoseconds);
}

json_t *crash_past(struct client *c)
{
	struct ctl_box_record *records = NULL;
	json_t *list = json_array();
	struct ctl_box box;
	size_t count = 0;

	if (!box_is_open(c, &box) || box_records(c, &records, &count))
		count = 0;
	if (count)
		qsort(records, count, sizeof(*records), by_time);
	for (size_t i = 0; i < count; i++) {
		const struct blackbox_time when = { records[i].seconds, records[i].nanoseconds };
		char shown[40], *line = NULL;

		if (records[i].reason != PSTORE_REASON_PANIC || !(records[i].flags & CTL_BOX_PREVIOUS) ||
		    box_reason(c, &records[i], &line))
			continue;
		blackbox_time_text(shown, sizeof(shown), when);
		json_array_append_new(list, json_pack("{s:i,s:i,s:s,s:o}", "record", (int)records[i].number,
						      "counter", (int)records[i].counter, "time", shown,
						      "text", json_text(line, strlen(line))));
		free(line);
	}
	free(records);
	return list;
}

void crash_past_print(struct client *c)
{
	json_t *list = crash_past(c), *crash;
	size_t i;

	if (json_array_size(list))
		puts("\nBefore the machine was started (black box):");
	json_array_foreach(list, i, crash)
	{
		printf("  kmsg-%d  %s  %s\n", (int)json_integer_value(json_object_get(crash, "record")),
		       json_string_value(json_object_get(crash, "time")),
		       json_string_value(json_object_get(crash, "text")));
	}
	json_decref(list);
}
