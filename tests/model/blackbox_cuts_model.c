/*
 * Power cuts, all of them: a workload runs once on a disk that remembers its writes. Then, for each flush, every subset of
 * the sectors written since the flush before (as many as 2^10; beyond that the telling ones) is what has reached the medium,
 * and of each sector every beginning and every end of the new bytes. Whatever is left is recovered.
 *
 * What must hold of a ring: all lines that were complete are there, in order, but for the oldest where the ring needed the
 * room; what follows them belongs to the line under way, and if that is not whole, recovery says so. Of records: all that
 * were complete are there as written, but for the one in the zone that is being written, of which never a mixture is given
 * as good. And a life that goes on from there finds its own line or record afterwards.
 *
 * timeout: 600 s
 */
#include "core/blackbox/blackbox.h"
#include "core/lib/string.h"
#include "tests/model/blackbox_disk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define SUBSETS_MAX 10u

typedef void check(void *context, u8 *bytes, u32 mark);

static u64 cuts;

/* Byte ranges in which two sectors differ: tears elsewhere make nothing new. */
static bool differs_at(const struct disk_write *w, u32 byte)
{
	return w->old[byte] != w->new[byte];
}

static void apply(u8 *bytes, const struct disk_write *w)
{
	memcpy(bytes + (u64)w->sector * DISK_SECTOR, w->new, DISK_SECTOR);
}

/* Later writes of a sector win: they are applied in order, those of the subset only. */
static void try_subset(const u8 *base, u64 size, const struct disk_write *w, u32 count, u64 subset,
		       check *each, void *context)
{
	u8 *bytes = malloc(size);

	memcpy(bytes, base, size);
	for (u32 n = 0; n < count; n++)
		if (subset >> (n % 64) & 1)
			apply(bytes, &w[n]);
	cuts++;
	each(context, bytes, w->mark);
	free(bytes);
}

/* Sector `torn` has its first `byte` bytes new and the rest old, or the other way round. */
static void try_tear(const u8 *base, u64 size, const struct disk_write *w, u32 count, u64 subset, u32 torn,
		     u32 byte, bool end, check *each, void *context)
{
	u8 *bytes = malloc(size), *at = bytes + (u64)w[torn].sector * DISK_SECTOR;

	memcpy(bytes, base, size);
	for (u32 n = 0; n < count; n++)
		if (n != torn && (subset >> (n % 64) & 1))
			apply(bytes, &w[n]);
	if (end)
		memcpy(at + byte, w[torn].new + byte, DISK_SECTOR - byte);
	else
		memcpy(at, w[torn].new, byte);
	cuts++;
	each(context, bytes, w->mark);
	free(bytes);
}

static void try_tears(const u8 *base, u64 size, const struct disk_write *w, u32 count, check *each,
		      void *context)
{
	for (u32 torn = 0; torn < count; torn++) {
		for (u32 byte = 1; byte < DISK_SECTOR; byte++) {
			if (!differs_at(&w[torn], byte) && !differs_at(&w[torn], byte - 1))
				continue;
			try_tear(base, size, w, count, 0, torn, byte, false, each, context);
			try_tear(base, size, w, count, 0, torn, byte, true, each, context);
			try_tear(base, size, w, count, ~0ull, torn, byte, false, each, context);
			try_tear(base, size, w, count, ~0ull, torn, byte, true, each, context);
		}
	}
}

static void try_epoch(const u8 *base, u64 size, const struct disk_write *w, u32 count, check *each,
		      void *context)
{
	if (count <= SUBSETS_MAX) {
		for (u64 subset = 0; subset < 1ull << count; subset++)
			try_subset(base, size, w, count, subset, each, context);
	} else {
		for (u32 n = 0; n < count && n < 64; n++) {
			try_subset(base, size, w, count, (1ull << n) - 1, each, context);
			try_subset(base, size, w, count, ~((1ull << n) - 1), each, context);
			try_subset(base, size, w, count, 1ull << n, each, context);
			try_subset(base, size, w, count, ~(1ull << n), each, context);
		}
	}
	try_tears(base, size, w, count, each, context);
}

/* All cuts of what the disk remembers. `start`: its bytes before the first write, which are used up. */
static void try_all(struct disk *disk, u8 *start, check *each, void *context)
{
	u32 n = 0;

	while (n < disk->write_count) {
		u32 end = n;

		while (end < disk->write_count && disk->writes[end].epoch == disk->writes[n].epoch)
			end++;
		try_epoch(start, disk->device.bytes, disk->writes + n, end - n, each, context);
		for (; n < end; n++)
			apply(start, &disk->writes[n]);
	}
}

/* A disk on what a cut has left. It is not its own memory. */
static void disk_on(struct disk *disk, u8 *bytes, u64 size)
{
	disk_open(disk, size);
	free(disk->bytes);
	disk->bytes = bytes;
}

static u8 *copy_of(const struct disk *disk)
{
	u8 *copy = malloc(disk->device.bytes);

	memcpy(copy, disk->bytes, disk->device.bytes);
	return copy;
}

/* ---- Rings ---- */

#define LINES 400

struct story {
	struct blackbox_layout layout;
	void *memory;
	char *text;	    /* all lines */
	u32 end[LINES + 1]; /* where line n - 1 ends: the first n lines */
	u32 lines;
	u32 batch; /* lines that go to the ring at once */
	u32 kept;  /* bytes at the end of what is complete that must not be lost */
};

/* Lines of all lengths, none of which is like another. */
static void tell(struct story *s, u32 lines, u32 longest)
{
	s->text = malloc((u64)lines * (longest + 16));
	s->lines = lines;
	for (u32 n = 0; n < lines; n++) {
		u32 at = s->end[n], length = (u32)sprintf(s->text + at, "%u:", n) + (n * 37) % longest;

		for (u32 i = (u32)strlen(s->text + at); i < length; i++)
			s->text[at + i] = (char)('a' + (n + i) % 26);
		s->text[at + length] = '\n';
		s->end[n + 1] = at + length + 1;
	}
}

static void ring_must_hold(const struct story *s, const struct ring *r, u32 complete)
{
	static char got[131072];
	u32 bytes = ring_read(r, false, 0, got, sizeof(got));
	u32 done = s->end[complete], in_flight;
	u32 next = complete + s->batch < s->lines ? complete + s->batch : s->lines;
	u32 most = s->end[next], least = done < s->kept ? done : s->kept;

	/* The end of what is there is somewhere in the lines under way, its beginning anywhere before. */
	for (in_flight = 0; done + in_flight <= most; in_flight++) {
		u32 end = done + in_flight;

		if (bytes <= end && bytes >= least && memcmp(got, s->text + end - bytes, bytes) == 0)
			break;
	}
	if (done + in_flight > most)
		fail_msg("after %u lines: %u bytes that are not their end: %.*s", complete, bytes,
			 bytes < 200 ? (int)bytes : 200, got);
	/* Before the first line the zone may be anything. */
	if (complete || bytes)
		assert_true(r->state == ZONE_GOOD || r->state == ZONE_TORN);
	if (in_flight && got[bytes - 1] != '\n')
		assert_int_equal(r->state, ZONE_TORN);
}

static void check_ring(void *context, u8 *bytes, u32 mark)
{
	static const char again[] = "and it goes on\n";
	struct story *s = context;
	struct disk disk;
	struct blackbox b;
	char end[sizeof(again)] = "";
	u32 had, has;

	disk_on(&disk, bytes, s->layout.end);
	assert_int_equal(blackbox_open(&b, &disk.device, &s->layout, s->memory), 0);
	ring_must_hold(s, &b.pmsg, mark);
	assert_int_equal(disk.write_calls, 0);

	had = ring_bytes(&b.pmsg, false);
	assert_int_equal(ring_append(&b.pmsg, again, sizeof(again) - 1), 0);
	assert_int_equal(blackbox_flush(&b), 0);
	assert_int_equal(blackbox_open(&b, &disk.device, &s->layout, s->memory), 0);
	has = ring_bytes(&b.pmsg, false);
	assert_int_equal(b.pmsg.state, ZONE_GOOD);
	assert_false(b.pmsg.needs_repair);
	ring_read(&b.pmsg, false, has - (u32)sizeof(again) + 1, end, sizeof(again) - 1);
	assert_string_equal(end, again);
	assert_true(has + s->batch * 512 + 1600 >= had);
	free(disk.writes);
}

/* What is on the disk before. */
enum base { BASE_NOTHING, BASE_RUBBISH, BASE_LINUX };

/* A ring as Linux leaves it, with no gap, that holds the end of the first lines; returns how many lines these are. */
static u32 be_linux(const struct story *s, u8 *zone, u32 size, u32 start)
{
	struct pstore_zone_header h = { PSTORE_SIGNATURE_OF(PSTORE_PMSG), size - 12, start };
	u32 lines = 0;

	while (s->end[lines] < h.datalen)
		lines++;
	for (u32 n = 0; n < h.datalen; n++)
		zone[12 + (start + n) % h.datalen] = (u8)s->text[s->end[lines] - h.datalen + n];
	memcpy(zone, &h, sizeof(h));
	return lines;
}

/* Lines that go to the ring before power begins to fail. */
static u32 put_quietly(struct story *s, struct disk *disk, u32 bytes)
{
	struct blackbox b;
	u32 n = 0;

	assert_int_equal(blackbox_open(&b, &disk->device, &s->layout, s->memory), 0);
	for (; n < s->lines && s->end[n + 1] < bytes; n++) {
		assert_int_equal(ring_append(&b.pmsg, s->text + s->end[n], s->end[n + 1] - s->end[n]), 0);
		assert_int_equal(blackbox_flush(&b), 0);
	}
	return n;
}

/* Lines go to pmsg `batch` at a time; all cuts of that, but for those while the first `quiet` bytes are written. */
static void cut_ring(u32 zone, u32 lines, u32 longest, u32 batch, enum base base, u32 quiet)
{
	u32 first = 0;

	struct story s = { .batch = batch };
	struct blackbox_sizes sizes = { .pmsg = zone };
	char why[BLACKBOX_WHY_SIZE];
	struct blackbox b;
	struct disk disk;
	u8 *start;

	assert_int_equal(layout_make(&s.layout, &sizes, zone, why), 0);
	s.memory = disk_memory(blackbox_memory(&s.layout));
	/* What the ring may always drop: the lines under way, and what is between them and the end of a sector. */
	s.kept = zone - 12 - batch * (longest + 16) - 2 * 512;
	tell(&s, lines, longest);
	disk_open(&disk, zone);
	if (base == BASE_RUBBISH)
		memset(disk.bytes, 'x', zone);
	if (base == BASE_LINUX)
		first = be_linux(&s, disk.bytes, zone, zone - 700);
	if (quiet) {
		first = put_quietly(&s, &disk, quiet);
		s.lines = first + 6;
	}
	start = copy_of(&disk);
	disk.is_recording = true;
	assert_int_equal(blackbox_open(&b, &disk.device, &s.layout, s.memory), 0);
	for (u32 n = first; n < s.lines; n += batch) {
		disk.mark = n;
		for (u32 i = n; i < n + batch && i < s.lines; i++)
			assert_int_equal(ring_append(&b.pmsg, s.text + s.end[i], s.end[i + 1] - s.end[i]), 0);
		assert_int_equal(blackbox_flush(&b), 0);
	}
	try_all(&disk, start, check_ring, &s);
	free(start);
	disk_close(&disk);
	free(s.memory);
	free(s.text);
}

static void lines_one_by_one(void **state)
{
	(void)state;
	cut_ring(4096, 160, 90, 1, BASE_NOTHING, 0);
}

static void lines_over_what_was_there(void **state)
{
	(void)state;
	cut_ring(4096, 30, 90, 1, BASE_RUBBISH, 0);
}

static void lines_behind_those_of_linux(void **state)
{
	(void)state;
	cut_ring(4096, 160, 90, 1, BASE_LINUX, 0);
}

/* Lengths of two bytes become such of three. */
static void lines_across_64_kib(void **state)
{
	(void)state;
	cut_ring(81920, 140, 1060, 1, BASE_NOTHING, 64800);
}

static void lines_longer_than_sectors(void **state)
{
	(void)state;
	cut_ring(8192, 30, 1100, 1, BASE_NOTHING, 0);
}

static void lines_in_batches(void **state)
{
	(void)state;
	cut_ring(8192, 160, 150, 5, BASE_NOTHING, 0);
}

/* ---- Records ---- */

#define RECORDS 12

struct crashes {
	struct blackbox_layout layout;
	void *memory;
	u32 count;
	char *text[RECORDS]; /* as recovery must give it */
};

static char *read_record(struct blackbox *b, u32 zone)
{
	u32 bytes = b->records.info[zone].bytes;
	char *text = calloc(1, bytes + 1);

	assert_int_equal(records_read(&b->records, b->device, zone, 0, text, bytes), bytes);
	return text;
}

/* Which crash the zone must hold after `count` of them: -1 for none. */
static s32 tenant(const struct crashes *c, u32 zone, u32 count)
{
	for (u32 n = count; n > 0 && n + c->layout.kmsg_count > count; n--)
		if ((n - 1) % c->layout.kmsg_count == zone)
			return (s32)n - 1;
	return -1;
}

static void check_records(void *context, u8 *bytes, u32 mark)
{
	struct crashes *c = context;
	struct disk disk;
	struct blackbox b;
	u32 panics;

	disk_on(&disk, bytes, c->layout.end);
	assert_int_equal(blackbox_open(&b, &disk.device, &c->layout, c->memory), 0);
	for (u32 zone = 0; zone < c->layout.kmsg_count; zone++) {
		const struct record_info *i = &b.records.info[zone];
		s32 old = tenant(c, zone, mark);
		bool is_under_way = mark % c->layout.kmsg_count == zone;

		if (i->state == ZONE_GOOD) {
			char *text = read_record(&b, zone);
			bool is_old = old >= 0 && strcmp(text, c->text[old]) == 0 &&
				      i->counter == (u32)old + 1;
			bool is_new = is_under_way && mark < c->count && strcmp(text, c->text[mark]) == 0 &&
				      i->counter == mark + 1;

			if (!is_old && !is_new)
				fail_msg("zone %u after %u: counter %u: %.60s", zone, mark, i->counter, text);
			free(text);
		} else if (!is_under_way) {
			assert_int_equal(old, -1);
			assert_int_equal(i->state, ZONE_ABSENT);
		} else {
			assert_true(i->state != ZONE_UNREADABLE);
		}
	}
	assert_true(b.records.panics >= mark || mark > c->layout.kmsg_count);

	panics = b.records.panics;
	assert_int_equal(blackbox_record(&b, PSTORE_REASON_PANIC, (struct blackbox_time){ 0 }, "again"), 0);
	assert_int_equal(blackbox_flush(&b), 0);
	assert_int_equal(blackbox_open(&b, &disk.device, &c->layout, c->memory), 0);
	assert_int_equal(b.records.panics, panics + 1);
	free(disk.writes);
}

static void cut_records(u32 zone, u32 zones, u32 count)
{
	struct crashes c = { .count = count };
	struct blackbox_sizes sizes = { .kmsg = zone };
	char why[BLACKBOX_WHY_SIZE], *line = malloc(zone);
	struct blackbox b;
	struct disk disk;
	u8 *start;

	assert_int_equal(layout_make(&c.layout, &sizes, zone * zones, why), 0);
	c.memory = disk_memory(blackbox_memory(&c.layout));
	disk_open(&disk, zone * zones);
	start = copy_of(&disk);
	disk.is_recording = true;
	assert_int_equal(blackbox_open(&b, &disk.device, &c.layout, c.memory), 0);
	for (u32 n = 0; n < count; n++) {
		u32 length = (n * 977 + 3) % (zone - 200);
		struct blackbox_time now = { 1000 + 250 * n, n };

		memset(line, 'A' + (int)n, length);
		line[length] = '\0';
		disk.mark = n;
		assert_int_equal(blackbox_record(&b, PSTORE_REASON_PANIC, now, line), 0);
		assert_int_equal(blackbox_flush(&b), 0);
		c.text[n] = read_record(&b, n % zones);
		assert_non_null(strchr(c.text[n], 'A' + (int)n));
	}
	try_all(&disk, start, check_records, &c);
	for (u32 n = 0; n < count; n++)
		free(c.text[n]);
	free(start);
	disk_close(&disk);
	free(c.memory);
	free(line);
}

static void records_going_round(void **state)
{
	(void)state;
	cut_records(4096, 3, RECORDS);
}

static void one_zone_for_records(void **state)
{
	(void)state;
	cut_records(4096, 1, 5);
}

static int count_cuts(void **state)
{
	(void)state;
	printf("%lu cuts\n", cuts);
	assert_true(cuts > 0);
	cuts = 0;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(lines_one_by_one, count_cuts),
		cmocka_unit_test_teardown(lines_over_what_was_there, count_cuts),
		cmocka_unit_test_teardown(lines_behind_those_of_linux, count_cuts),
		cmocka_unit_test_teardown(lines_across_64_kib, count_cuts),
		cmocka_unit_test_teardown(lines_longer_than_sectors, count_cuts),
		cmocka_unit_test_teardown(lines_in_batches, count_cuts),
		cmocka_unit_test_teardown(records_going_round, count_cuts),
		cmocka_unit_test_teardown(one_zone_for_records, count_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
