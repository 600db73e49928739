/*
 * Writes a black box as a hypervisor would over some lives, for a real Linux to read: see interop.sh.
 *
 *   usage: writer IMAGE PRESET LINES
 *
 * IMAGE is 1 MiB. LINES lines go to pmsg and console each; IMAGE.pmsg and IMAGE.console get all of them. Five records are
 * written and one of them is erased. Prints a line for each zone with a record: zone, reason, counter, seconds, nanoseconds.
 */
#include "core/blackbox/blackbox.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES MIB(1)

static int image;
static FILE *all_pmsg, *all_console;

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "writer: %s\n", what);
	exit(1);
}

static int image_read(struct blackbox_device *d, u64 at, void *to, u32 bytes)
{
	(void)d;
	return pread(image, to, bytes, (off_t)at) == (ssize_t)bytes ? 0 : -1;
}

static int image_write(struct blackbox_device *d, u64 at, const void *from, u32 bytes)
{
	(void)d;
	return pwrite(image, from, bytes, (off_t)at) == (ssize_t)bytes ? 0 : -1;
}

static struct blackbox_device device = {
	.bytes = BYTES, .sector = BLACKBOX_SECTOR_MIN, .read = image_read, .write = image_write
};

static void put(struct ring *r, FILE *all, const char *line)
{
	check(ring_append(r, line, (u32)strlen(line)) == 0, "no room for a line");
	fputs(line, all);
}

static void write_lines(struct blackbox *b, unsigned from, unsigned to)
{
	char line[128];

	for (unsigned n = from; n < to; n++) {
		snprintf(line, sizeof(line), "guest%u: line %u of what guests say %.*s\n", n % 3, n,
			 (int)(n % 40), "........................................");
		if (b->has_pmsg)
			put(&b->pmsg, all_pmsg, line);
		snprintf(line, sizeof(line), "[%5u.%06u] h0: line %u of the log\n", n / 100,
			 n * 7919 % 1000000, n);
		if (b->has_console)
			put(&b->console, all_console, line);
		if (n % 5 == 0)
			check(blackbox_flush(b) == 0, "flush");
	}
	check(blackbox_flush(b) == 0, "flush");
}

static FILE *open_beside(const char *path, const char *suffix)
{
	char name[4096];
	FILE *file;

	snprintf(name, sizeof(name), "%s.%s", path, suffix);
	file = fopen(name, "w");
	check(file, "cannot write beside the image");
	return file;
}

int main(int argc, char **argv)
{
	static const struct {
		u32 reason;
		struct blackbox_time time;
		const char *why;
	} ends[] = {
		{ PSTORE_REASON_PANIC, { 1700000000, 123456789 }, "the first life ended by a panic" },
		{ PSTORE_REASON_OOPS, { 1700000100, 1 }, "a VM was stopped" },
		{ PSTORE_REASON_PANIC, { 1700000200, 999999999 }, "the second life ended by a panic" },
		{ PSTORE_REASON_OOPS, { 1700000300, 0 }, "an adoption was refused" },
		{ PSTORE_REASON_PANIC, { 1700000400, 0 }, "the third life ended by a panic" },
	};
	char why[BLACKBOX_WHY_SIZE];
	struct blackbox_sizes sizes;
	struct blackbox_layout l;
	struct blackbox b;
	unsigned lines;
	void *memory;

	check(argc == 4, "usage: writer IMAGE PRESET LINES");
	lines = (unsigned)atoi(argv[3]);
	check(layout_preset(argv[2], &sizes) && layout_make(&l, &sizes, BYTES, why) == 0, "no such layout");
	image = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	check(image >= 0 && ftruncate(image, BYTES) == 0, "cannot make the image");
	all_pmsg = open_beside(argv[1], "pmsg");
	all_console = open_beside(argv[1], "console");
	memory = aligned_alloc(BLACKBOX_SECTOR_MAX, blackbox_memory(&l));

	for (unsigned n = 0; n < ARRAY_SIZE(ends); n++) {
		check(blackbox_open(&b, &device, &l, memory) == 0, "open");
		write_lines(&b, lines * n / (unsigned)ARRAY_SIZE(ends),
			    lines * (n + 1) / (unsigned)ARRAY_SIZE(ends));
		check(blackbox_record(&b, ends[n].reason, ends[n].time, ends[n].why) == 0, "record");
		check(blackbox_flush(&b) == 0, "flush");
	}
	check(records_erase(&b.records, &device, 1) == 0, "erase");
	for (u32 n = 0; n < l.kmsg_count; n++) {
		const struct record_info *i = &b.records.info[n];

		if (i->state == ZONE_GOOD)
			printf("%u %u %u %ld %ld\n", n, i->reason, i->counter, (long)i->time.seconds,
			       (long)i->time.nanoseconds);
	}
	fclose(all_pmsg);
	fclose(all_console);
	return 0;
}
