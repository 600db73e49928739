/* See box_client.h. */
#include "cli/box_client.h"
#include "cli/blackbox_inflate.h"
#include "cli/clock.h"
#include "cli/exit_code.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The disk may be slow, and a life may end and open the black box anew. */
#define PATIENCE_MS 10000
#define AGAIN_MS    20

/* Begins the line that begins each run of the machine: RECORDER_MARK in core/recorder/inside.h. */
#define MARK "---- machine started "

int box_status(struct client *c, struct ctl_box *box)
{
	u64 end = clock_ms() + PATIENCE_MS;

	do {
		struct client_reply reply;
		int code = client_ask(c, CTL_BOX, 0, NULL, 0, &reply);

		if (code)
			return code;
		memset(box, 0, sizeof(*box));
		/* A host of another version may know nothing of it. */
		if (reply.status || reply.length != sizeof(*box))
			break;
		memcpy(box, reply.payload, sizeof(*box));
		box->why[sizeof(box->why) - 1] = '\0';
		if (box->stage == CTL_BOX_OPENING)
			poll(NULL, 0, AGAIN_MS);
	} while (box->stage == CTL_BOX_OPENING && clock_ms() < end);
	if (box->stage == CTL_BOX_OPEN)
		return EXIT_CODE_OK;
	if (box->stage == CTL_BOX_OPENING)
		message_error("the host's black box is still being opened: its disk is slow");
	else if (*box->why)
		message_error("the host's black box cannot be used: disk %u: %s", box->disk, box->why);
	else
		message_error("the host has no black box (machine.blackbox in its file)");
	return EXIT_CODE_NOT_FOUND;
}

bool box_is_open(struct client *c, struct ctl_box *box)
{
	struct client_reply reply;

	if (client_ask(c, CTL_BOX, 0, NULL, 0, &reply) || reply.status || reply.length != sizeof(*box))
		return false;
	memcpy(box, reply.payload, sizeof(*box));
	return box->stage == CTL_BOX_OPEN;
}

int box_records(struct client *c, struct ctl_box_record **records, size_t *count)
{
	u32 next = 0;

	*records = NULL;
	*count = 0;
	for (;;) {
		struct client_reply reply;
		int code = client_do(c, CTL_BOX_RECORDS, 0, &next, sizeof(next), &reply, "black box");
		size_t got = reply.length / sizeof(**records);

		if (code || !got)
			return code;
		*records = memory_resize(*records, *count + got, sizeof(**records));
		memcpy(*records + *count, reply.payload, got * sizeof(**records));
		*count += got;
		/* Numbers ascend, so this ends whatever the host answers. */
		if ((*records)[*count - 1].number < next || (*records)[*count - 1].number == UINT32_MAX)
			return EXIT_CODE_OK;
		next = (*records)[*count - 1].number + 1;
	}
}

/* One piece; waits for the disk. */
static int read_piece(struct client *c, const struct ctl_box_at *at, struct client_reply *reply)
{
	u64 end = clock_ms() + PATIENCE_MS;
	int code;

	for (;;) {
		code = client_ask(c, CTL_BOX_READ, 0, at, sizeof(*at), reply);
		if (code || reply->status != -EAGAIN || clock_ms() >= end)
			break;
		poll(NULL, 0, AGAIN_MS);
	}
	if (code || !reply->status)
		return code;
	message_error("black box: %s", client_refusal(reply->status));
	return reply->status == -ENOENT ? EXIT_CODE_NOT_FOUND : EXIT_CODE_REFUSED;
}

static int read_all(struct client *c, struct ctl_box_at at, char **text, size_t *bytes)
{
	struct client_reply reply;

	*text = memory_new(1, 1);
	*bytes = 0;
	for (;;) {
		struct ctl_log log;
		size_t got;
		int code = read_piece(c, &at, &reply);

		if (code)
			return code;
		if (reply.length < sizeof(log)) {
			message_error("black box: an answer that makes no sense");
			return EXIT_CODE_FAILED;
		}
		memcpy(&log, reply.payload, sizeof(log));
		got = reply.length - sizeof(log);
		if (!got || *bytes + got > PSTORE_TOTAL_MAX)
			return EXIT_CODE_OK;
		*text = memory_resize(*text, *bytes + got + 1, 1);
		memcpy(*text + *bytes, reply.payload + sizeof(log), got);
		*bytes += got;
		(*text)[*bytes] = '\0';
		at.offset += got;
		if (at.offset >= log.head)
			return EXIT_CODE_OK;
	}
}

int box_text(struct client *c, enum pstore_type type, const struct ctl_box_record *record, u64 from,
	     char **text, size_t *bytes)
{
	bool is_packed = record && record->flags & CTL_BOX_COMPRESSED;
	struct ctl_box_at at = { type, record ? record->number : 0, is_packed ? 0 : from };
	int code = read_all(c, at, text, bytes);
	char *plain;

	if (!code && is_packed) {
		plain = blackbox_inflate(*text, *bytes, bytes);
		free(*text);
		*text = plain;
		if (!plain) {
			message_error("black box: record %u cannot be inflated: it is damaged",
				      record->number);
			return EXIT_CODE_FAILED;
		}
	} else if (code) {
		free(*text);
		*text = NULL;
	}
	return code;
}

int box_reason(struct client *c, const struct ctl_box_record *record, char **line)
{
	/* Lines are shorter than this. */
	u64 from = record->bytes > 512 ? record->bytes - 512 : 0;
	char *text, *at;
	size_t bytes;
	int code = box_text(c, PSTORE_KMSG, record, from, &text, &bytes);

	if (code)
		return code;
	while (bytes && (text[bytes - 1] == '\n' || text[bytes - 1] == '\0'))
		bytes--;
	at = text + bytes;
	while (at > text && at[-1] != '\n')
		at--;
	if (bytes - (size_t)(at - text) > 3 && at[0] == '<' && at[2] == '>')
		at += 3;
	*line = memory_new(1, bytes - (size_t)(at - text) + 1);
	memcpy(*line, at, bytes - (size_t)(at - text));
	free(text);
	return EXIT_CODE_OK;
}

/* The last mark at the beginning of a line before `end`, or NULL. */
static const char *last_mark(const char *text, const char *end)
{
	for (const char *at = end; at > text; at--) {
		const char *line = at - 1;

		if ((line == text || line[-1] == '\n') && (size_t)(end - line) >= strlen(MARK) &&
		    memcmp(line, MARK, strlen(MARK)) == 0)
			return line;
	}
	return NULL;
}

bool box_find_run(const char *text, size_t bytes, bool previous, struct box_run *run)
{
	const char *end = text + bytes, *mark = last_mark(text, end);
	char line[96] = { 0 };

	*run = (struct box_run){ 0 };
	if (previous) {
		/* The present run's mark is gone: so is all before it. */
		if (!mark)
			return false;
		end = mark;
		mark = last_mark(text, end);
	}
	run->text = mark ? mark : text;
	run->bytes = (size_t)(end - run->text);
	if (mark) {
		memcpy(line, mark, run->bytes < sizeof(line) - 1 ? run->bytes : sizeof(line) - 1);
		run->has_mark = sscanf(line, MARK "%lf at %lf", &run->ticks, &run->clock) == 2;
	}
	return run->bytes > 0;
}
