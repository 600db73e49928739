/* The recorder: a black box on a disk that answers late, refuses, is no good, or is there no more; and lives that end. */
#include "abi/control.h"
#include "core/blackbox/blackbox.h"
#include "core/devices/backend.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/recorder/recorder.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES KIB(512)
#define ZONE  KIB(64)

/* ---- A disk that answers when it is polled ---- */

HOST_KEEP static u8 *medium;
HOST_KEEP static struct {
	u64 sectors;
	bool readonly;
	u32 refuse;   /* so many requests fail */
	bool is_mute; /* it never answers */
	u64 writes;
} nature;

static struct blk_request *under_way;

static int disk_submit(struct blk_backend *b, struct blk_request *r)
{
	(void)b;
	assert_null(under_way);
	under_way = r;
	return 0;
}

static struct blk_backend disk = { .submit = disk_submit };

u64 clock_read(void)
{
	return 1700000000000000000ull + arch_time() * 100;
}

int host_window_reset(unsigned n)
{
	(void)n;
	return 0;
}

void host_irq_complete(unsigned irq)
{
	(void)irq;
}

static int carry_out(const struct blk_request *r)
{
	u64 at = r->sector * BLK_SECTOR;

	if (nature.refuse) {
		nature.refuse--;
		return -EIO;
	}
	for (unsigned n = 0; n < r->segments; n++) {
		u8 *memory = (u8 *)(uintptr_t)r->segment[n].at.a;

		assert_true(at + r->segment[n].bytes <= nature.sectors * BLK_SECTOR);
		if (r->op == BLK_READ)
			memcpy(memory, medium + at, r->segment[n].bytes);
		else
			memcpy(medium + at, memory, r->segment[n].bytes);
		at += r->segment[n].bytes;
	}
	nature.writes += r->op == BLK_WRITE;
	return 0;
}

void drivers_poll(void)
{
	struct blk_request *r = under_way;

	if (!r || nature.is_mute)
		return;
	under_way = NULL;
	r->done(r, carry_out(r));
}

/* The same disk for who reads it while the host is off, or dies. */
static int at_once(struct blackbox_device *d, u64 at, void *to, u32 bytes)
{
	assert_true(at + bytes <= d->bytes);
	memcpy(to, medium + at, bytes);
	return 0;
}

static int put_at_once(struct blackbox_device *d, u64 at, const void *from, u32 bytes)
{
	assert_true(at + bytes <= d->bytes);
	memcpy(medium + at, from, bytes);
	return 0;
}

int disk_polled(unsigned unit, struct blackbox_device *d)
{
	assert_int_equal(unit, 0);
	*d = (struct blackbox_device){ .bytes = BYTES, .sector = 512, .read = at_once, .write = put_at_once };
	return 0;
}

/* ---- What is on it ---- */

static struct blackbox_layout layout;
static struct blackbox found;
HOST_KEEP static void *found_memory;

static void open_found(void)
{
	const struct blackbox_sizes sizes = { .pmsg = ZONE, .console = ZONE, .kmsg = ZONE };
	static struct blackbox_device device;
	char why[BLACKBOX_WHY_SIZE];

	disk_polled(0, &device);
	assert_int_equal(layout_make(&layout, &sizes, BYTES, why), 0);
	free(found_memory);
	found_memory = aligned_alloc(BLACKBOX_SECTOR_MAX, blackbox_memory(&layout));
	assert_int_equal(blackbox_open(&found, &device, &layout, found_memory), 0);
}

static const char *ring_text(bool of_pmsg)
{
	static char text[ZONE];

	open_found();
	text[ring_read(of_pmsg ? &found.pmsg : &found.console, false, 0, text, ZONE - 1)] = 0;
	return text;
}

/* The text of a record, or "". */
static const char *record_text(u32 zone)
{
	static char text[ZONE];
	int got;

	open_found();
	got = records_read(&found.records, found.device, zone, 0, text, ZONE - 1);
	text[got > 0 ? got : 0] = 0;
	return text;
}

static void format_medium(u32 type_of_first)
{
	memset(medium, 0, BYTES);
	for (u64 at = 0; at < BYTES; at += ZONE) {
		u32 type = at == 0 ? type_of_first : at == ZONE ? PSTORE_CONSOLE : PSTORE_KMSG;
		struct pstore_zone_header h = { .signature = PSTORE_SIGNATURE_OF(type) };

		memcpy(medium + at, &h, sizeof(h));
	}
}

/* ---- Lives ---- */

static void begin_life(void)
{
	disk.sectors = nature.sectors;
	disk.readonly = nature.readonly;
	blk_backends[0] = nature.sectors ? &disk : NULL;
	recorder_init();
}

static void work(void)
{
	for (unsigned n = 0; n < 2000; n++) {
		host->now += 1000;
		drivers_poll();
		recorder_poll();
	}
}

static void next_life(enum life_cause cause, const char *text)
{
	struct warden_record *w = estate.warden;

	w->cause = cause;
	w->hart = 1;
	w->t_fault = w->t_stopped = arch_time();
	strcpy(w->text, text);
	w->text_size = strlen(text);
	w->valid = 1;
	fixture_heir();
	begin_life();
}

static int set_up(void **state)
{
	(void)state;
	if (!medium)
		medium = malloc(BYTES);
	fixture_start();
	memset(&nature, 0, sizeof(nature));
	nature.sectors = BYTES / BLK_SECTOR;
	format_medium(PSTORE_PMSG);
	estate.machine.evidence = (struct pack_evidence){
		.blackbox_disk = 1, .blackbox_pmsg = ZONE, .blackbox_console = ZONE, .blackbox_kmsg = ZONE
	};
	estate_machine_write();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(found_memory);
	found_memory = NULL;
	return 0;
}

/* ---- Tests ---- */

static void the_log_follows(void **state)
{
	(void)state;
	begin_life();
	log_line("before it is open");
	work();
	log_line("after it is open");
	work();
	assert_non_null(strstr(ring_text(false), "---- machine started"));
	assert_non_null(strstr(ring_text(false), "before it is open\n"));
	assert_non_null(strstr(ring_text(false), "after it is open\n"));
	assert_string_equal(record_text(0), "");
}

static void the_heir_records_the_crash_once(void **state)
{
	(void)state;
	begin_life();
	log_line("something happens");
	work();
	next_life(LIFE_PANIC, "no such thing");
	/* Nothing waits for the disk. */
	assert_string_equal(record_text(0), "");
	work();
	assert_non_null(strstr(record_text(0), "Panic#1 Part1\n"));
	assert_non_null(strstr(record_text(0), "something happens"));
	assert_non_null(strstr(record_text(0), ": no such thing\n"));
	assert_non_null(strstr(record_text(0), "<0>life 1 ended by panic on hart 1 at +0x"));
	next_life(LIFE_HANG, "");
	work();
	assert_non_null(strstr(record_text(1), "Panic#2"));
	assert_non_null(strstr(record_text(1), "life 2 ended by hang"));
	assert_string_equal(record_text(2), "");
	assert_null(strstr(ring_text(false) + 1, "---- machine started"));
}

/* A life that is too short to record anything leaves it to the next. */
static void an_heir_that_dies_leaves_both_crashes_to_the_next(void **state)
{
	(void)state;
	begin_life();
	work();
	next_life(LIFE_PANIC, "first");
	next_life(LIFE_TRAP, "second");
	work();
	assert_non_null(strstr(record_text(0), ": first\n"));
	assert_non_null(strstr(record_text(1), ": second\n"));
}

static void oopses_have_records(void **state)
{
	(void)state;
	begin_life();
	work();
	recorder_oops("VM %u is lost", 3u);
	recorder_oops("another");
	work();
	assert_non_null(strstr(record_text(0), "Oops#1 Part1\n"));
	assert_non_null(strstr(record_text(0), "<0>VM 3 is lost\n"));
	assert_non_null(strstr(record_text(1), "<0>another\n"));
}

static void a_disk_that_refuses_is_tried_again(void **state)
{
	(void)state;
	begin_life();
	work();
	nature.refuse = 3;
	log_line("patience");
	work();
	assert_non_null(strstr(fixture_log(), "black box: the disk refuses (error 5)"));
	host->now += 5 * estate.machine.timebase;
	for (unsigned n = 0; n < 4; n++) {
		host->now += 2 * estate.machine.timebase;
		work();
	}
	assert_non_null(strstr(ring_text(false), "patience\n"));
	assert_non_null(strstr(ring_text(false), "the disk takes writes again\n"));
}

static void a_disk_that_is_mute_holds_nobody(void **state)
{
	(void)state;
	begin_life();
	nature.is_mute = true;
	work();
	host->now += 11 * estate.machine.timebase;
	recorder_poll();
	assert_non_null(strstr(fixture_log(), "black box: the disk does not answer for 10 s"));
	assert_int_equal(nature.writes, 0);
}

static void expect_none(const char *why)
{
	struct ctl_box box;

	begin_life();
	log_line("all the same");
	work();
	assert_non_null(strstr(fixture_log(), why));
	recorder_status(&box);
	assert_int_equal(box.stage, CTL_BOX_NONE);
	assert_non_null(strstr(box.why, why));
	assert_int_equal(nature.writes, 0);
}

static void a_disk_that_is_absent(void **state)
{
	(void)state;
	nature.sectors = 0;
	expect_none("the machine has no such disk");
}

static void a_disk_that_is_too_small(void **state)
{
	(void)state;
	nature.sectors = KIB(128) / BLK_SECTOR;
	expect_none("the zones need 196608 bytes and there are 131072");
}

static void a_disk_that_is_read_only(void **state)
{
	(void)state;
	nature.readonly = true;
	expect_none("it is read-only");
}

static void a_disk_that_is_blank(void **state)
{
	(void)state;
	memset(medium, 0, BYTES);
	expect_none("bears no black box");
}

static void a_box_of_another_layout(void **state)
{
	(void)state;
	format_medium(PSTORE_KMSG);
	expect_none("a black box of another layout (1 zones)");
}

static void last_words_without_an_heir(void **state)
{
	(void)state;
	begin_life();
	work();
	log_line("all that was left to say");
	assert_true(recorder_is_last());
	recorder_dying("the end");
	assert_non_null(strstr(record_text(0), "<0>the end\n"));
	assert_non_null(strstr(ring_text(false), "all that was left to say\n"));
}

/* Also of a life that had not opened its black box yet. */
static void last_words_of_a_short_life(void **state)
{
	(void)state;
	begin_life();
	log_line("in a hurry");
	recorder_dying("the end");
	assert_non_null(strstr(record_text(0), "<0>the end\n"));
	assert_non_null(strstr(ring_text(false), "in a hurry\n"));
}

#define LINES 12

static void say_much(void *arg)
{
	(void)arg;
	for (unsigned n = 0; n < LINES; n++) {
		log_line("line %u.", n);
		for (unsigned i = 0; i < 3; i++) {
			drivers_poll();
			recorder_poll();
		}
	}
	work();
}

/* Each line that is in the log is on the disk, in order, whatever is there twice. */
static void check_no_line_is_lost(void)
{
	char wanted[ZONE], *line, *rest = wanted;
	const char *at = ring_text(false);

	snprintf(wanted, sizeof(wanted), "%s", fixture_log());
	while ((line = strsep(&rest, "\n"))) {
		const char *here = strstr(at, line);

		if (!here) {
			fail_msg("\"%s\" is not on the disk", line);
			return; /* for the checkers: it does not come back */
		}
		at = here;
	}
}

static void no_line_is_lost_wherever_a_life_ends(void **state)
{
	(void)state;
	begin_life();
	work();
	for (u64 n = 1;; n += 3) {
		enum host_end end = host_live(say_much, NULL, n);

		next_life(LIFE_PANIC, "here");
		work();
		work();
		check_no_line_is_lost();
		if (end != HOST_DIED)
			break;
		if (n % 30 == 1) {
			/* A new machine, or the ring of the box would go round. */
			set_up(NULL);
			begin_life();
			work();
		}
	}
}

/* ---- Guests' lines ---- */

static struct vm *writer(const char *name)
{
	struct vm_config c = { .memory = MIB(2), .vcpus = 1 };

	snprintf(c.name, sizeof(c.name), "%s", name);
	c.devices[0].kind = VM_DEV_PMSG;
	return fixture_vm(&c);
}

static void write_text(const struct vm *vm, const char *text)
{
	recorder_pmsg(vm, text, (u32)strlen(text));
}

static void guests_have_shares(void **state)
{
	const struct vm *loud, *quiet, *mute;
	unsigned lines = 0;

	(void)state;
	loud = writer("loud");
	quiet = writer("quiet");
	mute = fixture_vm(&(struct vm_config){ .name = "mute" });
	begin_life();
	work();
	assert_true(recorder_takes_pmsg(loud));
	assert_false(recorder_takes_pmsg(mute));
	write_text(mute, "nothing\n");
	nature.is_mute = true; /* nothing gets away meanwhile */
	for (unsigned n = 0; n < 10000; n++)
		write_text(loud, "noise\n");
	host->now += 100 * estate.machine.timebase;
	for (unsigned n = 0; n < 10000; n++)
		write_text(loud, "noise\n");
	assert_false(recorder_pmsg_fits(loud, "noise\n", 6));
	assert_true(recorder_pmsg_fits(quiet, "a word\n", 7));
	write_text(quiet, "a wo");
	write_text(quiet, "rd\n");
	nature.is_mute = false;
	for (unsigned n = 0; n < 20; n++)
		work();
	assert_non_null(strstr(ring_text(true), "quiet: a word\n"));
	assert_null(strstr(ring_text(true), "mute"));
	for (const char *at = ring_text(true); (at = strstr(at, "loud: noise\n")); at++)
		lines++;
	assert_in_range(lines, 100, KIB(16) / 12);
	host->now += estate.machine.timebase;
	write_text(loud, "more\n");
	for (unsigned n = 0; n < 20; n++)
		work();
	assert_non_null(strstr(ring_text(true), "lines dropped]\nloud: more\n"));
}

/* What a guest was told that it has written is on the disk in the end. */
static void lines_of_guests_outlive_a_life(void **state)
{
	(void)state;
	writer("a");
	begin_life();
	write_text(vms[0], "one\ntwo\n");
	next_life(LIFE_PANIC, "early");
	assert_non_null(vms[0]);
	write_text(vms[0], "three\n");
	work();
	assert_non_null(strstr(ring_text(true), "a: one\na: two\na: three\n"));
	/* And an heir does not believe numbers that cannot be. */
	estate.pmsg->written = 7;
	estate.pmsg->head = 1ull << 60;
	next_life(LIFE_PANIC, "damaged");
	write_text(vms[0], "four\n");
	work();
	assert_non_null(strstr(ring_text(true), "a: four\n"));
}

static void operators_write_too(void **state)
{
	char text[RECORDER_NOTE_MAX + 1];

	(void)state;
	assert_int_equal(recorder_note("early", 5), -ENODEV);
	writer("a");
	begin_life();
	work();
	memset(text, 'x', sizeof(text));
	assert_int_equal(recorder_note(text, 0), -EINVAL);
	assert_int_equal(recorder_note(text, sizeof(text)), -EINVAL);
	assert_int_equal(recorder_note("disk 2\nchanged", 14), 0);
	write_text(vms[0], "seen\n");
	work();
	assert_non_null(strstr(ring_text(true), "@operator: disk 2 changed\na: seen\n"));
	assert_non_null(strstr(ring_text(false), "operator: disk 2 changed\n"));
	/* No room: said, and nobody else's line goes for it. */
	nature.is_mute = true;
	while (!recorder_note(text, RECORDER_NOTE_MAX))
		;
	assert_int_equal(recorder_note(text, RECORDER_NOTE_MAX), -EAGAIN);
}

/* More than a ring takes at once, and the disk has had no time for any of it. */
static void last_words_have_what_guests_wrote(void **state)
{
	const char *at;
	char line[40];

	(void)state;
	writer("a");
	begin_life();
	work();
	for (unsigned n = 0; n < 700; n++) {
		snprintf(line, sizeof(line), "line %03u of a guest\n", n);
		write_text(vms[0], line);
	}
	recorder_dying("the end");
	at = ring_text(true);
	for (unsigned n = 0; n < 700; n++) {
		snprintf(line, sizeof(line), "a: line %03u of a guest\n", n);
		at = strstr(at, line);
		assert_non_null(at);
	}
}

static void what_is_there_can_be_read(void **state)
{
	struct ctl_box_at at = { .type = PSTORE_KMSG };
	struct ctl_box_record record;
	struct ctl_log head;
	char text[4000];
	int got;

	(void)state;
	begin_life();
	work();
	assert_int_equal(recorder_find(0, &record), -ENOENT);
	next_life(LIFE_PANIC, "to be read");
	work();
	assert_int_equal(recorder_find(0, &record), 0);
	assert_int_equal(record.reason, PSTORE_REASON_PANIC);
	assert_int_equal(record.flags, 0);
	assert_int_equal(recorder_read(&at, &head, text, sizeof(text)), -EAGAIN);
	work();
	got = recorder_read(&at, &head, text, sizeof(text));
	assert_int_equal(got, head.head);
	text[got] = 0;
	assert_string_equal(text, record_text(0));
	at.number = 99;
	assert_int_equal(recorder_read(&at, &head, text, sizeof(text)), -ENOENT);
	at = (struct ctl_box_at){ .type = PSTORE_CONSOLE, .offset = 1ull << 40 };
	assert_int_equal(recorder_read(&at, &head, text, sizeof(text)), 0);
	/* The same in the next run of the machine. */
	fixture_start();
	estate.machine.evidence = (struct pack_evidence){
		.blackbox_disk = 1, .blackbox_pmsg = ZONE, .blackbox_console = ZONE, .blackbox_kmsg = ZONE
	};
	estate_machine_write();
	begin_life();
	work();
	assert_int_equal(recorder_find(0, &record), 0);
	assert_int_equal(record.flags, CTL_BOX_PREVIOUS);
	assert_int_equal(recorder_find(1, &record), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_log_follows),
		TEST(the_heir_records_the_crash_once),
		TEST(an_heir_that_dies_leaves_both_crashes_to_the_next),
		TEST(oopses_have_records),
		TEST(a_disk_that_refuses_is_tried_again),
		TEST(a_disk_that_is_mute_holds_nobody),
		TEST(a_disk_that_is_absent),
		TEST(a_disk_that_is_too_small),
		TEST(a_disk_that_is_read_only),
		TEST(a_disk_that_is_blank),
		TEST(a_box_of_another_layout),
		TEST(last_words_without_an_heir),
		TEST(last_words_of_a_short_life),
		TEST(no_line_is_lost_wherever_a_life_ends),
		TEST(last_words_have_what_guests_wrote),
		TEST(guests_have_shares),
		TEST(operators_write_too),
		TEST(lines_of_guests_outlive_a_life),
		TEST(what_is_there_can_be_read),
	};

	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
