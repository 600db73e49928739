/* `outlive blackbox ls`, `read` and `erase`: what the black box of a host that is off has to say. */
#include "cli/blackbox.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ls ---- */

static json_t *json_of_zone(const struct blackbox_content *c)
{
	json_t *zone = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o}", "zone", c->name, "type",
				 zone_type_name(c->zone.type), "state", zone_state_name(c->state), "at",
				 json_number(c->zone.at), "size", json_number(c->zone.size), "bytes",
				 json_number(c->bytes));

	if (c->why)
		json_object_set_new(zone, "problem", json_string(c->why));
	if (c->record && c->record->has_header) {
		json_object_set_new(zone, "reason", json_string(zone_reason_name(c->record->reason)));
		json_object_set_new(zone, "counter", json_number(c->record->counter));
		json_object_set_new(zone, "seconds", json_integer(c->record->time.seconds));
		json_object_set_new(zone, "nanoseconds", json_integer(c->record->time.nanoseconds));
		json_object_set_new(zone, "compressed", json_boolean(c->record->compressed));
	}
	return zone;
}

static void print_json(const struct blackbox_image *i)
{
	const struct blackbox_sizes *s = &i->box.layout.sizes;
	json_t *zones = json_array();

	for (u32 n = 0; n < layout_count(&i->box.layout); n++) {
		struct blackbox_content c;

		blackbox_describe(i, n, &c);
		json_array_append_new(zones, json_of_zone(&c));
	}
	json_out(json_pack("{s:s,s:o,s:{s:o,s:o,s:o,s:o},s:o,s:o,s:o}", "file", i->path, "bytes",
			   json_number(i->device.bytes), "layout", "pmsg", json_number(s->pmsg), "console",
			   json_number(s->console), "ftrace", json_number(s->ftrace), "kmsg",
			   json_number(s->kmsg), "signatures", json_number(i->found.signatures), "matched",
			   json_number(i->found.matched), "zones", zones),
		 false);
}

static void put_row(struct table *t, const struct blackbox_content *c)
{
	bool is_record = c->record && c->record->has_header;
	char time[40] = "-";

	if (is_record)
		blackbox_time_text(time, sizeof(time), c->record->time);
	table_cell(t, "%s", c->name);
	table_cell(t, "%s", zone_state_name(c->state));
	table_cell(t, "%u", c->bytes);
	table_cell(t, "%s", is_record ? zone_reason_name(c->record->reason) : "-");
	table_cell(t, is_record ? "%u" : "-", is_record ? c->record->counter : 0);
	table_cell(t, "%s", time);
	table_cell(t, "%s%s", is_record && c->record->compressed ? "compressed " : "", c->why ? c->why : "");
}

static void print_table(const struct blackbox_image *i)
{
	static const char *const heads[] = {
		"ZONE", "<STATE", "BYTES", "<REASON", "COUNT", "<TIME (UTC)", "<"
	};
	u32 count = layout_count(&i->box.layout), unused = 0;
	char layout[96];
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (u32 n = 0; n < count; n++) {
		struct blackbox_content c;

		blackbox_describe(i, n, &c);
		/* Of a great many records that have never been, one line is enough. */
		if (c.record && (c.state == ZONE_ABSENT || (c.state == ZONE_ERASED && !c.record->has_header)))
			unused++;
		else
			put_row(&t, &c);
	}
	table_end(&t);
	printf("%u zones (%s), %u of them unused\n", count,
	       blackbox_layout_text(layout, sizeof(layout), &i->box.layout.sizes), unused);
}

int blackbox_ls_command(const struct options *o)
{
	struct blackbox_image i;
	int code = blackbox_image_open(&i, o, false);

	if (code)
		return code;
	if (o->json)
		print_json(&i);
	else
		print_table(&i);
	blackbox_image_close(&i);
	return EXIT_CODE_OK;
}

/* ---- read ---- */

static int print_zone(struct blackbox_image *i, const struct blackbox_content *c, bool with_title, bool json)
{
	size_t bytes;
	char *text = blackbox_text(i, c, &bytes);

	if (!text)
		return EXIT_CODE_FAILED;
	if (json) {
		json_t *zone = json_of_zone(c);

		json_object_set_new(zone, "text", json_text(text, bytes));
		json_out(zone, true);
	} else {
		if (with_title)
			printf("==> %s <==\n", c->name);
		fwrite(text, 1, bytes, stdout);
		if (with_title && bytes && text[bytes - 1] != '\n')
			putchar('\n');
	}
	free(text);
	if (c->state == ZONE_TORN)
		message_note("%s: %s is torn: %s", i->path, c->name, c->why);
	return EXIT_CODE_OK;
}

/* Everything that can be read; the worst exit code. */
static int print_all(struct blackbox_image *i, bool json)
{
	int worst = EXIT_CODE_OK;

	for (u32 n = 0; n < layout_count(&i->box.layout); n++) {
		struct blackbox_content c;
		int code;

		blackbox_describe(i, n, &c);
		if (!blackbox_has_text(&c))
			continue;
		code = print_zone(i, &c, true, json);
		worst = code ? code : worst;
	}
	return worst;
}

int blackbox_read_command(const struct options *o)
{
	struct blackbox_content c;
	struct blackbox_image i;
	int code = blackbox_image_open(&i, o, false);

	if (code)
		return code;
	if (o->argument_count == 1) {
		code = print_all(&i, o->json);
	} else {
		code = blackbox_find_zone(&i, o->arguments[1], &c);
		if (!code && !blackbox_has_text(&c)) {
			message_error("%s: there is nothing to read in %s: %s", i.path, c.name,
				      c.why ? c.why : zone_state_name(c.state));
			code = EXIT_CODE_NOT_FOUND;
		} else if (!code) {
			code = print_zone(&i, &c, false, o->json);
		}
	}
	blackbox_image_close(&i);
	return code;
}

/* ---- erase ---- */

static int erase(struct blackbox_image *i, const struct blackbox_content *c)
{
	int error = 0;

	if (c->state == ZONE_ABSENT || c->state == ZONE_ERASED)
		return EXIT_CODE_OK;
	if (c->record)
		error = records_erase(&i->box.records, &i->device, c->zone.number);
	else
		error = ring_erase(c->zone.type == PSTORE_PMSG ? &i->box.pmsg : &i->box.console, &i->device);
	if (!error)
		return EXIT_CODE_OK;
	message_error("%s: %s: %s", i->path, c->name, strerror(-error));
	return EXIT_CODE_FAILED;
}

static int erase_all(struct blackbox_image *i)
{
	int worst = EXIT_CODE_OK;

	for (u32 n = 0; n < layout_count(&i->box.layout); n++) {
		struct blackbox_content c;
		int code;

		blackbox_describe(i, n, &c);
		code = erase(i, &c);
		worst = code ? code : worst;
	}
	return worst;
}

int blackbox_erase_command(const struct options *o)
{
	struct blackbox_content c;
	struct blackbox_image i;
	int code = blackbox_image_open(&i, o, true);

	if (code)
		return code;
	if (o->argument_count == 1) {
		code = erase_all(&i);
	} else {
		code = blackbox_find_zone(&i, o->arguments[1], &c);
		if (!code)
			code = erase(&i, &c);
	}
	blackbox_image_close(&i);
	if (!code && o->json)
		json_out(json_pack("{s:s,s:s}", "file", o->arguments[0], "erased",
				   o->argument_count == 1 ? "all" : o->arguments[1]),
			 false);
	return code;
}
