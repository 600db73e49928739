/* See text.h. */
#include "core/blackbox/text.h"
#include "core/lib/string.h"

/* A log gives all that it has in one or two. */
#define READS_MAX 1000u

#define LEVEL_BYTES 3u
#define LEVEL	    '6'
#define LAST_LEVEL  '0'

/* Linux begins the first line with the reason; counted reasons say the how many-th. */
static const char *title(u32 reason)
{
	switch (reason) {
	case PSTORE_REASON_PANIC:
		return "Panic";
	case PSTORE_REASON_OOPS:
		return "Oops";
	case PSTORE_REASON_EMERGENCY:
		return "Emergency";
	default:
		return "Shutdown";
	}
}

static bool has_level(const char *line, u32 bytes)
{
	return bytes >= LEVEL_BYTES && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>';
}

/* "<6>" */
static void put_level(char *to, char level)
{
	to[0] = '<';
	to[1] = level;
	to[2] = '>';
}

/* Bytes of the line at `text`, its newline included; it may end without one. */
static u32 line_bytes(const char *text, u32 bytes)
{
	const char *end = memchr(text, '\n', bytes);

	return end ? (u32)(end - text) + 1 : bytes;
}

/* The latest part of the log, whole lines, at the end of `to`; returns its bytes. */
static u32 fetch_tail(char *to, u32 size, const struct blackbox_log *log)
{
	u64 head = log->head(), from = head > size ? head - size : 0, asked = from;
	u32 got = 0, skip = 0;

	/* Where the log goes round meanwhile, `from` grows; a log that does so all the time does not hold us for ever. */
	for (u32 reads = 0; got < size && reads < READS_MAX; reads++) {
		u64 at = from + got;
		size_t n = log->read(&at, to + got, size - got);

		if (!n)
			break;
		if (at != from + got) {
			memmove(to, to + got, n);
			from = at;
			got = 0;
		}
		got += (u32)n;
	}
	if (from > 0 && from == asked)
		skip = line_bytes(to, got);
	memmove(to + size - (got - skip), to + skip, got - skip);
	return got - skip;
}

/* As much of the tail as fits with a level before each line: bytes of it to be left out at its beginning. */
static u32 leave_out(const char *tail, u32 bytes, u32 size)
{
	u32 needed = 0, out = 0;

	for (u32 at = 0; at < bytes; at += line_bytes(tail + at, bytes - at))
		needed += LEVEL_BYTES;
	needed += bytes;
	while (needed > size && out < bytes) {
		u32 line = line_bytes(tail + out, bytes - out);

		needed -= line + LEVEL_BYTES;
		out += line;
	}
	return out;
}

/*
 * Moves the lines from the end of the room to its beginning, each with its level: what is written never passes what is
 * still to be read, because the levels of all lines fit into what was free.
 */
static u32 put_lines(char *to, const char *tail, u32 bytes)
{
	u32 used = 0;

	while (bytes) {
		u32 line = line_bytes(tail, bytes);

		if (!has_level(tail, line)) {
			put_level(to + used, LEVEL);
			used += LEVEL_BYTES;
		}
		memmove(to + used, tail, line);
		used += line;
		tail += line;
		bytes -= line;
	}
	return used;
}

u32 text_compose(char *to, u32 size, u32 reason, u32 counter, const struct blackbox_log *log,
		 const char *last)
{
	u32 used = (u32)format(to, size, "%s#%u Part1\n", title(reason), counter);
	u32 last_bytes = last ? (u32)strnlen(last, size) : 0;
	u32 room = size - used, tail, out;

	if (last) {
		u32 most = room - LEVEL_BYTES - 1;

		last_bytes = last_bytes < most ? last_bytes : most;
		room = most - last_bytes;
	}
	if (log) {
		tail = fetch_tail(to + used, room, log);
		out = leave_out(to + used + room - tail, tail, room);
		used += put_lines(to + used, to + used + room - tail + out, tail - out);
	}
	if (last) {
		put_level(to + used, LAST_LEVEL);
		memcpy(to + used + LEVEL_BYTES, last, last_bytes);
		used += LEVEL_BYTES + last_bytes;
		to[used++] = '\n';
	}
	return used;
}
