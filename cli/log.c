/*
 * `outlive log`: the hypervisor's log out of the estate, where it outlives the hypervisor, and out of the black box, where
 * it outlives the machine. Lines begin with the machine's time, "[    1.234567] h0: ", which tells the lives apart.
 */
#include "cli/blackbox.h"
#include "cli/box_client.h"
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/units.h"
#include "core/blackbox/zone.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FOLLOW_MS 250

struct log_reader {
	struct client *client;
	bool json;
	const char *vm;	    /* lines about it only; NULL: all */
	const char *source; /* "log"; "pmsg": lines of guests, without time */
	u64 from;	    /* offset of the next byte to fetch */
	char *line;	    /* the beginning of a line whose end has not come */
	size_t line_length;
	double not_before, before; /* seconds: lines of this time only; `before` 0: no bound */
	double time;		   /* of the last line that had one */
};

/* True if the line is about the VM: "NAME: ..." behind its time, or what the VM itself has written. */
static bool is_about(const char *text, const char *vm)
{
	return strncmp(text, vm, strlen(vm)) == 0 && text[strlen(vm)] == ':';
}

static void print_line(struct log_reader *r)
{
	const char *text = r->line;
	size_t length = r->line_length;
	unsigned hart = 0;
	double time;
	int skip = 0;
	bool has_time;

	while (length && text[length - 1] == '\r')
		length--;
	has_time = sscanf(text, "[%lf] h%u: %n", &time, &hart, &skip) == 2 && skip > 0;
	if (has_time)
		r->time = time;
	if (r->time < r->not_before || (r->before > 0 && r->time >= r->before))
		return;
	if (r->vm && !is_about(text + (has_time ? skip : 0), r->vm))
		return;
	if (!r->json)
		printf("%.*s\n", (int)length, text);
	else if (has_time)
		json_out(json_pack("{s:f,s:i,s:o}", "seconds", time, "hart", (int)hart, "text",
				   json_text(text + skip, length - (size_t)skip)),
			 true);
	else
		json_out(json_pack("{s:s,s:o}", "source", r->source, "text", json_text(text, length)), true);
}

static void take(struct log_reader *r, const char *bytes, size_t count)
{
	while (count) {
		const char *end = memchr(bytes, '\n', count);
		size_t part = end ? (size_t)(end - bytes) : count;

		r->line = memory_resize(r->line, r->line_length + part + 1, 1);
		memcpy(r->line + r->line_length, bytes, part);
		r->line_length += part;
		r->line[r->line_length] = '\0';
		if (!end)
			return;
		print_line(r);
		r->line_length = 0;
		bytes += part + 1;
		count -= part + 1;
	}
}

/* Fetches and prints what there is. */
static int fetch(struct log_reader *r)
{
	struct client_reply reply;

	for (;;) {
		struct ctl_log log;
		size_t count;
		int code = client_do(r->client, CTL_LOG, 0, &r->from, sizeof(r->from), &reply, "log");

		if (code)
			return code;
		if (reply.length < sizeof(log)) {
			message_error("log: an answer that makes no sense");
			return EXIT_CODE_FAILED;
		}
		memcpy(&log, reply.payload, sizeof(log));
		count = reply.length - sizeof(log);
		/* The machine has been reset, and its log begins again. */
		if (log.head < r->from) {
			r->from = 0;
			continue;
		}
		take(r, (const char *)reply.payload + sizeof(log), count);
		r->from = log.offset + count;
		if (!count || r->from >= log.head)
			return EXIT_CODE_OK;
	}
}

/* ---- What lines are wanted ---- */

/* "10min", or "2026-11-20 10:51:00" of UTC: seconds before now. False: neither. */
static bool parse_since(const char *text, double *ago)
{
	static const char *const formats[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };
	u64 ms;

	if (units_parse_duration(text, &ms)) {
		*ago = (double)ms / 1000;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, formats[i], &tm);

		if (!end || *end)
			continue;
		*ago = difftime(time(NULL), timegm(&tm));
		return true;
	}
	return false;
}

/* Bounds the output to the life before the present one; EXIT_CODE_NOT_FOUND if the machine has had no other. */
static int select_previous(struct log_reader *r, const struct ctl_host *host)
{
	struct ctl_life lives[64];
	size_t count;
	int code = client_lives(r->client, lives, ARRAY_SIZE(lives), &count);

	if (code)
		return code;
	for (size_t i = 0; i < count; i++) {
		if (lives[i].number + 1 != host->life || !host->timebase)
			continue;
		r->not_before = (double)lives[i].t_start / (double)host->timebase;
		r->before = (double)host->started / (double)host->timebase;
		return EXIT_CODE_OK;
	}
	return EXIT_CODE_NOT_FOUND;
}

/* ---- The black box ---- */

static void print_text(struct log_reader *r, const char *source, const char *text, size_t bytes)
{
	r->source = source;
	take(r, text, bytes);
	if (r->line_length)
		print_line(r);
	r->line_length = 0;
}

/* A record that an earlier run of the machine left, as one line. */
static int print_record(struct log_reader *r, const struct ctl_box_record *record)
{
	const struct blackbox_time when = { record->seconds, record->nanoseconds };
	const char *reason = zone_reason_name(record->reason);
	char shown[40], *line = NULL;
	int code = box_reason(r->client, record, &line);

	if (code)
		return code;
	blackbox_time_text(shown, sizeof(shown), when);
	if (r->json)
		json_out(json_pack("{s:s,s:i,s:s,s:i,s:s,s:o}", "source", "record", "record",
				   (int)record->number, "reason", reason, "counter", (int)record->counter,
				   "time", shown, "text", json_text(line, strlen(line))),
			 true);
	else
		printf("kmsg-%u: %s#%u, %s: %s\n", record->number, reason, record->counter, shown, line);
	free(line);
	return EXIT_CODE_OK;
}

static int print_records(struct log_reader *r, const struct box_run *run, double since)
{
	struct ctl_box_record *records;
	size_t count;
	int code = box_records(r->client, &records, &count);

	for (size_t i = 0; !code && i < count; i++) {
		double when = (double)records[i].seconds + (double)records[i].nanoseconds / 1e9;

		if (!(records[i].flags & CTL_BOX_PREVIOUS) ||
		    (run->has_mark && when + 1 < run->clock - run->ticks) || when < since)
			continue;
		code = print_record(r, &records[i]);
	}
	free(records);
	return code;
}

/* What the machine said when it ran the last time; `since` is a time of the clock, 0: all. */
static int print_previous_run(struct log_reader *r, double since)
{
	struct box_run run = { 0 };
	struct ctl_box box;
	char *text = NULL;
	size_t bytes = 0;
	int code = box_status(r->client, &box);

	if (!code && box.console)
		code = box_text(r->client, PSTORE_CONSOLE, NULL, 0, &text, &bytes);
	if (!code && text && box_find_run(text, bytes, true, &run)) {
		if (since > 0 && run.has_mark)
			r->not_before = run.ticks + since - run.clock;
		print_text(r, "log", run.text, run.bytes);
	}
	if (!code && !r->vm)
		code = print_records(r, &run, since);
	free(text);
	return code;
}

/* What VMs have written to the black box, in this run of the machine or the one before. Nothing if there is none. */
static int print_pmsg(struct log_reader *r, bool previous)
{
	struct box_run run;
	struct ctl_box box;
	char *text = NULL;
	size_t bytes = 0;
	int code;

	if (!box_is_open(r->client, &box) || !box.pmsg)
		return EXIT_CODE_OK;
	code = box_text(r->client, PSTORE_PMSG, NULL, 0, &text, &bytes);
	r->not_before = r->before = 0;
	if (!code && box_find_run(text, bytes, previous, &run))
		print_text(r, "pmsg", run.text, run.bytes);
	free(text);
	return code;
}

/* ---- The command ---- */

/* The log of the estate, as far as the bounds let it; goes on if `follow`. */
static int print_log(struct log_reader *r, bool follow)
{
	int code;

	do {
		code = fetch(r);
		fflush(stdout);
		if (follow && !code && !ferror(stdout))
			poll(NULL, 0, FOLLOW_MS);
	} while (follow && !code && !ferror(stdout));
	if (r->line_length)
		print_line(r);
	r->line_length = 0;
	return code;
}

static int print_wanted(struct log_reader *r, const struct options *o, double ago)
{
	struct ctl_host host;
	double from;
	int code = client_host(r->client, &host);
	bool in_box = false;

	if (code)
		return code;
	from = o->since && host.timebase ? (double)host.now / (double)host.timebase - ago : 0;
	if (o->previous) {
		code = select_previous(r, &host);
		in_box = code == EXIT_CODE_NOT_FOUND;
	}
	r->not_before = r->not_before > from ? r->not_before : from;
	if (in_box)
		code = print_previous_run(r, o->since ? (double)time(NULL) - ago : 0);
	else if (!code)
		code = print_log(r, o->follow);
	if (!code && r->vm)
		code = print_pmsg(r, in_box);
	return code;
}

static int write_note(struct client *c, const char *text)
{
	struct client_reply reply;
	struct ctl_box box;
	int code = box_status(c, &box);

	if (code)
		return code;
	if (!box.pmsg) {
		message_error("the host's black box has no pmsg zone to write to");
		return EXIT_CODE_NOT_FOUND;
	}
	return client_do(c, CTL_BOX_WRITE, 0, text, strlen(text), &reply, "log");
}

int log_command(const struct options *o)
{
	struct client c;
	struct log_reader r = { .client = &c, .json = o->json, .vm = o->vm, .source = "log" };
	double ago = 0;
	int code;

	if (o->follow && o->previous) {
		message_error("--follow and --previous exclude each other");
		return EXIT_CODE_USAGE;
	}
	if (o->note && (o->follow || o->previous || o->since || o->vm)) {
		message_error("--note goes with no option that chooses lines");
		return EXIT_CODE_USAGE;
	}
	if (o->note && (!*o->note || strlen(o->note) > CTL_NOTE_MAX)) {
		message_error("--note: a line of 1 to %u bytes", CTL_NOTE_MAX);
		return EXIT_CODE_USAGE;
	}
	if (o->since && !parse_since(o->since, &ago)) {
		message_error(
			"--since: \"%s\" is neither a duration like 10min nor a time like 2026-11-20 10:51:00",
			o->since);
		return EXIT_CODE_USAGE;
	}
	code = client_open(&c, o);
	if (code)
		return code;
	code = o->note ? write_note(&c, o->note) : print_wanted(&r, o, ago);
	free(r.line);
	client_close(&c);
	return code;
}
