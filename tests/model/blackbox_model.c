/*
 * A black box against a simple model: random lines, records, erasures, refused writes, ends of lives and cut power on one
 * side; on the other all text that a ring was ever given, and for each zone the record that it must hold.
 *
 * After every life: a ring holds the end of what was written, all of it but for what it had no room for; of lines that
 * were not acknowledged it may hold a beginning, and says so; every record is there as it was written, with its counter,
 * in its place. The seed is printed; BLACKBOX_SEED repeats a run, BLACKBOX_ROUNDS makes it longer.
 */
#include "core/blackbox/blackbox.h"
#include "tests/model/blackbox_disk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#define ZONE  8192u
#define ZONES 5u
#define TOTAL (2 * ZONE + ZONES * ZONE)
#define ROOM  (ZONE - 12)
/* What a ring may have given up for lines under way and for the rest of their sector. */
#define GIVEN_UP (ROOM / 4 + 2 * 513)

static u64 seed;
static struct disk disk;
static struct blackbox_layout layout;
static struct blackbox box;
static void *memory;

static u32 next_random(u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 16) % below);
}

/* ---- The model ---- */

struct model_ring {
	char *text; /* all that was appended since it was erased */
	u32 bytes, room;
	u32 written; /* of them acknowledged by a flush */
};

struct model_record {
	bool exists;
	u32 reason, counter, serial;
	char why[64];
};

static struct model_ring rings[2];
static struct model_record records[ZONES];
static u32 next_zone, panics, oopses, serial;

static void model_append(struct model_ring *m, const char *text, u32 bytes)
{
	if (m->bytes + bytes > m->room) {
		m->room = (m->bytes + bytes) * 2;
		m->text = realloc(m->text, m->room);
	}
	memcpy(m->text + m->bytes, text, bytes);
	m->bytes += bytes;
}

static struct ring *ring_of(unsigned which)
{
	return which ? &box.console : &box.pmsg;
}

static void acknowledge(void)
{
	rings[0].written = rings[0].bytes;
	rings[1].written = rings[1].bytes;
}

/* ---- Checks ---- */

/* Text of the ring against the model; returns the bytes of the model's text that turn out to be there. */
static u32 check_ring(unsigned which)
{
	static char got[ZONE];
	struct model_ring *m = &rings[which];
	struct ring *r = ring_of(which);
	u32 bytes = ring_read(r, false, 0, got, sizeof(got)), end = m->written;

	while (end <= m->bytes && bytes && (bytes > end || memcmp(got, m->text + end - bytes, bytes) != 0))
		end++;
	if (end > m->bytes)
		fail_msg("ring %u has not the end of what was written: %u bytes of %u to %u", which, bytes,
			 m->written, m->bytes);
	if (bytes < (end < ROOM - GIVEN_UP ? end : ROOM - GIVEN_UP))
		fail_msg("ring %u: only %u bytes of %u; %s, %s", which, bytes, end, zone_state_name(r->state),
			 r->why ? r->why : "no problem");
	if (end != m->written && bytes && got[bytes - 1] != '\n')
		assert_int_equal(r->state, ZONE_TORN);
	return end;
}

static void check_records(void)
{
	for (u32 zone = 0; zone < ZONES; zone++) {
		const struct record_info *i = &box.records.info[zone];
		char text[ZONE], want[128];
		int bytes;

		if (!records[zone].exists) {
			assert_true(i->state != ZONE_GOOD);
			continue;
		}
		assert_int_equal(i->state, ZONE_GOOD);
		assert_int_equal(i->reason, records[zone].reason);
		assert_int_equal(i->counter, records[zone].counter);
		bytes = records_read(&box.records, &disk.device, zone, 0, text, ZONE - 1);
		assert_true(bytes > 0);
		text[bytes] = '\0';
		snprintf(want, sizeof(want), "<0>%s\n", records[zone].why);
		assert_non_null(strstr(text, want));
	}
}

/* The highest counter that any zone has, erased ones included: there is no other place for it. */
static u32 highest(u32 reason)
{
	u32 counter = 0;

	for (u32 zone = 0; zone < ZONES; zone++)
		if (records[zone].reason == reason && records[zone].counter > counter)
			counter = records[zone].counter;
	return counter;
}

/* ---- Operations ---- */

static void open_box(void)
{
	u64 writes = disk.write_calls;

	disk.refuse = 0;
	disk.device.sector = 512u << next_random(2);
	assert_int_equal(blackbox_open(&box, &disk.device, &layout, memory), 0);
	assert_int_equal(disk.write_calls, writes);
	panics = highest(PSTORE_REASON_PANIC);
	oopses = highest(PSTORE_REASON_OOPS);
	assert_int_equal(box.records.panics, panics);
	assert_int_equal(box.records.oopses, oopses);
	/* What was not acknowledged and is not there will never be. */
	for (unsigned n = 0; n < 2; n++)
		rings[n].bytes = rings[n].written = check_ring(n);
	if (next_random(2))
		assert_int_equal(blackbox_settle(&box), 0);
}

static void append(void)
{
	unsigned which = next_random(2);
	u32 length = next_random(10) ? next_random(120) : next_random(ROOM / 4);
	char line[ROOM / 4 + 16];
	u32 bytes = (u32)snprintf(line, sizeof(line), "%u ", serial++);

	for (; bytes < length; bytes++)
		line[bytes] = (char)('a' + (serial + bytes) % 26);
	line[bytes++] = '\n';
	if (!ring_append(ring_of(which), line, bytes))
		model_append(&rings[which], line, bytes);
}

static void flush(void)
{
	bool is_refused = next_random(3) == 0;

	disk.refuse = is_refused ? 1 + next_random(3) : 0;
	disk.refuse_to = 0;
	for (u32 tries = 0; blackbox_flush(&box); tries++)
		assert_true(is_refused && tries < 4);
	disk.refuse = 0;
	acknowledge();
	assert_false(blackbox_dirty(&box));
}

/* A record on a disk that takes everything but perhaps one zone. */
static void make_record(void)
{
	u32 reason = 1 + next_random(4), bad = next_random(8);
	struct blackbox_time now = { next_random(2) ? 0 : (s64)serial, 0 };
	char why[64];
	u32 zone;

	flush();
	snprintf(why, sizeof(why), "record %u", serial++);
	if (bad < ZONES) {
		disk.refuse = ~0u;
		disk.refuse_from = layout.kmsg_at + bad * ZONE;
		disk.refuse_to = disk.refuse_from + ZONE;
	}
	assert_int_equal(blackbox_record(&box, reason, now, why), 0);
	assert_int_equal(blackbox_flush(&box), 0);
	disk.refuse = 0;
	zone = next_zone == bad ? (next_zone + 1) % ZONES : next_zone;
	next_zone = (zone + 1) % ZONES;
	records[zone] = (struct model_record){ .exists = true, .reason = reason };
	if (reason == PSTORE_REASON_PANIC)
		records[zone].counter = ++panics;
	if (reason == PSTORE_REASON_OOPS)
		records[zone].counter = ++oopses;
	memcpy(records[zone].why, why, sizeof(why));
	acknowledge();
}

static void erase_something(void)
{
	u32 zone = next_random(ZONES + 2);

	flush();
	if (zone < ZONES) {
		if (records[zone].exists)
			assert_int_equal(records_erase(&box.records, &disk.device, zone), 0);
		records[zone].exists = false;
	} else {
		assert_int_equal(ring_erase(ring_of(zone - ZONES), &disk.device), 0);
		rings[zone - ZONES].bytes = rings[zone - ZONES].written = 0;
	}
}

/* From some write on the disk takes nothing any more, and then the machine is gone. */
static void cut_power(void)
{
	for (u32 n = next_random(20); n > 0; n--)
		append();
	disk.refuse_to = 0;
	if (next_random(2)) {
		/* A few writes still go through: those of pmsg are behind those of the console. */
		disk.refuse = ~0u;
		disk.refuse_from = next_random(2) * ZONE + next_random(8) * 512;
		disk.refuse_to = disk.refuse_from + next_random(ZONE);
	} else {
		disk.refuse = ~0u;
	}
	blackbox_flush(&box);
	open_box();
}

/* Ends with an heir, without one, and in the middle of things. */
static void end_life(void)
{
	if (next_random(2)) {
		u32 zone = next_zone;

		assert_int_equal(blackbox_dying(&box, &disk.device, (struct blackbox_time){ 0 }, "dying"), 0);
		acknowledge();
		records[zone] = (struct model_record){ true, PSTORE_REASON_PANIC, ++panics, 0, "dying" };
		next_zone = (zone + 1) % ZONES;
	}
	open_box();
	check_records();
}

static void random_lives(void **state)
{
	const char *given = getenv("BLACKBOX_SEED"), *rounds = getenv("BLACKBOX_ROUNDS");
	struct blackbox_sizes sizes = { .pmsg = ZONE, .console = ZONE, .kmsg = ZONE };
	char why[BLACKBOX_WHY_SIZE];
	u64 n = rounds ? strtoull(rounds, NULL, 0) : 60000;

	(void)state;
	seed = given ? strtoull(given, NULL, 0) : (u64)time(NULL) * 0x9e3779b97f4a7c15ull | 1;
	printf("BLACKBOX_SEED=%llu\n", (unsigned long long)seed);
	disk_open(&disk, TOTAL);
	assert_int_equal(layout_make(&layout, &sizes, TOTAL, why), 0);
	memory = disk_memory(blackbox_memory(&layout));
	open_box();
	while (n--) {
		switch (next_random(40)) {
		case 0:
		case 1:
			make_record();
			break;
		case 2:
			erase_something();
			break;
		case 3:
			cut_power();
			break;
		case 4:
			end_life();
			break;
		case 5:
		case 6:
		case 7:
		case 8:
		case 9:
			flush();
			break;
		default:
			append();
			break;
		}
	}
	flush();
	open_box();
	check_records();
	free(rings[0].text);
	free(rings[1].text);
	free(memory);
	disk_close(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
