/* The list of a host's dumps: see dump_list.h. */
#include "cli/dump_list.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/units.h"
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull; /* what printf calls a u64 */

static json_t *json_of_slot(const struct dump_slot *s)
{
	const struct dump_head *h = &s->head;
	json_t *o = json_pack("{s:s,s:o}", "state", dump_slot_text(s), "at", json_number(s->at));

	if (s->state != DUMP_SLOT_GOOD)
		return o;
	json_object_set_new(o, "number", json_number(h->number));
	json_object_set_new(o, "life", json_number(h->life));
	json_object_set_new(o, "cause", json_string(name_of_life_cause(h->cause)));
	json_object_set_new(o, "hart", json_number(h->crash_hart));
	json_object_set_new(o, "harts", json_number(h->hart_count));
	json_object_set_new(o, "bytes", json_number(h->bytes));
	json_object_set_new(o, "raw_bytes", json_number(h->raw_bytes));
	json_object_set_new(o, "seconds", h->seconds ? json_integer(h->seconds) : json_null());
	json_object_set_new(o, "took_us",
			    h->t_ended ? json_real(units_microseconds(h->t_begun, h->t_ended, h->timebase))
				       : json_null());
	json_object_set_new(o, "slot_base", json_number(h->slot_base));
	json_object_set_new(o, "build", json_text(h->build, strlen(h->build)));
	json_object_set_new(o, "text", json_text(h->text, strlen(h->text)));
	return o;
}

static void put_row(struct table *t, const struct dump_slot *s)
{
	const struct dump_head *h = &s->head;
	char stored[24], raw[24], time[40] = "-";

	if (h->seconds)
		blackbox_time_text(time, sizeof(time), (struct blackbox_time){ .seconds = h->seconds });
	if (strrchr(time, '.'))
		*strrchr(time, '.') = '\0';
	table_cell(t, "%llu", (ull)h->life);
	table_cell(t, "@%llu", (ull)h->number);
	table_cell(t, "%s", dump_slot_text(s));
	table_cell(t, "%s", name_of_life_cause(h->cause));
	table_cell(t, "%llu", (ull)h->crash_hart);
	table_cell(t, "%s", time);
	table_cell(t, "%s", h->bytes ? units_format_size(stored, sizeof(stored), h->bytes) : "-");
	table_cell(t, "%s", h->raw_bytes ? units_format_size(raw, sizeof(raw), h->raw_bytes) : "-");
	table_cell(t, "%s", h->text);
}

static void list_table(const struct dump_file *f)
{
	static const char *const heads[] = { "LIFE",	    "DUMP",   "<STATE", "<CAUSE", "HART",
					     "<TIME (UTC)", "STORED", "MEMORY", "<TEXT" };
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (u32 i = 0; i < f->view.count; i++)
		if (f->view.slots[i].state == DUMP_SLOT_GOOD)
			put_row(&t, &f->view.slots[i]);
	table_end(&t);
	for (u32 i = 0; i < f->view.count; i++)
		if (f->view.slots[i].state > DUMP_SLOT_GOOD)
			printf("place %u of %u, at byte %llu: %s\n", i + 1, f->view.count,
			       (ull)f->view.slots[i].at, dump_slot_text(&f->view.slots[i]));
}

int dump_list(const struct dump_file *f, bool json)
{
	int code = EXIT_CODE_OK;

	for (u32 i = 0; i < f->view.count; i++)
		if (f->view.slots[i].state > DUMP_SLOT_GOOD)
			code = EXIT_CODE_FAILED;
	if (json) {
		json_t *dumps = json_array();

		for (u32 i = 0; i < f->view.count; i++)
			if (f->view.slots[i].state != DUMP_SLOT_EMPTY)
				json_array_append_new(dumps, json_of_slot(&f->view.slots[i]));
		json_out(json_pack("{s:s,s:o,s:o,s:o}", "file", f->path, "keep", json_number(f->view.count),
				   "slot_size", json_number(f->view.slot_size), "dumps", dumps),
			 false);
	} else {
		list_table(f);
	}
	return code;
}
