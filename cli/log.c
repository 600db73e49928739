/*
 * `outlive log`: the hypervisor's log out of the estate, where it outlives the hypervisor. Lines begin with the
 * machine's time, "[    1.234567] h0: ", which tells the lives apart.
 */
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLLOW_MS 250

struct log_reader {
	struct client *client;
	bool json;
	u64 from;   /* offset of the next byte to fetch */
	char *line; /* the beginning of a line whose end has not come */
	size_t line_length;
	double not_before, before; /* seconds: lines of this time only; `before` 0: no bound */
	double time;		   /* of the last line that had one */
};

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
	if (!r->json)
		printf("%.*s\n", (int)length, text);
	else if (has_time)
		json_out(json_pack("{s:f,s:i,s:o}", "seconds", time, "hart", (int)hart, "text",
				   json_text(text + skip, length - (size_t)skip)),
			 true);
	else
		json_out(json_pack("{s:o}", "text", json_text(text, length)), true);
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

/* Bounds the output to the life before the present one. */
static int select_previous(struct log_reader *r)
{
	struct ctl_life lives[64];
	struct ctl_host host;
	size_t count;
	int code = client_host(r->client, &host);

	if (!code)
		code = client_lives(r->client, lives, ARRAY_SIZE(lives), &count);
	if (code)
		return code;
	for (size_t i = 0; i < count; i++) {
		if (lives[i].number + 1 != host.life || !host.timebase)
			continue;
		r->not_before = (double)lives[i].t_start / (double)host.timebase;
		r->before = (double)host.started / (double)host.timebase;
		return EXIT_CODE_OK;
	}
	message_error("this is the host's first life");
	return EXIT_CODE_NOT_FOUND;
}

int log_command(const struct options *o)
{
	struct client c;
	struct log_reader r = { .client = &c, .json = o->json };
	int code;

	if (o->follow && o->previous) {
		message_error("--follow and --previous exclude each other");
		return EXIT_CODE_USAGE;
	}
	code = client_open(&c, o);
	if (code)
		return code;
	if (o->previous)
		code = select_previous(&r);
	while (!code) {
		code = fetch(&r);
		fflush(stdout);
		if (!o->follow || ferror(stdout))
			break;
		poll(NULL, 0, FOLLOW_MS);
	}
	if (r.line_length)
		print_line(&r);
	free(r.line);
	client_close(&c);
	return code;
}
