/* Keeps console output: see console_log.h. */
#include "cli/console_log.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX  MIB(16)
#define EARLY_MAX KIB(256)

struct console_piece {
	struct console_piece *next;
	u64 offset;
	size_t count;
	u8 bytes[];
};

static int open_file(struct console_log *log)
{
	log->fd = openat(log->directory, log->file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return log->fd < 0 ? -errno : 0;
}

int console_log_open(struct console_log *log, int directory, const char *vm)
{
	*log = (struct console_log){ .directory = directory, .file_max = FILE_MAX };
	log->file = memory_format("console-%s.log", vm);
	return open_file(log);
}

static void drop_early(struct console_log *log)
{
	while (log->early) {
		struct console_piece *piece = log->early;

		log->early = piece->next;
		free(piece);
	}
	log->early_bytes = 0;
}

void console_log_close(struct console_log *log)
{
	drop_early(log);
	if (log->file && log->fd >= 0)
		close(log->fd);
	free(log->file);
	*log = (struct console_log){ .fd = -1 };
}

/* A full file becomes FILE.1, in place of the one before. */
static void put_aside(struct console_log *log)
{
	char *old = memory_format("%s.1", log->file);

	if (renameat(log->directory, log->file, log->directory, old) == 0) {
		close(log->fd);
		if (open_file(log) < 0)
			message_error("%s: %s", log->file, strerror(errno));
		log->start = log->end;
	}
	free(old);
}

/* Adds to the end of the file. What cannot be written is lost, and its loss is said. */
static void append(struct console_log *log, const void *bytes, size_t count)
{
	const u8 *from = bytes;

	if (log->end - log->start >= log->file_max)
		put_aside(log);
	while (count) {
		ssize_t put = pwrite(log->fd, from, count, (off_t)(log->end - log->start));

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			message_error("%s: %zu bytes of output lost: %s", log->file, count, strerror(errno));
			return;
		}
		from += put;
		count -= (size_t)put;
		log->end += (u64)put;
	}
}

/* What of a piece is new, at or before the expected byte; the rest of it has been there. */
static void take(struct console_log *log, u64 offset, const u8 *bytes, size_t count)
{
	u64 known = log->expected - offset;

	if (known >= count)
		return;
	append(log, bytes + known, count - (size_t)known);
	log->expected = offset + count;
}

static void take_early(struct console_log *log)
{
	while (log->early && log->early->offset <= log->expected) {
		struct console_piece *piece = log->early;

		log->early = piece->next;
		log->early_bytes -= piece->count;
		take(log, piece->offset, piece->bytes, piece->count);
		free(piece);
	}
	log->gap_since = 0;
}

static void keep_early(struct console_log *log, u64 offset, const void *bytes, size_t count)
{
	struct console_piece **at = &log->early;
	struct console_piece *piece;

	while (*at && (*at)->offset < offset)
		at = &(*at)->next;
	if (*at && (*at)->offset == offset && (*at)->count >= count)
		return;
	piece = memory_new(1, sizeof(*piece) + count);
	piece->offset = offset;
	piece->count = count;
	memcpy(piece->bytes, bytes, count);
	piece->next = *at;
	*at = piece;
	log->early_bytes += count;
}

static void give_up_gap(struct console_log *log)
{
	char line[80];
	int length = snprintf(line, sizeof(line), "\r\n[outlive: %llu bytes of output lost]\r\n",
			      (unsigned long long)(log->early->offset - log->expected));

	append(log, line, (size_t)length);
	log->expected = log->early->offset;
	take_early(log);
	if (log->early)
		log->gap_since = 1; /* the next gap is as old */
}

void console_log_put(struct console_log *log, u64 offset, const void *bytes, size_t count, u64 now)
{
	if (offset + count < offset)
		return;
	if (offset > log->expected) {
		keep_early(log, offset, bytes, count);
		if (!log->gap_since)
			log->gap_since = now ? now : 1;
		while (log->early_bytes > EARLY_MAX)
			give_up_gap(log);
		return;
	}
	take(log, offset, bytes, count);
	if (log->early && log->early->offset <= log->expected) {
		take_early(log);
		if (log->early)
			log->gap_since = now ? now : 1;
	}
}

void console_log_tick(struct console_log *log, u64 now)
{
	while (log->early && log->gap_since && now - log->gap_since >= CONSOLE_GAP_MS)
		give_up_gap(log);
}

void console_log_restart(struct console_log *log)
{
	drop_early(log);
	log->expected = 0;
	log->gap_since = 0;
}

size_t console_log_read(struct console_log *log, u64 *position, void *to, size_t size)
{
	ssize_t got;

	if (*position < log->start)
		*position = log->start;
	if (*position >= log->end)
		return 0;
	if (size > log->end - *position)
		size = (size_t)(log->end - *position);
	got = pread(log->fd, to, size, (off_t)(*position - log->start));
	return got > 0 ? (size_t)got : 0;
}
