/*
 * The black box byte by byte. Images are put together here from offsets and numbers, with nothing of abi/pstore.h, and
 * what is written is compared with such images.
 */
#include "core/blackbox/blackbox.h"
#include "tests/model/blackbox_disk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define ZONE 4096u
#define ROOM 4084u
/* pmsg at 0, console at 4096, four kmsg zones from 8192 on */
#define KMSG(n) (8192u + (n)*4096u)
#define TOTAL	KMSG(4)

static struct disk disk;
static struct blackbox_layout layout;
static struct blackbox box;
static void *memory;

static void put32(u32 at, u32 value)
{
	for (unsigned n = 0; n < 4; n++)
		disk.bytes[at + n] = (u8)(value >> (8 * n));
}

static void put64(u32 at, u64 value)
{
	put32(at, (u32)value);
	put32(at + 4, (u32)(value >> 32));
}

static u32 get32(u32 at)
{
	u32 value = 0;

	for (unsigned n = 0; n < 4; n++)
		value |= (u32)disk.bytes[at + n] << (8 * n);
	return value;
}

static u64 get64(u32 at)
{
	return get32(at) | (u64)get32(at + 4) << 32;
}

static void put_text(u32 at, const char *text)
{
	memcpy(disk.bytes + at, text, strlen(text));
}

/* A record as Linux writes it. */
static void put_record(u32 n, u32 reason, u32 counter, u64 seconds, u64 nanoseconds, const char *text)
{
	u32 at = KMSG(n);

	put32(at, 0x43474244);
	put32(at + 4, 40 + (u32)strlen(text));
	put32(at + 8, 0);
	put32(at + 12, 0x4dfc3ae5);
	put64(at + 20, seconds);
	put64(at + 28, nanoseconds);
	disk.bytes[at + 36] = 0;
	put32(at + 40, counter);
	put32(at + 44, reason);
	put_text(at + 52, text);
}

static void open_box(void)
{
	assert_int_equal(blackbox_open(&box, &disk.device, &layout, memory), 0);
}

static int setup(void **state)
{
	struct blackbox_sizes sizes = { .pmsg = ZONE, .console = ZONE, .kmsg = ZONE };
	char why[BLACKBOX_WHY_SIZE];

	(void)state;
	disk_open(&disk, TOTAL);
	assert_int_equal(layout_make(&layout, &sizes, TOTAL, why), 0);
	assert_int_equal(layout.kmsg_count, 4);
	memory = disk_memory(blackbox_memory(&layout));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk_close(&disk);
	free(memory);
	return 0;
}

static void ring_says(const struct ring *r, const char *text)
{
	char got[ROOM + 1] = "";

	ring_read(r, false, 0, got, ROOM);
	assert_string_equal(got, text);
}

static void record_says(u32 n, const char *text)
{
	char got[ROOM + 1] = "";

	assert_int_equal(records_read(&box.records, &disk.device, n, 0, got, ROOM), strlen(text));
	assert_string_equal(got, text);
}

/* ---- Reading ---- */

static void an_empty_disk_has_nothing(void **state)
{
	(void)state;
	open_box();
	assert_int_equal(box.pmsg.state, ZONE_ABSENT);
	assert_int_equal(box.console.state, ZONE_ABSENT);
	for (u32 n = 0; n < 4; n++)
		assert_int_equal(box.records.info[n].state, ZONE_ABSENT);
	assert_int_equal(box.records.next, 0);
	assert_int_equal(disk.write_calls, 0);
}

static void everything_that_linux_wrote(void **state)
{
	(void)state;
	put32(0, 0x43474243);
	put32(4, 12);
	put32(8, 12);
	put_text(12, "hello pmsg\n\n");
	put32(4096, 0x43474246);
	put32(4100, 8);
	put32(4104, 8);
	put_text(4108, "console\n");
	put_record(0, 1, 7, 1700000000, 123456789, "Panic#7 Part1\n<0>out\n");
	put_record(1, 2, 3, 1700000001, 0, "Oops#3 Part1\n<4>ouch\n");
	open_box();
	assert_int_equal(box.pmsg.state, ZONE_GOOD);
	ring_says(&box.pmsg, "hello pmsg\n\n");
	ring_says(&box.console, "console\n");
	record_says(0, "Panic#7 Part1\n<0>out\n");
	record_says(1, "Oops#3 Part1\n<4>ouch\n");
	assert_int_equal(box.records.info[0].reason, 1);
	assert_int_equal(box.records.info[0].counter, 7);
	assert_int_equal(box.records.info[0].time.seconds, 1700000000);
	assert_int_equal(box.records.info[0].time.nanoseconds, 123456789);
	assert_int_equal(box.records.info[1].counter, 3);
	assert_int_equal(box.records.next, 2);
	assert_int_equal(box.records.panics, 7);
	assert_int_equal(box.records.oopses, 3);
	assert_int_equal(disk.write_calls, 0);
}

/* Wrapped: datalen is all of the zone, the oldest byte is at start. */
static void a_ring_that_has_wrapped(void **state)
{
	char want[ROOM + 1];

	(void)state;
	put32(0, 0x43474243);
	put32(4, ROOM);
	put32(8, 1000);
	for (u32 n = 0; n < ROOM; n++)
		want[n] = (char)('a' + n % 26);
	want[ROOM] = '\0';
	for (u32 n = 0; n < ROOM; n++)
		disk.bytes[12 + (1000 + n) % ROOM] = (u8)want[n];
	open_box();
	assert_int_equal(box.pmsg.state, ZONE_GOOD);
	ring_says(&box.pmsg, want);
	/* Linux writes start == datalen when a write has ended exactly there. */
	put32(8, ROOM);
	memcpy(disk.bytes + 12, want, ROOM);
	open_box();
	ring_says(&box.pmsg, want);
}

struct bad_field {
	u32 at, value;
	enum zone_state state;
	const char *why;
};

static void bad_fields_of_rings(void **state)
{
	static const struct bad_field bad[] = {
		{ 0, 0x43474242, ZONE_ABSENT, "signature" },
		{ 4, ROOM + 1, ZONE_BAD, "datalen beyond" },
		{ 4, 0xffffffff, ZONE_BAD, "datalen beyond" },
		{ 8, ROOM + 1, ZONE_BAD, "start beyond the zone" },
		{ 8, 0xffffffff, ZONE_BAD, "start beyond the zone" },
		{ 8, 13, ZONE_TORN, "start beyond datalen" },
		{ 8, 11, ZONE_TORN, "contradict" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(disk.bytes, 'z', ZONE);
		put32(0, 0x43474243);
		put32(4, 12);
		put32(8, 12);
		put_text(12, "hello pmsg\n\n");
		put32(4096, 0x43474246);
		put32(4100, 8);
		put32(4104, 8);
		put_text(4108, "console\n");
		put_record(0, 1, 7, 1700000000, 0, "Panic#7 Part1\n");
		put32(bad[i].at, bad[i].value);
		open_box();
		assert_int_equal(box.pmsg.state, bad[i].state);
		assert_non_null(strstr(box.pmsg.why, bad[i].why));
		/* It costs itself only, and is written as it should be. */
		ring_says(&box.console, "console\n");
		record_says(0, "Panic#7 Part1\n");
		assert_int_equal(ring_append(&box.pmsg, "again\n", 6), 0);
		assert_int_equal(blackbox_flush(&box), 0);
		open_box();
		assert_int_equal(box.pmsg.state, ZONE_GOOD);
		assert_true(get32(8) <= get32(4) && get32(4) <= ROOM);
	}
}

static void bad_fields_of_records(void **state)
{
	static const struct bad_field bad[] = {
		{ 0, 0x43474243, ZONE_ABSENT, NULL },  { 4, 39, ZONE_BAD, "datalen below" },
		{ 4, 1, ZONE_BAD, "datalen below" },   { 4, ROOM + 1, ZONE_BAD, "datalen beyond" },
		{ 8, 1000, ZONE_BAD, "start" },	       { 8, 0xffffffff, ZONE_BAD, "start" },
		{ 12, 0x4dfc3ae4, ZONE_BAD, "magic" }, { 24, 0x80000000, ZONE_BAD, "time" },
		{ 24, 0x00010000, ZONE_BAD, "time" },  { 28, 1000000000, ZONE_BAD, "time" },
		{ 32, 0x80000000, ZONE_BAD, "time" },  { 36, 2, ZONE_BAD, "compressed" },
		{ 44, 0, ZONE_BAD, "reason" },	       { 44, 5, ZONE_BAD, "reason" },
		{ 4, 40, ZONE_TORN, "goes on" },       { 4, 45, ZONE_TORN, "goes on" },
		{ 4, 100, ZONE_TORN, "ends before" },  { 4, 0, ZONE_ERASED, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(disk.bytes, 0, TOTAL);
		put_record(0, 1, 7, 1700000000, 0, "Panic#7 Part1\n");
		put_record(1, 1, 9, 1700000500, 0, "Panic#9 Part1\n");
		put32(KMSG(1) + bad[i].at, bad[i].value);
		open_box();
		assert_int_equal(box.records.info[1].state, bad[i].state);
		if (bad[i].why)
			assert_non_null(strstr(box.records.info[1].why, bad[i].why));
		record_says(0, "Panic#7 Part1\n");
		/* What is bad says nothing about counters and places. */
		if (bad[i].state == ZONE_BAD || bad[i].state == ZONE_ABSENT) {
			assert_int_equal(box.records.panics, 7);
			assert_int_equal(box.records.next, 1);
		} else {
			assert_int_equal(box.records.panics, 9);
			assert_int_equal(box.records.next, 2);
		}
	}
}

static void counters_and_places_follow_erased_records_too(void **state)
{
	(void)state;
	put_record(0, 1, 5, 100, 0, "Panic#5 Part1\n");
	put_record(1, 1, 6, 200, 0, "Panic#6 Part1\n");
	put_record(2, 2, 40, 150, 0, "Oops#40 Part1\n");
	put32(KMSG(1) + 4, 0);
	put32(KMSG(2) + 4, 0);
	open_box();
	assert_int_equal(box.records.info[1].state, ZONE_ERASED);
	assert_int_equal(box.records.panics, 6);
	assert_int_equal(box.records.oopses, 40);
	assert_int_equal(box.records.next, 2);
}

static void of_equal_times_the_last_is_the_newest(void **state)
{
	(void)state;
	for (u32 n = 0; n < 3; n++)
		put_record(n, 2, n + 1, 100, 7, "Oops\n");
	open_box();
	assert_int_equal(box.records.next, 3);
	put_record(1, 2, 2, 100, 8, "Oops\n");
	open_box();
	assert_int_equal(box.records.next, 2);
}

/* ---- Writing ---- */

static void a_ring_is_written_as_linux_does(void **state)
{
	(void)state;
	open_box();
	assert_int_equal(ring_append(&box.pmsg, "first\n", 6), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_int_equal(ring_append(&box.pmsg, "second\n", 7), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_int_equal(get32(0), 0x43474243);
	assert_int_equal(get32(4), 13);
	assert_int_equal(get32(8), 13);
	assert_memory_equal(disk.bytes + 12, "first\nsecond\n\0", 14);
	/* Nothing else was touched. */
	for (u32 at = ZONE; at < TOTAL; at++)
		assert_int_equal(disk.bytes[at], 0);
}

/* Header and data after each line of a ring that goes round several times. */
static void going_round(void **state)
{
	u32 total = 0, lines = 0;
	char line[64];

	(void)state;
	open_box();
	for (; total < 4 * ROOM; lines++) {
		u32 bytes = (u32)snprintf(line, sizeof(line), "line %u%.*s\n", lines, (int)(lines % 40),
					  "........................................");

		assert_int_equal(ring_append(&box.pmsg, line, bytes), 0);
		assert_int_equal(blackbox_flush(&box), 0);
		total += bytes;
		if (total <= ROOM) {
			assert_int_equal(get32(4), total);
			assert_int_equal(get32(8), total);
		} else {
			assert_int_equal(get32(4), ROOM);
			assert_int_equal(get32(8), (total - 1) % ROOM + 1);
		}
		for (u32 n = 1; n <= bytes && n <= total; n++)
			assert_int_equal(disk.bytes[12 + (total - n) % ROOM], line[bytes - n]);
	}
}

static void a_write_that_ends_with_the_zone(void **state)
{
	static char text[ROOM];

	(void)state;
	memset(text, 't', sizeof(text));
	open_box();
	for (u32 n = 0; n < 4; n++) {
		assert_int_equal(ring_append(&box.pmsg, text, ROOM / 4), 0);
		assert_int_equal(blackbox_flush(&box), 0);
	}
	assert_int_equal(get32(4), ROOM);
	assert_int_equal(get32(8), ROOM);
	assert_int_equal(disk.bytes[ZONE - 1], 't');
	open_box();
	assert_int_equal(box.pmsg.state, ZONE_GOOD);
	assert_int_equal(ring_append(&box.pmsg, "x\n", 2), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_int_equal(get32(4), ROOM);
	assert_int_equal(get32(8), 2);
	assert_memory_equal(disk.bytes + 12, "x\n\0", 3);
}

/* More than the zone holds keeps its last bytes. */
static void more_than_the_zone(void **state)
{
	static char text[2 * ROOM];
	char got[ROOM];
	u32 bytes;

	(void)state;
	for (u32 n = 0; n < sizeof(text); n++)
		text[n] = (char)('a' + n % 23);
	open_box();
	assert_int_equal(ring_append(&box.pmsg, text, RING_PENDING + 1), -E2BIG);
	assert_int_equal(ring_append(&box.pmsg, text, sizeof(text)), 0);
	assert_int_equal(ring_append(&box.pmsg, text, RING_PENDING), -EAGAIN);
	assert_int_equal(blackbox_flush(&box), 0);
	bytes = ring_read(&box.pmsg, false, 0, got, ROOM);
	assert_true(bytes > ROOM - 1600);
	assert_memory_equal(got, text + sizeof(text) - bytes, bytes);
}

static void a_record_is_written_as_linux_does(void **state)
{
	const char *text = "Panic#1 Part1\n<0>the reason\n";

	(void)state;
	open_box();
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, (struct blackbox_time){ 1700000000, 5 },
					 "the reason"),
			 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_int_equal(get32(KMSG(0)), 0x43474244);
	assert_int_equal(get32(KMSG(0) + 4), 40 + strlen(text));
	assert_int_equal(get32(KMSG(0) + 8), 0);
	assert_int_equal(get32(KMSG(0) + 12), 0x4dfc3ae5);
	assert_int_equal(get64(KMSG(0) + 20), 1700000000);
	assert_int_equal(get64(KMSG(0) + 28), 5);
	assert_int_equal(disk.bytes[KMSG(0) + 36], 0);
	assert_int_equal(get32(KMSG(0) + 40), 1);
	assert_int_equal(get32(KMSG(0) + 44), 1);
	assert_memory_equal(disk.bytes + KMSG(0) + 52, text, strlen(text) + 1);
	assert_int_equal(
		blackbox_record(&box, PSTORE_REASON_OOPS, (struct blackbox_time){ 1700000009, 0 }, "vm"), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_memory_equal(disk.bytes + KMSG(1) + 52, "Oops#1 Part1\n<0>vm\n", 20);
	assert_int_equal(get32(KMSG(1) + 40), 1);
	assert_int_equal(get32(KMSG(1) + 44), 2);
}

/* Lengths whose low byte is from 1 to 39 are filled up with newlines. */
static void no_half_of_a_length_is_short(void **state)
{
	char why[600];

	(void)state;
	for (u32 bytes = 1; bytes < sizeof(why); bytes++) {
		memset(why, 'w', bytes);
		why[bytes] = '\0';
		open_box();
		assert_int_equal(blackbox_record(&box, PSTORE_REASON_SHUTDOWN,
						 (struct blackbox_time){ bytes, 0 }, why),
				 0);
		assert_int_equal(blackbox_flush(&box), 0);
		assert_true(!(disk.bytes[KMSG((bytes - 1) % 4) + 4]) ||
			    disk.bytes[KMSG((bytes - 1) % 4) + 4] >= 40);
	}
}

static void records_go_round_and_time_goes_on(void **state)
{
	(void)state;
	for (u32 n = 0; n < 11; n++) {
		/* The machine has no clock, and each life begins at 0. */
		open_box();
		assert_int_equal(box.records.next, n % 4);
		assert_int_equal(
			blackbox_record(&box, PSTORE_REASON_PANIC, (struct blackbox_time){ 0, 0 }, NULL), 0);
		assert_int_equal(blackbox_flush(&box), 0);
		assert_int_equal(get32(KMSG(n % 4) + 40), n + 1);
		assert_int_equal(get64(KMSG(n % 4) + 28), n);
	}
}

static void a_counter_at_its_end_stays_there(void **state)
{
	(void)state;
	put_record(0, 1, 0xffffffff, 100, 999999999, "Panic\n");
	open_box();
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, (struct blackbox_time){ 0, 0 }, NULL), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_int_equal(get32(KMSG(1) + 40), 0xffffffff);
	assert_int_equal(get64(KMSG(1) + 20), 101);
	assert_int_equal(get64(KMSG(1) + 28), 0);
}

static void erasing_keeps_what_counts(void **state)
{
	(void)state;
	put_record(1, 1, 6, 200, 0, "Panic#6 Part1\n");
	put32(4096, 0x43474246);
	put32(4100, 8);
	put32(4104, 8);
	put_text(4108, "console\n");
	open_box();
	assert_int_equal(records_erase(&box.records, &disk.device, 1), 0);
	assert_int_equal(records_erase(&box.records, &disk.device, 0), -ENOENT);
	assert_int_equal(ring_erase(&box.console, &disk.device), 0);
	assert_int_equal(get32(KMSG(1)), 0x43474244);
	assert_int_equal(get32(KMSG(1) + 4), 0);
	assert_int_equal(get32(KMSG(1) + 12), 0x4dfc3ae5);
	assert_int_equal(get32(KMSG(1) + 40), 6);
	assert_int_equal(get32(4096), 0x43474246);
	assert_int_equal(get32(4100), 0);
	assert_int_equal(get32(4104), 0);
	open_box();
	assert_int_equal(box.records.panics, 6);
	assert_int_equal(box.records.next, 2);
	assert_int_equal(box.console.state, ZONE_ERASED);
	/* What was erased does not come back behind new text. */
	assert_int_equal(ring_append(&box.console, "a\n", 2), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_memory_equal(disk.bytes + 4108, "a\n\0\0\0\0\0\0", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_disk_has_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_that_linux_wrote, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ring_that_has_wrapped, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_fields_of_rings, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_fields_of_records, setup, teardown),
		cmocka_unit_test_setup_teardown(counters_and_places_follow_erased_records_too, setup,
						teardown),
		cmocka_unit_test_setup_teardown(of_equal_times_the_last_is_the_newest, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ring_is_written_as_linux_does, setup, teardown),
		cmocka_unit_test_setup_teardown(going_round, setup, teardown),
		cmocka_unit_test_setup_teardown(a_write_that_ends_with_the_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_the_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_is_written_as_linux_does, setup, teardown),
		cmocka_unit_test_setup_teardown(no_half_of_a_length_is_short, setup, teardown),
		cmocka_unit_test_setup_teardown(records_go_round_and_time_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_counter_at_its_end_stays_there, setup, teardown),
		cmocka_unit_test_setup_teardown(erasing_keeps_what_counts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
