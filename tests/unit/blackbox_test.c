/* The black box as a whole: the log that it follows, refused writes, the order at the end, previous lives. */
#include "core/blackbox/blackbox.h"
#include "tests/model/blackbox_disk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define ZONE  8192u
#define KMSG  (2 * ZONE)
#define ZONES 3u
#define TOTAL (KMSG + ZONES * ZONE)

static struct disk disk;
static struct blackbox_layout layout;
static struct blackbox box;
static void *memory;

/* ---- A log ---- */

#define LOG_SIZE 16384u
static char log_bytes[LOG_SIZE];
static u32 log_size; /* at most LOG_SIZE */
static u64 log_end;

static u64 test_log_head(void)
{
	return log_end;
}

static size_t test_log_read(u64 *from, char *to, size_t size)
{
	size_t n = 0;

	if (log_end > log_size && *from < log_end - log_size)
		*from = log_end - log_size;
	while (n < size && *from + n < log_end) {
		to[n] = log_bytes[(*from + n) % log_size];
		n++;
	}
	return n;
}

static const struct blackbox_log test_log = { test_log_head, test_log_read };

static void say(const char *text)
{
	while (*text)
		log_bytes[log_end++ % log_size] = *text++;
}

/* ---- The rest of the scene ---- */

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
	memory = disk_memory(blackbox_memory(&layout));
	log_end = 0;
	log_size = LOG_SIZE;
	open_box();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk_close(&disk);
	free(memory);
	return 0;
}

static const char *says(const struct ring *r, bool old_only)
{
	static char text[ZONE];

	text[ring_read(r, old_only, 0, text, ZONE - 1)] = '\0';
	return text;
}

static const char *record_says(u32 n)
{
	static char text[ZONE];
	int bytes = records_read(&box.records, &disk.device, n, 0, text, ZONE - 1);

	assert_true(bytes >= 0);
	text[bytes] = '\0';
	return text;
}

static struct blackbox_time at(s64 seconds)
{
	return (struct blackbox_time){ seconds, 0 };
}

/* ---- The log ---- */

static void the_log_is_followed_across_lives(void **state)
{
	u64 written;

	(void)state;
	blackbox_follow(&box, &test_log, 0);
	say("one\ntwo\n");
	assert_true(blackbox_dirty(&box));
	assert_int_equal(blackbox_flush(&box), 0);
	assert_false(blackbox_dirty(&box));
	assert_string_equal(says(&box.console, false), "one\ntwo\n");
	written = blackbox_log_written(&box);
	assert_int_equal(written, 8);
	say("three\n");

	open_box();
	assert_string_equal(says(&box.console, true), "one\ntwo\n");
	blackbox_follow(&box, &test_log, written);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_string_equal(says(&box.console, false), "one\ntwo\nthree\n");
	assert_string_equal(says(&box.console, true), "one\ntwo\n");
}

/* The machine was off: the offsets of the log begin at 0 again. */
static void a_new_log_is_taken_from_its_beginning(void **state)
{
	(void)state;
	say("new\n");
	blackbox_follow(&box, &test_log, 1000000);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_string_equal(says(&box.console, false), "new\n");
}

static void what_the_log_lost_is_said(void **state)
{
	char line[64];
	unsigned long lost;
	const char *text;
	u32 next = 0;

	(void)state;
	log_size = 4096;
	blackbox_follow(&box, &test_log, 0);
	say("before\n");
	assert_int_equal(blackbox_flush(&box), 0);
	for (u32 n = 0; n < 1000; n++) {
		snprintf(line, sizeof(line), "line number %u\n", n);
		say(line);
	}
	assert_int_equal(blackbox_flush(&box), 0);
	assert_int_equal(blackbox_log_written(&box), log_end);
	text = says(&box.console, false);
	assert_int_equal(
		sscanf(text, "before\n[%lu bytes of the log are lost]\nline number %u\n", &lost, &next), 2);
	/* What is there and what is lost are all that was said. */
	snprintf(line, sizeof(line), "\nline number %u\n", next);
	assert_int_equal(7 + lost + strlen(strstr(text, line) + 1), log_end);
	assert_int_equal(box.log_lost, lost);
	for (; next < 1000; next++) {
		snprintf(line, sizeof(line), "\nline number %u\n", next);
		assert_non_null(strstr(text, line));
	}
}

static void every_line_arrives_if_the_log_does_not_wrap(void **state)
{
	char line[64], want[64];
	const char *got;
	u32 said = 0, seen = 0;

	(void)state;
	blackbox_follow(&box, &test_log, 0);
	while (said < 5000) {
		for (u32 k = 0; k < 1 + said % 90; k++) {
			snprintf(line, sizeof(line), "line number %u\n", said++);
			say(line);
		}
		disk.refuse = said % 3;
		blackbox_flush(&box);
		disk.refuse = 0;
		assert_int_equal(blackbox_flush(&box), 0);
		got = says(&box.console, false);
		/* The next line that has not been seen yet is there, whole, and so are all behind it. */
		for (; seen < said; seen++) {
			snprintf(want, sizeof(want), "line number %u\n", seen);
			got = strstr(got, want);
			if (!got)
				fail_msg("line %u of %u is missing", seen, said);
		}
	}
	assert_int_equal(box.log_lost, 0);
}

/* ---- Refused writes ---- */

static void a_ring_that_was_refused_is_dirty(void **state)
{
	(void)state;
	blackbox_follow(&box, &test_log, 0);
	say("log\n");
	ring_append(&box.pmsg, "pmsg\n", 5);
	/* The console's zone only; pmsg is written all the same. */
	disk.refuse = 1;
	disk.refuse_from = ZONE;
	disk.refuse_to = 2 * ZONE;
	assert_int_equal(blackbox_flush(&box), -EIO);
	assert_true(ring_dirty(&box.console));
	assert_false(ring_dirty(&box.pmsg));
	assert_int_equal(blackbox_log_written(&box), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_false(blackbox_dirty(&box));
	open_box();
	assert_string_equal(says(&box.console, true), "log\n");
	assert_string_equal(says(&box.pmsg, true), "pmsg\n");
}

/* At each write of a workload one refusal, then two, and so on: nothing is lost and nothing comes twice. */
static void refusals_anywhere(void **state)
{
	char want[ZONE], line[64];

	for (u32 refusals = 1; refusals < 4; refusals++) {
		for (u64 where = 1; where < 40; where++) {
			u32 total = 0;

			teardown(state);
			setup(state);
			for (u32 n = 0; n < 30; n++) {
				u32 bytes = (u32)snprintf(line, sizeof(line), "line %u ............\n", n);

				memcpy(want + total, line, bytes + 1);
				total += bytes;
				assert_int_equal(ring_append(&box.pmsg, line, bytes), 0);
				if (disk.write_calls >= where && !disk.refused)
					disk.refuse = refusals;
				for (u32 tries = 0; blackbox_flush(&box); tries++)
					assert_true(tries < refusals);
			}
			assert_int_equal(disk.refused, refusals);
			assert_string_equal(says(&box.pmsg, false), want);
			open_box();
			assert_int_equal(box.pmsg.state, ZONE_GOOD);
			assert_string_equal(says(&box.pmsg, false), want);
		}
	}
}

static void a_record_goes_to_the_next_zone(void **state)
{
	(void)state;
	disk.refuse = ~0u;
	disk.refuse_from = KMSG;
	disk.refuse_to = KMSG + ZONE;
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_OOPS, at(1), "a VM was stopped"), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	open_box();
	assert_int_equal(box.records.info[0].state, ZONE_ABSENT);
	assert_int_equal(box.records.info[1].counter, 1);
	assert_int_equal(box.records.next, 2);
}

static void a_record_waits_for_the_device(void **state)
{
	(void)state;
	disk.refuse = ~0u;
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_OOPS, at(1), "first"), 0);
	assert_int_equal(blackbox_flush(&box), -EIO);
	assert_true(disk.refused >= ZONES);
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_OOPS, at(2), "second"), -EBUSY);
	disk.refuse = 0;
	assert_int_equal(blackbox_flush(&box), 0);
	assert_string_equal(record_says(0), "Oops#1 Part1\n<0>first\n");
	/* A panic takes the place of what waits. */
	disk.refuse = ~0u;
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_OOPS, at(3), "third"), 0);
	assert_int_equal(blackbox_flush(&box), -EIO);
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, at(4), "end"), 0);
	disk.refuse = 0;
	assert_int_equal(blackbox_flush(&box), 0);
	assert_string_equal(record_says(1), "Panic#1 Part1\n<0>end\n");
}

/* A device that works on while others do their business: the disk aborts if it is asked for something else meanwhile. */
static void a_device_that_asks_for_patience(void **state)
{
	u32 tries = 0;
	int error;

	(void)state;
	disk.lateness = 3;
	blackbox_follow(&box, &test_log, 0);
	say("log\n");
	ring_append(&box.pmsg, "pmsg\n", 5);
	do {
		error = blackbox_flush(&box);
		/* What comes meanwhile waits. */
		if (tries % 5 == 0 && tries < 50)
			ring_append(&box.pmsg, "more\n", 5);
		if (tries % 7 == 0 && tries < 50)
			blackbox_record(&box, PSTORE_REASON_OOPS, at(1), "oops");
		tries++;
	} while (error == -EAGAIN && tries < 1000);
	assert_int_equal(error, 0);
	assert_true(tries > 50);
	assert_false(blackbox_dirty(&box));
	open_box();
	assert_string_equal(says(&box.pmsg, true),
			    "pmsg\nmore\nmore\nmore\nmore\nmore\nmore\nmore\nmore\nmore\nmore\n");
	assert_string_equal(says(&box.console, true), "log\n");
	assert_true(box.records.oopses >= 2);
}

/* ---- Records ---- */

static void a_record_has_the_end_of_the_log(void **state)
{
	char line[64];
	const char *text;

	(void)state;
	blackbox_follow(&box, &test_log, 0);
	say("<4>[    0.000001] has its level\n");
	say("[    0.000002] h0: has none\n");
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, at(1), "why"), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	assert_string_equal(record_says(0), "Panic#1 Part1\n<4>[    0.000001] has its level\n"
					    "<6>[    0.000002] h0: has none\n<0>why\n");

	for (u32 n = 0; n < 3000; n++) {
		snprintf(line, sizeof(line), "[    1.%06u] h0: %.*s\n", n, (int)(n % 30),
			 "..............................");
		say(line);
	}
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, at(2), "why"), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	text = record_says(1);
	assert_true(strlen(text) > ZONE - 200);
	assert_int_equal(strncmp(text, "Panic#2 Part1\n<6>[    1.00", 26), 0);
	assert_non_null(strstr(text, "<6>[    1.002999] h0: "));
	assert_string_equal(text + strlen(text) - 7, "<0>why\n");
	/* Whole lines only, each with its level. */
	for (const char *at_line = text; (at_line = strchr(at_line, '\n')) && at_line[1]; at_line++)
		assert_int_equal(at_line[1], '<');
}

static void a_long_reason_is_cut(void **state)
{
	static char why[2 * ZONE];

	(void)state;
	memset(why, 'w', sizeof(why) - 1);
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, at(1), why), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	open_box();
	assert_int_equal(box.records.info[0].state, ZONE_GOOD);
	assert_true(box.records.info[0].bytes <= ZONE - 52);
}

static void no_zones_for_records(void **state)
{
	struct blackbox_sizes sizes = { .pmsg = ZONE };
	char why[BLACKBOX_WHY_SIZE];

	(void)state;
	assert_int_equal(layout_make(&layout, &sizes, TOTAL, why), 0);
	open_box();
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, at(1), "why"), -ENODEV);
	assert_int_equal(blackbox_settle(&box), 0);
	assert_int_equal(ring_append(&box.pmsg, "x\n", 2), 0);
	assert_int_equal(blackbox_dying(&box, &disk.device, at(1), "why"), 0);
	assert_string_equal(says(&box.pmsg, false), "x\n");
}

/* ---- Dying ---- */

/* Zones in the order in which they are written. */
static void order_of_writes(char *order)
{
	u32 n = 0;

	for (u32 i = 0; i < disk.write_count; i++) {
		u32 place = disk.writes[i].sector * DISK_SECTOR / ZONE;
		char zone = place == 0 ? 'p' : place == 1 ? 'c' : 'k';

		if (!n || order[n - 1] != zone)
			order[n++] = zone;
	}
	order[n] = '\0';
}

static void everything_is_flushed_in_order(void **state)
{
	char order[64];

	(void)state;
	blackbox_follow(&box, &test_log, 0);
	say("last log\n");
	ring_append(&box.pmsg, "last pmsg\n", 10);
	assert_int_equal(blackbox_settle(&box), 0);
	disk.is_recording = true;
	assert_int_equal(blackbox_dying(&box, &disk.device, at(77), "end"), 0);
	order_of_writes(order);
	assert_string_equal(order, "kcp");
	open_box();
	assert_string_equal(record_says(0), "Panic#1 Part1\n<6>last log\n<0>end\n");
	assert_int_equal(box.records.info[0].time.seconds, 77);
	assert_string_equal(says(&box.console, true), "last log\n");
	assert_string_equal(says(&box.pmsg, true), "last pmsg\n");
}

/* A zone that fails does not keep the others from being written. */
static void dying_on_a_disk_with_a_bad_place(void **state)
{
	for (u32 bad = 0; bad < 2 + ZONES; bad++) {
		teardown(state);
		setup(state);
		blackbox_follow(&box, &test_log, 0);
		say("log\n");
		ring_append(&box.pmsg, "pmsg\n", 5);
		disk.refuse = ~0u;
		disk.refuse_from = bad * ZONE;
		disk.refuse_to = (bad + 1) * ZONE;
		blackbox_dying(&box, &disk.device, at(1), "end");
		open_box();
		assert_int_equal(box.records.panics, 1);
		assert_string_equal(says(&box.console, true), bad == 1 ? "" : "log\n");
		assert_string_equal(says(&box.pmsg, true), bad == 0 ? "" : "pmsg\n");
	}
}

static void an_oops_that_waited_is_written_too(void **state)
{
	(void)state;
	disk.refuse = ~0u;
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_OOPS, at(1), "oops"), 0);
	assert_int_equal(blackbox_flush(&box), -EIO);
	disk.refuse = 0;
	assert_int_equal(blackbox_dying(&box, &disk.device, at(2), "end"), 0);
	open_box();
	assert_int_equal(box.records.oopses, 1);
	assert_int_equal(box.records.panics, 1);
}

/* The hart that dies was in here, at any write; another device carries the last words. */
static void dying_in_the_middle_of_a_call(void **state)
{
	for (u32 lateness = 1; lateness < 30; lateness++) {
		struct disk polled;

		teardown(state);
		setup(state);
		blackbox_follow(&box, &test_log, 0);
		say("log\n");
		ring_append(&box.pmsg, "pmsg\n", 5);
		disk.lateness = 1;
		for (u32 n = 0; n < lateness; n++)
			blackbox_flush(&box);
		box.busy = lateness % 2;
		if (box.busy) {
			/* Another hart's stores: anything. */
			memset(&box.console, 0xa5, sizeof(box.console));
			memset(&box.records, 0x5a, sizeof(box.records));
			box.pmsg.start = 0xfffffff0;
			box.pmsg.zeros = 77;
			box.pmsg.chunk = 0x10000;
		}
		polled = disk;
		polled.device.owner = &polled;
		polled.lateness = 0;
		polled.late = 0;
		assert_int_equal(blackbox_dying(&box, &polled.device, at(5), "end"), 0);
		assert_int_equal(blackbox_open(&box, &polled.device, &layout, memory), 0);
		assert_non_null(strstr(record_says(0), "<6>log\n<0>end\n"));
		assert_non_null(strstr(says(&box.console, true), "log\n"));
		assert_non_null(strstr(says(&box.pmsg, true), "pmsg\n"));
	}
}

/* ---- Previous lives ---- */

static void old_lines_stay_until_the_ring_needs_the_room(void **state)
{
	char line[64];
	u32 old;

	(void)state;
	for (u32 n = 0; n < 100; n++) {
		snprintf(line, sizeof(line), "old line %u\n", n);
		ring_append(&box.pmsg, line, (u32)strlen(line));
		assert_int_equal(blackbox_flush(&box), 0);
	}
	open_box();
	assert_int_equal(blackbox_settle(&box), 0);
	assert_int_equal(disk.refused, 0);
	old = ring_bytes(&box.pmsg, true);
	assert_true(old > 1000);
	for (u32 n = 0; n < 1000; n++) {
		u32 left;

		snprintf(line, sizeof(line), "new line %u\n", n);
		ring_append(&box.pmsg, line, (u32)strlen(line));
		assert_int_equal(blackbox_flush(&box), 0);
		left = ring_bytes(&box.pmsg, true);
		assert_true(left <= old);
		if (ring_bytes(&box.pmsg, false) < ZONE - 12 - 2048)
			assert_int_equal(left, old);
		if (left)
			assert_null(strstr(says(&box.pmsg, true), "new"));
		old = left;
	}
	assert_int_equal(old, 0);
}

static void unusable_devices(void **state)
{
	struct blackbox_device d = disk.device;

	(void)state;
	d.sector = 1000;
	assert_int_equal(blackbox_open(&box, &d, &layout, memory), -EINVAL);
	d.sector = 8192;
	assert_int_equal(blackbox_open(&box, &d, &layout, memory), -EINVAL);
	d.sector = 512;
	d.bytes = TOTAL - 1;
	assert_int_equal(blackbox_open(&box, &d, &layout, memory), -EINVAL);
}

static void sectors_of_other_sizes(void **state)
{
	(void)state;
	for (u32 sector = 1024; sector <= 4096; sector *= 2) {
		disk.device.sector = sector;
		open_box();
		blackbox_follow(&box, &test_log, 0);
		say("log\n");
		ring_append(&box.pmsg, "pmsg\n", 5);
		assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, at(sector), NULL), 0);
		assert_int_equal(blackbox_flush(&box), 0);
	}
	open_box();
	assert_int_equal(box.records.panics, 3);
	assert_string_equal(says(&box.pmsg, true), "pmsg\npmsg\npmsg\n");
}

static void a_disk_that_cannot_be_read(void **state)
{
	(void)state;
	disk.reads_fail = true;
	open_box();
	assert_int_equal(box.pmsg.state, ZONE_UNREADABLE);
	assert_int_equal(box.records.info[1].state, ZONE_UNREADABLE);
	disk.reads_fail = false;
	ring_append(&box.pmsg, "x\n", 2);
	assert_int_equal(blackbox_record(&box, PSTORE_REASON_PANIC, at(1), "end"), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	open_box();
	assert_string_equal(says(&box.pmsg, true), "x\n");
	assert_int_equal(box.records.panics, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_log_is_followed_across_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_log_is_taken_from_its_beginning, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_log_lost_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(every_line_arrives_if_the_log_does_not_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ring_that_was_refused_is_dirty, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_goes_to_the_next_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_waits_for_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(a_device_that_asks_for_patience, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_has_the_end_of_the_log, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_reason_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(no_zones_for_records, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_is_flushed_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(dying_on_a_disk_with_a_bad_place, setup, teardown),
		cmocka_unit_test_setup_teardown(an_oops_that_waited_is_written_too, setup, teardown),
		cmocka_unit_test_setup_teardown(dying_in_the_middle_of_a_call, setup, teardown),
		cmocka_unit_test_setup_teardown(old_lines_stay_until_the_ring_needs_the_room, setup,
						teardown),
		cmocka_unit_test_setup_teardown(unusable_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(sectors_of_other_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_disk_that_cannot_be_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
