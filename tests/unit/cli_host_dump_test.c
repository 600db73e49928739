/*
 * Vmcores of the host: written by heirs to a disk that is slow, full, broken, foreign, or loses power; read as the command
 * does. timeout: 240 s
 */
#include "cli/dump_region.h"
#include "core/control/control.h"
#include "core/devices/backend.h"
#include "core/dump/host_dump.h"
#include "core/dump/region.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/memory/pages.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define UNIT	  2
#define DISK_MAX  MIB(64)
#define CACHE_MAX 512
#define SECOND	  10000000ull

/* ---- The disk: what it has, and a cache that loses power ---- */

struct cached {
	u64 at;
	u32 bytes;
	u8 *data;
};

HOST_KEEP static u8 *platters;
HOST_KEEP static u64 disk_size;
HOST_KEEP static struct cached cache[CACHE_MAX];
HOST_KEEP static unsigned cache_count;
HOST_KEEP static unsigned writes;	       /* so far */
HOST_KEEP static unsigned events, power_until; /* writes and flushes; power goes away at this one; 0: stays */
HOST_KEEP static u64 random_state;

/* Of the life. */
static struct blk_request *pending[64];
static unsigned pending_count;
static unsigned refuse_from; /* writes fail from this one on; 0: none */
static bool reads_fail, is_silent, is_full;

static u32 random_number(u32 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(random_state >> 33) % below;
}

static void cache_apply(bool all)
{
	for (unsigned n = 0; n < cache_count; n++) {
		if (all || random_number(2))
			memcpy(platters + cache[n].at, cache[n].data, cache[n].bytes);
		free(cache[n].data);
	}
	cache_count = 0;
}

static bool has_power(void)
{
	return !power_until || events < power_until;
}

static void disk_write(u64 at, const void *from, u32 bytes)
{
	struct cached *c = &cache[cache_count];

	if (!has_power())
		return;
	writes++;
	if (++events == power_until) {
		cache_apply(false);
		return;
	}
	assert_true(cache_count < CACHE_MAX);
	*c = (struct cached){ at, bytes, malloc(bytes) };
	memcpy(c->data, from, bytes);
	cache_count++;
}

static void disk_read(u64 at, void *to, u32 bytes)
{
	memcpy(to, platters + at, bytes);
	for (unsigned n = 0; n < cache_count; n++) {
		for (u32 i = 0; i < cache[n].bytes; i++) {
			if (cache[n].at + i >= at && cache[n].at + i < at + bytes)
				((u8 *)to)[cache[n].at + i - at] = cache[n].data[i];
		}
	}
}

static int serve(const struct blk_request *r)
{
	u64 at = r->sector * BLK_SECTOR;
	u8 *memory = (u8 *)(uintptr_t)r->segment[0].at.a;
	u32 bytes = r->segment[0].bytes;

	if (r->op == BLK_FLUSH) {
		if (has_power())
			cache_apply(++events != power_until);
		return 0;
	}
	assert_int_equal(r->segments, 1);
	assert_true(bytes && bytes % BLK_SECTOR == 0 && at + bytes <= disk_size);
	if (r->op == BLK_READ) {
		disk_read(at, memory, bytes);
		return reads_fail ? -EIO : 0;
	}
	if (refuse_from && writes + 1 >= refuse_from) {
		writes++;
		return -EIO;
	}
	disk_write(at, memory, bytes);
	return 0;
}

static int submit(struct blk_backend *b, struct blk_request *r)
{
	(void)b;
	if (is_full)
		return -EAGAIN;
	assert_true(pending_count < ARRAY_SIZE(pending));
	pending[pending_count++] = r;
	return 0;
}

/* Answers in another order than it was asked. */
static void disk_poll(void)
{
	while (pending_count && !is_silent) {
		struct blk_request *r = pending[--pending_count];

		r->done(r, serve(r));
	}
}

static struct blk_backend disk = { .submit = submit };

/* ---- Lives ---- */

static void attach(void)
{
	disk.sectors = disk_size / BLK_SECTOR;
	blk_backends[UNIT] = &disk;
	strcpy(control_build, "00112233445566778899aabb");
	host_dump_init();
}

static void work(void)
{
	for (unsigned n = 0; n < 100000 && host_dump_next() != ~0ull; n++) {
		host_dump_work(true);
		host->now += 10;
		disk_poll();
	}
	assert_true(host_dump_next() == ~0ull);
	assert_int_equal(pending_count, 0);
}

static void start(u64 bytes, u32 keep)
{
	if (!platters)
		platters = malloc(DISK_MAX);
	memset(platters, 0, DISK_MAX);
	disk_size = bytes;
	cache_apply(false);
	writes = events = power_until = 0;
	random_state = 1;
	fixture_start();
	estate.machine.evidence.dump_disk = 1 + UNIT;
	estate.machine.evidence.dump_keep = keep;
	estate_machine_write();
	attach();
}

/* Something to dump, of which only a part compresses. */
static void scribble(u64 random_bytes)
{
	u8 *slot = (u8 *)(uintptr_t)host_slot(fixture_life);

	for (u64 i = 0; i < random_bytes; i++)
		slot[MIB(3) + i] = (u8)random_number(256);
	for (u64 i = 0; i < KIB(200); i++)
		slot[MIB(5) + i] = (u8) "the hypervisor "[i % 15];
	slot[LAYOUT_SLOT_SIZE - 1] = 1;
}

static void die(enum life_cause cause, const char *text)
{
	fixture_die(cause, text);
	fixture_heir();
	attach();
}

/* ---- The reader ---- */

static int read_platters(void *owner, u64 at, void *to, size_t bytes)
{
	(void)owner;
	if (at > disk_size || bytes > disk_size - at)
		return -EIO;
	memcpy(to, platters + at, bytes);
	return 0;
}

static struct dump_region_view view;

static void open_region(void)
{
	const struct region_source source = { .read = read_platters, .bytes = disk_size };

	assert_int_equal(dump_region_open(&view, &source), 0);
}

/* The slot of dump `number`, or NULL if its head does not check. */
static const struct dump_slot *slot_of(u64 number)
{
	const struct dump_slot *s = &view.slots[number % view.count];

	return s->state == DUMP_SLOT_GOOD && s->head.number == number ? s : NULL;
}

static bool is_whole(u64 number)
{
	struct dump_life life;
	bool whole;

	assert_int_equal(dump_life_read(&view, slot_of(number), &life), 0);
	whole = life.is_whole && !life.parts[0].missing && !life.parts[1].missing && life.crash;
	dump_life_free(&life);
	return whole;
}

/* ---- Tests ---- */

static void a_life_is_dumped(void **state)
{
	const struct dump_slot *s;
	struct dump_life life;
	u64 dead, pages;
	u8 *before = malloc(LAYOUT_SLOT_SIZE);

	(void)state;
	start(MIB(32), 2);
	work();
	assert_non_null(strstr(fixture_log(), "dumps: the last 2, of at most 16380 KiB each"));
	open_region();
	assert_null(slot_of(1));
	scribble(KIB(300));
	dead = host_slot(1);
	memcpy(before, (void *)(uintptr_t)dead, LAYOUT_SLOT_SIZE);
	die(LIFE_TRAP, "it broke");
	pages = pages_free();
	work();
	assert_true(pages_free() >= pages - 4);
	assert_non_null(strstr(fixture_log(), "dump 1 of life 1 begins"));
	assert_non_null(strstr(fixture_log(), "dump 1 of life 1 is complete: "));

	open_region();
	s = slot_of(1);
	assert_non_null(s);
	assert_int_equal(s->head.state, DUMP_COMPLETE);
	assert_int_equal(s->head.life, 1);
	assert_int_equal(s->head.cause, LIFE_TRAP);
	assert_int_equal(s->head.crash_hart, 1);
	assert_int_equal(s->head.hart_count, 4);
	assert_int_equal(s->head.slot_base, dead);
	assert_int_equal(s->head.estate_base, estate.base);
	assert_string_equal(s->head.text, "it broke");
	assert_string_equal(s->head.build, "00112233445566778899aabb");
	assert_true(s->head.t_fault < s->head.t_begun && s->head.t_begun < s->head.t_ended);
	assert_true(s->head.bytes > KIB(300) && s->head.bytes < KIB(400));
	assert_true(s->head.raw_bytes > LAYOUT_SLOT_SIZE + estate.size);
	assert_int_equal(dump_life_read(&view, s, &life), 0);
	assert_true(life.is_whole);
	assert_memory_equal(life.parts[DUMP_PART_SLOT].bytes, before, LAYOUT_SLOT_SIZE);
	assert_memory_equal(life.parts[DUMP_PART_ESTATE].bytes + estate.header.crashes + CRASH_RECORD_STRIDE,
			    estate.crashes + CRASH_RECORD_STRIDE, KIB(4));
	assert_non_null(life.crash);
	assert_string_equal(life.crash->text, "it broke");
	dump_life_free(&life);
	free(before);

	/* The ring: three more, of which the last two stay. */
	for (u64 n = 2; n < 5; n++) {
		die(LIFE_PANIC, "again");
		work();
		open_region();
		assert_true(is_whole(n) && is_whole(n - 1));
		assert_null(slot_of(n - 2));
		assert_int_equal(slot_of(n)->head.life, n);
	}
}

/* The machine is switched off, and on: a new estate, the same disk. */
static void numbers_go_on(void **state)
{
	(void)state;
	start(MIB(32), 2);
	work();
	die(LIFE_PANIC, "one");
	work();
	fixture_start();
	estate.machine.evidence.dump_disk = 1 + UNIT;
	estate.machine.evidence.dump_keep = 3; /* the region keeps what it was made for */
	estate_machine_write();
	attach();
	work();
	die(LIFE_PANIC, "two");
	work();
	open_region();
	assert_int_equal(view.count, 2);
	assert_true(is_whole(1) && is_whole(2));
	assert_string_equal(slot_of(2)->head.text, "two");
}

static void ends_on_purpose_are_not_dumped(void **state)
{
	(void)state;
	start(MIB(32), 2);
	work();
	writes = 0;
	die(LIFE_UPDATE, "");
	work();
	die(LIFE_POWEROFF, "");
	work();
	assert_int_equal(writes, 0);
}

/* A hart with a guest works only if it began the life, and rests; an idle one works at once. */
static void guests_come_first(void **state)
{
	unsigned steps = 0;
	u64 worked = 0, begun;

	(void)state;
	start(MIB(32), 2);
	work();
	scribble(KIB(300));
	die(LIFE_PANIC, "x");
	host_be_hart(1);
	assert_true(host_dump_next() == ~0ull);
	assert_false(host_dump_work(false));
	assert_int_equal(pending_count, 0);
	host_be_hart(0);
	host->time_step = 500; /* each look at the clock takes 50 us */
	begun = host->now;
	while (host_dump_next() != ~0ull) {
		u64 now = host->now;

		if (host_dump_work(false)) {
			worked += host->now - now;
			steps++;
			assert_true(host_dump_next() > host->now);
			assert_false(host_dump_work(false));
		}
		disk_poll();
		if (host_dump_next() != ~0ull && host_dump_next() > host->now)
			host->now = host_dump_next();
	}
	assert_true(steps > 100);
	/* A twentieth; here each step looks at the clock twice, of which one counts. */
	assert_true(worked * 9 < host->now - begun);
	open_region();
	assert_true(is_whole(1));
}

/* An idle hart that has nothing to do until the disk answers is told. */
static void an_idle_hart_is_woken(void **state)
{
	u64 kicks;

	(void)state;
	start(MIB(32), 2);
	host_be_hart(2);
	while (host_dump_work(true))
		;
	assert_int_equal(pending_count, 1);
	kicks = host->kicks[2];
	host_be_hart(0);
	disk_poll();
	assert_int_equal(host->kicks[2], kicks + 1);
	assert_true(host_dump_next() <= host->now);
	work();
}

/* ---- Bad disks ---- */

static void a_disk_that_is_too_small(void **state)
{
	(void)state;
	start(KIB(20), 3);
	work();
	assert_non_null(strstr(fixture_log(), "is too small"));
	assert_non_null(strstr(fixture_log(), "KiB are needed"));
	assert_int_equal(writes, 0);
	start(512, 3);
	work();
	assert_non_null(strstr(fixture_log(), "is too small"));
}

static void a_dump_that_does_not_fit(void **state)
{
	struct dump_life life;

	(void)state;
	for (u64 size = KIB(30); size < KIB(500); size += KIB(37)) {
		start(size, 1);
		work();
		assert_non_null(strstr(fixture_log(), "one that hardly compresses is cut off"));
		scribble(KIB(600));
		die(LIFE_PANIC, "x");
		work();
		assert_non_null(strstr(fixture_log(), "dump 1 of life 1 is cut off"));
		assert_non_null(strstr(fixture_log(), "are enough for any"));
		open_region();
		assert_int_equal(slot_of(1)->head.state, DUMP_TRUNCATED);
		assert_int_equal(dump_life_read(&view, slot_of(1), &life), 0);
		assert_int_equal(life.damaged, 0);
		assert_non_null(life.crash);
		assert_true(life.parts[0].missing + life.parts[1].missing + slot_of(1)->head.raw_bytes >=
			    LAYOUT_SLOT_SIZE + estate.size);
		dump_life_free(&life);
	}
}

static void what_is_not_ours_stays(void **state)
{
	static const char *const words[] = { "it holds something else", "another version",
					     "larger than the disk", "it holds something else" };

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(words); n++) {
		struct dump_region r;
		u8 *copy;

		start(MIB(32), 2);
		if (n == 0) {
			platters[DUMP_BLOCK - 1] = 1; /* somebody's, who leaves the first sectors free */
		} else {
			assert_int_equal(region_make(n == 2 ? MIB(40) : MIB(32), 2, &r), 0);
			r.version += n == 1;
			r.crc = crc32c(0, &r, offsetof(struct dump_region, crc)) + (n == 3);
			memcpy(platters, &r, sizeof(r));
		}
		copy = malloc(disk_size);
		memcpy(copy, platters, disk_size);
		work();
		die(LIFE_PANIC, "x");
		work();
		cache_apply(true);
		assert_memory_equal(copy, platters, disk_size);
		assert_non_null(strstr(fixture_log(), words[n]));
		free(copy);
	}
}

static void disks_that_are_not_there(void **state)
{
	(void)state;
	start(MIB(32), 2);
	work();
	blk_backends[UNIT] = NULL;
	host_dump_init();
	assert_true(host_dump_next() == ~0ull);
	assert_non_null(strstr(fixture_log(), "dumps: disk 2 is not there"));
	disk.readonly = true;
	attach();
	assert_non_null(strstr(fixture_log(), "dumps: disk 2 cannot be written"));
	disk.readonly = false;
	estate.machine.evidence.dump_disk = 77;
	host_dump_init();
	assert_true(host_dump_next() == ~0ull);
	estate.machine.evidence.dump_disk = 0;
	host_dump_init();
	assert_false(host_dump_work(true));
}

static void a_disk_that_fails(void **state)
{
	unsigned all;

	(void)state;
	start(MIB(32), 2);
	reads_fail = true;
	work();
	assert_non_null(strstr(fixture_log(), "the disk cannot be read"));
	start(MIB(32), 2);
	work();
	scribble(KIB(300));
	writes = 0;
	die(LIFE_PANIC, "x");
	work();
	all = writes;
	assert_true(all > 5);
	for (unsigned n = 1; n <= all; n++) {
		start(MIB(32), 2);
		work();
		scribble(KIB(300));
		writes = 0;
		die(LIFE_PANIC, "x");
		refuse_from = n;
		work();
		assert_non_null(strstr(fixture_log(), "dump 1: the disk does not take it"));
		/* The next life has a disk that works. */
		die(LIFE_PANIC, "y");
		work();
		open_region();
		assert_true(is_whole(n == 1 ? 1 : 2));
	}
}

static void a_disk_that_is_silent(void **state)
{
	(void)state;
	start(MIB(32), 2);
	is_silent = true;
	for (unsigned n = 0; n < 100 && host_dump_next() != ~0ull; n++) {
		host_dump_work(true);
		host->now += SECOND;
	}
	assert_true(host_dump_next() == ~0ull);
	assert_non_null(strstr(fixture_log(), "the disk does not answer"));
	/* Or takes nothing for a while. */
	start(MIB(32), 2);
	is_full = true;
	for (unsigned n = 0; n < 20; n++) {
		host_dump_work(true);
		host->now += SECOND;
	}
	is_full = false;
	work();
	assert_non_null(strstr(fixture_log(), "dumps: the last 2"));
}

/* ---- Power ---- */

/* Whatever the cache had time to write: what was complete stays so, what says that it is complete is. */
static void power_goes_at_each_write(void **state)
{
	(void)state;
	for (unsigned n = 1;; n++) {
		bool gone;

		start(MIB(32), 2);
		work();
		die(LIFE_PANIC, "one");
		work();
		scribble(KIB(300));
		/* The second dump in the place of an older one, so that there are stale chunks. */
		die(LIFE_PANIC, "two");
		work();
		scribble(KIB(280));
		random_state = n;
		events = 0;
		power_until = n;
		die(LIFE_PANIC, "three");
		work();
		gone = !has_power();
		if (!gone)
			cache_apply(true);
		open_region();
		assert_true(is_whole(2));
		assert_true(slot_of(3) || slot_of(1));
		if (slot_of(1))
			assert_true(is_whole(1));
		if (slot_of(3) && slot_of(3)->head.state == DUMP_COMPLETE)
			assert_true(is_whole(3));
		if (!gone) {
			assert_int_equal(slot_of(3)->head.state, DUMP_COMPLETE);
			assert_true(n > 6);
			return;
		}
		/* On again. */
		power_until = 0;
		die(LIFE_PANIC, "four");
		work();
		open_region();
		assert_true(is_whole(slot_of(1) || !slot_of(3) ? 3 : slot_of(4) ? 4 : 3));
	}
}

/* The region is being made: there is one, or a blank disk. */
static void power_goes_while_the_region_is_made(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 4; seed++) {
		start(MIB(32), 2);
		random_state = seed * 1234567;
		power_until = 1 + seed % 2;
		work();
		power_until = 0;
		fixture_start();
		estate.machine.evidence.dump_disk = 1 + UNIT;
		estate.machine.evidence.dump_keep = 2;
		attach();
		work();
		open_region();
		assert_int_equal(view.count, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_life_is_dumped),
		cmocka_unit_test(numbers_go_on),
		cmocka_unit_test(ends_on_purpose_are_not_dumped),
		cmocka_unit_test(guests_come_first),
		cmocka_unit_test(an_idle_hart_is_woken),
		cmocka_unit_test(a_disk_that_is_too_small),
		cmocka_unit_test(a_dump_that_does_not_fit),
		cmocka_unit_test(what_is_not_ours_stays),
		cmocka_unit_test(disks_that_are_not_there),
		cmocka_unit_test(a_disk_that_fails),
		cmocka_unit_test(a_disk_that_is_silent),
		cmocka_unit_test(power_goes_at_each_write),
		cmocka_unit_test(power_goes_while_the_region_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
