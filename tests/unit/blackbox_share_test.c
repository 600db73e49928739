/* Lines of guests in the black box: names, pieces, shares, floods. */
#include "core/blackbox/ring.h"
#include "core/blackbox/share.h"
#include "tests/model/blackbox_disk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define SECOND 1000000000ull
#define ZONE   65536u

static u8 image[ZONE], pending[RING_PENDING];
static struct disk disk;
static struct ring ring;

static int setup(void **state)
{
	(void)state;
	disk_open(&disk, ZONE);
	memset(image, 0, sizeof(image));
	ring_recover(&ring, PSTORE_PMSG, image, ZONE, 0, pending);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk_close(&disk);
	return 0;
}

/* As the recorder takes them: whole, or not at all. */
static int take(void *owner, const void *line, u32 bytes)
{
	return ring_append(owner, line, bytes);
}

static const struct share_sink sink = { take, &ring };

static const char *says(void)
{
	static char text[ZONE];

	assert_int_equal(ring_flush(&ring, &disk.device), 0);
	text[ring_read(&ring, false, 0, text, ZONE - 1)] = '\0';
	return text;
}

static void write_text(struct share *s, const char *text, u64 now)
{
	share_write(s, &sink, text, (u32)strlen(text), now);
}

static void lines_have_their_vms_name(void **state)
{
	struct share s;

	(void)state;
	share_open(&s, "alpha", 1000, 4096, 1, 1, 0);
	write_text(&s, "one\ntw", 0);
	write_text(&s, "o\r\n\n", 0);
	write_text(&s, "a\x01\x1b[1m\tb\x7f\xc3\xa4\n", 0);
	write_text(&s, "no end", 0);
	assert_string_equal(says(), "alpha: one\nalpha: two\nalpha: a..[1m\tb.\xc3\xa4\n");
	write_text(&s, "\n", 0);
	assert_non_null(strstr(says(), "\nalpha: no end\n"));
}

/* No byte of a guest can stand for the end of the ring, or for another's line. */
static void nuls_and_forged_names(void **state)
{
	struct share s;

	(void)state;
	share_open(&s, "alpha", 1000, 4096, 1, 1, 0);
	share_write(&s, &sink, "a\0b\rbeta: x\n", 12, 0);
	assert_string_equal(says(), "alpha: a.bbeta: x\n");
}

static void long_lines_are_cut(void **state)
{
	static char text[2000];
	const char *got;
	struct share s;
	u32 letters = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	share_open(&s, "alpha", 10000, 10000, 1, 1, 0);
	write_text(&s, text, 0);
	write_text(&s, "\n", 0);
	got = says();
	for (const char *line = got; *line; line = strchr(line, '\n') + 1) {
		assert_int_equal(strncmp(line, "alpha: ", 7), 0);
		assert_true(strchr(line, '\n') - line < (s64)SHARE_LINE_MAX);
	}
	for (const char *c = got; *c; c++)
		letters += *c == 'x';
	assert_int_equal(letters, sizeof(text) - 1);
}

/* Lines that were dropped, as the lines about them say; *passed: the others. */
static u64 count(const char *text, u32 *passed)
{
	u64 dropped = 0;

	*passed = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		unsigned long told;

		if (sscanf(line, "%*[a-z]: [%lu lines dropped]", &told) == 1)
			dropped += told;
		else
			++*passed;
	}
	return dropped;
}

/* A VM with a quarter of 4000 bytes a second floods: it gets 1000, and what is dropped is counted and said. */
static void a_flood_gets_its_share(void **state)
{
	struct share s;
	u32 passed, lines = 0;
	const char *got;

	(void)state;
	share_open(&s, "flood", 4000, 4096, 1, 4, 0);
	for (u64 now = 0; now < 10 * SECOND; now += SECOND / 1000) {
		write_text(&s, "................................\n", now);
		lines++;
		assert_int_equal(ring_flush(&ring, &disk.device), 0);
	}
	share_report(&s, &sink, 20 * SECOND);
	assert_int_equal(s.dropped, 0);
	got = says();
	assert_true(strlen(got) > 9 * 1000);
	assert_true(strlen(got) <= 1024 + 10 * 1000 + 512);
	assert_int_equal(count(got, &passed), s.dropped_ever);
	assert_int_equal(passed + s.dropped_ever, lines);
}

static void others_are_not_pushed_out(void **state)
{
	struct share flood, quiet;
	char line[64];
	const char *got;

	(void)state;
	share_open(&flood, "flood", 4000, 4096, 1, 2, 0);
	share_open(&quiet, "quiet", 4000, 4096, 1, 2, 0);
	for (u64 n = 0; n < 10000; n++) {
		write_text(&flood, "................................\n", n * SECOND / 1000);
		if (n % 1000 == 0) {
			snprintf(line, sizeof(line), "line %lu\n", (unsigned long)n / 1000);
			write_text(&quiet, line, n * SECOND / 1000);
		}
		assert_int_equal(ring_flush(&ring, &disk.device), 0);
	}
	got = says();
	for (u32 n = 0; n < 10; n++) {
		snprintf(line, sizeof(line), "quiet: line %u\n", n);
		assert_non_null(strstr(got, line));
	}
	assert_int_equal(quiet.dropped_ever, 0);
	assert_true(flood.dropped_ever > 5000);
}

/* The device takes nothing: lines are dropped as soon as what can wait is full, and that is said afterwards. */
/* Whoever asks before each write loses nothing, and gets what the rate allows. */
static void what_fits_is_not_dropped(void **state)
{
	static const char *const texts[] = { "a line\n", "b", "egins, and goes on\n", "\n\n", "1\n2\n3\r\n" };
	struct share s;
	u64 lines = 0;

	(void)state;
	share_open(&s, "alpha", 1000, 600, 1, 1, 0);
	write_text(&s, "as much as there is\n", 0);
	while (!s.dropped)
		write_text(&s, "dropped\n", 0);
	for (u64 now = 0, n = 0; now < 10 * SECOND; now += SECOND / 1000) {
		const char *text = texts[n % 5];

		if (!share_fits(&s, text, (u32)strlen(text), now))
			continue;
		write_text(&s, text, now);
		says(); /* the ring has room again */
		n++;
		for (; *text; text++)
			lines += *text == '\n';
	}
	assert_int_equal(s.dropped_ever, 1);
	assert_in_range(lines, 500, 1500);
	assert_null(strstr(says(), "[2 lines"));
}

/* Nobody waits for ever: a write that is larger than the bucket gets what a full one has. */
static void what_never_fits_comes_with_a_full_bucket(void **state)
{
	char text[256];
	struct share s;

	(void)state;
	for (unsigned n = 0; n < sizeof(text); n++)
		text[n] = n % 2 ? '\n' : 'x';
	share_open(&s, "alpha", 1000, 0, 1, 1, 0);
	assert_true(share_fits(&s, text, sizeof(text), 0));
	share_write(&s, &sink, text, sizeof(text), 0);
	assert_false(share_fits(&s, text, sizeof(text), SECOND / 10));
	assert_true(share_fits(&s, text, sizeof(text), SECOND));
	share_open(&s, "mute", 0, 0, 1, 1, 0);
	assert_false(share_fits(&s, "x", 1, SECOND));
}

static void a_ring_without_room(void **state)
{
	struct share s;
	const char *got;
	u32 n, passed;

	(void)state;
	share_open(&s, "alpha", 1 << 20, 1 << 20, 1, 1, 0);
	for (n = 0; n < 1000; n++)
		write_text(&s, "................................\n", 0);
	assert_true(s.dropped > 0);
	assert_true(ring_dirty(&ring));
	assert_int_equal(ring_flush(&ring, &disk.device), 0);
	write_text(&s, "last\n", 0);
	assert_int_equal(s.dropped, 0);
	got = says();
	assert_non_null(strstr(got, " lines dropped]\nalpha: last\n"));
	assert_int_equal(count(got, &passed), s.dropped_ever);
	assert_int_equal(passed + s.dropped_ever, n + 1);
}

static void odd_shares(void **state)
{
	struct share s;

	(void)state;
	/* No rate: nothing passes. */
	share_open(&s, "none", 0, 4096, 1, 1, 0);
	write_text(&s, "x\n", 100 * SECOND);
	assert_string_equal(says(), "");
	assert_int_equal(s.dropped_ever, 1);
	/* No weights, or more weight than there are in all. */
	share_open(&s, "zero", 4096, 4096, 0, 0, 0);
	assert_int_equal(s.rate, 0);
	share_open(&s, "more", 4096, 4096, 5, 2, 0);
	assert_int_equal(s.rate, 4096);
	/* Numbers that would not fit, and a clock that goes back. */
	share_open(&s, "huge", ~0ull, ~0ull, 0xffffffff, 0xffffffff, ~0ull);
	write_text(&s, "x\n", 5);
	write_text(&s, "y\n", ~0ull);
	assert_string_equal(says(), "huge: x\nhuge: y\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_have_their_vms_name, setup, teardown),
		cmocka_unit_test_setup_teardown(nuls_and_forged_names, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_gets_its_share, setup, teardown),
		cmocka_unit_test_setup_teardown(others_are_not_pushed_out, setup, teardown),
		cmocka_unit_test_setup_teardown(what_fits_is_not_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(what_never_fits_comes_with_a_full_bucket, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ring_without_room, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_shares, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
