/* Sizes, presets and places of the black box's zones, and sizes found again from what is on a disk. */
#include "core/blackbox/layout.h"
#include "tests/model/blackbox_disk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define K 1024u

static char why[BLACKBOX_WHY_SIZE];

static void presets(void **state)
{
	struct blackbox_layout l;
	struct blackbox_sizes s;

	(void)state;
	assert_true(layout_preset("linux-debian", &s));
	assert_int_equal(layout_make(&l, &s, MIB(1), why), 0);
	assert_int_equal(l.kmsg_at, 0);
	assert_int_equal(l.kmsg_count, 16);
	assert_int_equal(layout_count(&l), 16);

	assert_true(layout_preset("full", &s));
	assert_int_equal(s.ftrace, 0);
	assert_int_equal(layout_make(&l, &s, MIB(1), why), 0);
	assert_int_equal(l.console_at, 64 * K);
	assert_int_equal(l.kmsg_at, 128 * K);
	assert_int_equal(l.kmsg_count, 14);
	assert_int_equal(layout_count(&l), 16);
	assert_int_equal(layout_zone(&l, 0).type, PSTORE_PMSG);
	assert_int_equal(layout_zone(&l, 1).type, PSTORE_CONSOLE);
	assert_int_equal(layout_zone(&l, 1).at, 64 * K);
	assert_int_equal(layout_zone(&l, 2).type, PSTORE_KMSG);
	assert_int_equal(layout_zone(&l, 15).number, 13);
	assert_int_equal(layout_zone(&l, 15).at, MIB(1) - 64 * K);
	assert_false(layout_preset("empty", &s));
}

static void a_zone_of_no_size_moves_the_others_up(void **state)
{
	struct blackbox_sizes s = { .console = 8 * K, .ftrace = 4 * K, .kmsg = 16 * K };
	struct blackbox_layout l;

	(void)state;
	assert_int_equal(layout_make(&l, &s, 61 * K, why), 0);
	assert_int_equal(l.console_at, 0);
	assert_int_equal(l.ftrace_at, 8 * K);
	assert_int_equal(l.kmsg_at, 12 * K);
	/* 61 KiB are 60, and 16 of them remain unused. */
	assert_int_equal(l.kmsg_count, 3);
	assert_int_equal(l.end, 60 * K);
}

static void more_than_linux_uses_is_not_used(void **state)
{
	struct blackbox_sizes s = { .kmsg = (u32)MIB(1) };
	struct blackbox_layout l;

	(void)state;
	assert_int_equal(layout_make(&l, &s, GIB(1), why), 0);
	assert_int_equal(l.kmsg_count, 128);
}

static void refused(struct blackbox_sizes s, u64 bytes, const char *name, const char *nearest)
{
	struct blackbox_layout l;

	why[0] = '\0';
	assert_int_equal(layout_make(&l, &s, bytes, why), -EINVAL);
	assert_non_null(strstr(why, name));
	if (!strstr(why, nearest))
		fail_msg("\"%s\" does not say %s", why, nearest);
}

static void wrong_sizes_name_the_nearest(void **state)
{
	(void)state;
	refused((struct blackbox_sizes){ .kmsg = 1 }, MIB(1), "kmsg: 1 ", "nearest is 4096");
	refused((struct blackbox_sizes){ .kmsg = 65537 }, MIB(1), "kmsg: 65537", "nearest is 65536");
	refused((struct blackbox_sizes){ .pmsg = 7000, .kmsg = 4096 }, MIB(1), "pmsg: 7000",
		"nearest is 8192");
	refused((struct blackbox_sizes){ .console = 6144, .kmsg = 4096 }, MIB(1), "console",
		"nearest is 4096");
	refused((struct blackbox_sizes){ .ftrace = 12288, .kmsg = 4096 }, MIB(1), "ftrace",
		"nearest is 8192");
	refused((struct blackbox_sizes){ .ftrace = 13000, .kmsg = 4096 }, MIB(1), "ftrace",
		"nearest is 16384");
	refused((struct blackbox_sizes){ .ftrace = 100, .kmsg = 4096 }, MIB(1), "ftrace", "nearest is 4096");
	refused((struct blackbox_sizes){ .kmsg = 0xffffffff }, MIB(1), "kmsg", "nearest is 134217728");
	refused((struct blackbox_sizes){ .kmsg = 128 * K }, 64 * K, "need 131072", "kmsg is 65536");
	refused((struct blackbox_sizes){ .pmsg = 64 * K, .kmsg = 64 * K }, 64 * K, "need 131072",
		"all together is 65536");
	refused((struct blackbox_sizes){ .pmsg = 0x80000000, .console = 0x80000000, .kmsg = 4096 }, MIB(1),
		"need", "1048576");
	refused((struct blackbox_sizes){ 0 }, MIB(1), "all sizes are 0", "65536");
}

/* ---- Finding ---- */

static void put(struct disk *d, u64 at, enum pstore_type type)
{
	struct pstore_zone_header h = { PSTORE_SIGNATURE_OF(type), 0, 0 };

	memcpy(d->bytes + at, &h, sizeof(h));
}

static struct blackbox_sizes find(struct disk *d, u32 expected_matches)
{
	u8 scratch[BLACKBOX_SECTOR_MAX];
	struct layout_found found = { 0 };
	struct blackbox_layout l;

	assert_int_equal(layout_find(&d->device, scratch, &l, &found), 0);
	assert_int_equal(found.matched, expected_matches);
	return l.sizes;
}

static void must_be(struct blackbox_sizes s, u32 pmsg, u32 console, u32 ftrace, u32 kmsg)
{
	assert_int_equal(s.pmsg, pmsg);
	assert_int_equal(s.console, console);
	assert_int_equal(s.ftrace, ftrace);
	assert_int_equal(s.kmsg, kmsg);
}

/* Every layout whose zones all have their headers is found again. */
static void formatted_layouts_are_found(void **state)
{
	static const u32 rings[] = { 0, 4096, 8192, 65536, 12288 };
	static const u32 kmsgs[] = { 4096, 8192, 20480, 65536, 131072 };

	(void)state;
	for (size_t i = 0; i < 5 * 5 * 5; i++) {
		struct blackbox_sizes s = { .pmsg = rings[i / 25],
					    .console = rings[i / 5 % 5],
					    .kmsg = kmsgs[i % 5] };
		struct blackbox_layout l;
		struct disk d;

		disk_open(&d, KIB(700));
		assert_int_equal(layout_make(&l, &s, KIB(700), why), 0);
		for (u32 n = 0; n < layout_count(&l); n++)
			put(&d, layout_zone(&l, n).at, layout_zone(&l, n).type);
		must_be(find(&d, layout_count(&l) > 1 ? layout_count(&l) : 1), s.pmsg, s.console, 0, s.kmsg);
		disk_close(&d);
	}
}

static void linux_has_used_some_zones_only(void **state)
{
	struct disk d;

	(void)state;
	disk_open(&d, MIB(1));
	put(&d, 0, PSTORE_KMSG);
	must_be(find(&d, 1), 0, 0, 0, 65536);
	put(&d, 8192, PSTORE_KMSG);
	must_be(find(&d, 2), 0, 0, 0, 8192);
	disk_close(&d);

	disk_open(&d, MIB(1));
	put(&d, 0, PSTORE_PMSG);
	put(&d, 131072, PSTORE_KMSG);
	must_be(find(&d, 2), 65536, 65536, 0, 65536);
	disk_close(&d);

	disk_open(&d, MIB(1));
	put(&d, 0, PSTORE_PMSG);
	put(&d, 32768, PSTORE_CONSOLE);
	must_be(find(&d, 2), 32768, 65536, 0, 65536);
	disk_close(&d);

	/* ftrace is as many zones as the reader had CPUs. */
	disk_open(&d, MIB(1));
	put(&d, 0, PSTORE_PMSG);
	put(&d, 65536, PSTORE_CONSOLE);
	for (u32 n = 0; n < 4; n++)
		put(&d, 131072 + n * 16384, PSTORE_FTRACE);
	put(&d, 196608, PSTORE_KMSG);
	must_be(find(&d, 7), 65536, 65536, 65536, 65536);
	disk_close(&d);
}

/* A guest may write what looks like a header, at a place where a zone could begin. */
static void text_that_looks_like_a_header(void **state)
{
	struct disk d;

	(void)state;
	disk_open(&d, MIB(1));
	put(&d, 0, PSTORE_PMSG);
	put(&d, 4096, PSTORE_KMSG);
	put(&d, 65536, PSTORE_CONSOLE);
	put(&d, 65536 + 8192, PSTORE_KMSG);
	for (u32 at = 131072; at < MIB(1); at += 65536)
		put(&d, at, PSTORE_KMSG);
	must_be(find(&d, 16), 65536, 65536, 0, 65536);
	disk_close(&d);
}

static void nothing_is_found_on_nothing(void **state)
{
	u8 scratch[BLACKBOX_SECTOR_MAX];
	struct layout_found found = { 0 };
	struct blackbox_layout l;
	struct disk d;

	(void)state;
	disk_open(&d, KIB(64));
	assert_int_equal(layout_find(&d.device, scratch, &l, &found), -ENOENT);
	memset(d.bytes, 'x', KIB(64));
	assert_int_equal(layout_find(&d.device, scratch, &l, &found), -ENOENT);
	d.reads_fail = true;
	assert_int_equal(layout_find(&d.device, scratch, &l, &found), -EIO);
	disk_close(&d);
}

static void other_layouts_are_told(void **state)
{
	struct blackbox_sizes s = { .kmsg = 65536 };
	u8 scratch[BLACKBOX_SECTOR_MAX];
	struct layout_found found = { 0 };
	struct blackbox_layout l;
	struct disk d;

	(void)state;
	disk_open(&d, KIB(256));
	put(&d, 0, PSTORE_PMSG);
	put(&d, 65536, PSTORE_KMSG);
	assert_int_equal(layout_make(&l, &s, KIB(256), why), 0);
	assert_int_equal(layout_compare(&d.device, scratch, &l, &found), 0);
	assert_int_equal(found.signatures, 2);
	assert_int_equal(found.matched, 1);
	disk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presets),
		cmocka_unit_test(a_zone_of_no_size_moves_the_others_up),
		cmocka_unit_test(more_than_linux_uses_is_not_used),
		cmocka_unit_test(wrong_sizes_name_the_nearest),
		cmocka_unit_test(formatted_layouts_are_found),
		cmocka_unit_test(linux_has_used_some_zones_only),
		cmocka_unit_test(text_that_looks_like_a_header),
		cmocka_unit_test(nothing_is_found_on_nothing),
		cmocka_unit_test(other_layouts_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
