/* G-stage tables, one hart: what each operation does, to entries, fences and memory. */
#include "core/gstage/gstage.h"
#include "core/gstage/walk.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define VMID 5
#define BASE GUEST_RAM_BASE
#define HOST GIB(16)

static struct gstage g;
static size_t pages_before;
static u64 fences_before;

static int setup(void **state)
{
	(void)state;
	fixture_start();
	assert_int_equal(gstage_create(&g, gstage_format_for(GIB(8)), VMID), 0);
	g.harts = 0xd;
	pages_before = pages_free();
	return 0;
}

static unsigned fences(void)
{
	unsigned n = (unsigned)(host->fences - fences_before);

	fences_before = host->fences;
	return n;
}

static void let_tables_go(void)
{
	for (unsigned i = 0; i < 100; i++)
		gstage_quiescent(0);
}

/* Everything removed, all tables have come back. */
static int teardown(void **state)
{
	(void)state;
	assert_int_equal(gstage_zap(&g, GPA(0), ~0ull), 0);
	assert_int_equal(g.tables, 0);
	let_tables_go();
	assert_int_equal(pages_free(), pages_before);
	gstage_destroy(&g);
	assert_int_equal(pages_free(), pages_before + 4);
	return 0;
}

static int map_in(struct gstage *tables, u64 at, unsigned level, u64 to, unsigned rights)
{
	const gpa_t guest = GPA(at);
	const hpa_t memory = HPA(to);

	return gstage_map(tables, guest, level, memory, rights);
}

static int map(u64 at, unsigned level, u64 to, unsigned rights)
{
	return map_in(&g, at, level, to, rights);
}

#define assert_leaf(at, to, want_rights, want_level)               \
	do {                                                       \
		struct gstage_leaf l = gstage_lookup(&g, GPA(at)); \
		assert_int_equal(l.rights, want_rights);           \
		assert_int_equal(l.host.a, to);                    \
		assert_int_equal(l.level, want_level);             \
	} while (0)

#define assert_nothing(at) assert_int_equal(gstage_lookup(&g, GPA(at)).rights, 0)

static void the_smallest_format_is_taken(void **state)
{
	(void)state;
	assert_int_equal(gstage_format_for(0)->levels, 3);
	assert_int_equal(gstage_format_for(1ull << 41)->levels, 3);
	assert_int_equal(gstage_format_for((1ull << 41) + 1)->levels, 4);
	assert_int_equal(gstage_format_for(1ull << 50)->mode, 9);
	assert_int_equal(gstage_format_for((1ull << 50) + 1)->levels, 5);
	assert_int_equal(gstage_format_for(1ull << 59)->mode, 10);
	assert_null(gstage_format_for((1ull << 59) + 1));
	assert_int_equal((uintptr_t)g.root % KIB(16), 0);
}

/* The bits, as the privileged specification has them. */
static void entries_are_the_specifications(void **state)
{
	const u64 *table;

	(void)state;
	assert_int_equal(map(BASE + MIB(2), 1, HOST + MIB(4), GSTAGE_ALL), 0);
	assert_int_equal(g.root[BASE / GIB(1)] & 0x3ff, 0x1);
	table = entry_to_table(g.root[BASE / GIB(1)]);
	assert_int_equal(table[1], (HOST + MIB(4)) / 4096 << 10 | 0xdf);
	assert_int_equal(map(BASE, 1, HOST, GSTAGE_READ), 0);
	assert_int_equal(table[0], HOST / 4096 << 10 | 0xd3);
	assert_int_equal(map(BASE + MIB(4), 1, HOST, GSTAGE_READ | GSTAGE_EXEC), 0);
	assert_int_equal(table[2], HOST / 4096 << 10 | 0xdb);
	/* W without R is reserved. */
	assert_int_equal(map(BASE + MIB(6), 1, HOST, GSTAGE_WRITE), 0);
	assert_int_equal(table[3], HOST / 4096 << 10 | 0xd7);
	assert_int_equal(fences(), 0);
}

static void leaves_of_all_sizes_in_all_formats(void **state)
{
	(void)state;
	for (unsigned levels = 3; levels <= 5; levels++) {
		u64 limit = 1ull << (14 + 9 * levels), at = limit - GIB(1);
		struct gstage f;

		assert_int_equal(gstage_create(&f, gstage_format_for(limit), 1), 0);
		assert_int_equal(f.format->levels, levels);
		assert_int_equal(map_in(&f, at, 2, GIB(3), GSTAGE_ALL), 0);
		assert_int_equal(map_in(&f, at - MIB(2) + 5, 1, MIB(6), GSTAGE_ALL), 0);
		assert_int_equal(map_in(&f, 0xfff, 0, KIB(4), GSTAGE_ALL), 0);
		assert_int_equal(gstage_lookup(&f, GPA(limit - 1)).host.a, GIB(4) - 1);
		assert_int_equal(gstage_lookup(&f, GPA(limit - 1)).level, 2);
		assert_int_equal(gstage_lookup(&f, GPA(at - 1)).host.a, MIB(8) - 1);
		assert_int_equal(gstage_lookup(&f, GPA(7)).host.a, KIB(4) + 7);
		assert_int_equal(gstage_lookup(&f, GPA(KIB(4))).rights, 0);
		/* Beyond the format: no wrapping round. */
		assert_int_equal(gstage_lookup(&f, GPA(limit)).rights, 0);
		assert_int_equal(gstage_lookup(&f, GPA(~0ull)).rights, 0);
		assert_int_equal(map_in(&f, limit, 0, KIB(4), GSTAGE_ALL), -EFAULT);
		assert_int_equal(gstage_split(&f, GPA(limit), 0), -ENOENT);
		assert_int_equal(gstage_collapse(&f, GPA(limit), 1), -EAGAIN);
		assert_int_equal(gstage_zap(&f, GPA(limit), GIB(1)), 0);
		assert_int_equal(gstage_lookup(&f, GPA(7)).level, 0);
		gstage_destroy(&f);
	}
	let_tables_go();
	pages_before = pages_free();
}

static void a_filled_entry_is_a_spurious_fault(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 1, HOST, GSTAGE_ALL), 0);
	assert_int_equal(fences(), 0);
	assert_int_equal(map(BASE + 4096, 1, HOST, GSTAGE_ALL), 0);
	assert_int_equal(map(BASE + 4096, 1, HOST, GSTAGE_READ), 0);
	assert_int_equal(map(BASE + 8192, 0, HOST + 8192, GSTAGE_ALL), 0);
	assert_leaf(BASE, HOST, GSTAGE_ALL, 1);
	/* The hart that faulted has something older in its TLB; nobody else is bothered. */
	assert_int_equal(fences(), 3);
	assert_int_equal(host->fence_harts, 1);
	assert_int_equal(host->fence_vmid, VMID);
	assert_int_equal(g.generation, 0);
}

static void another_translation_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 1, HOST, GSTAGE_ALL), 0);
	assert_int_equal(map(BASE, 1, HOST + MIB(2), GSTAGE_ALL), -EEXIST);
	assert_int_equal(map(BASE + 4096, 0, HOST, GSTAGE_ALL), -EEXIST);
	assert_int_equal(map(BASE, 2, HOST + GIB(1), GSTAGE_ALL), -EEXIST);
	assert_leaf(BASE, HOST, GSTAGE_ALL, 1);
	assert_int_equal(g.tables, 1);
}

static void a_table_in_the_way_gets_the_smaller_leaf(void **state)
{
	(void)state;
	assert_int_equal(map(BASE + 4096, 0, HOST + 4096, GSTAGE_ALL), 0);
	assert_int_equal(map(BASE + 8192 + 5, 1, HOST, GSTAGE_ALL), 0);
	assert_leaf(BASE + 8192, HOST + 8192, GSTAGE_ALL, 0);
	assert_nothing(BASE);
	assert_int_equal(map(BASE + MIB(2) + 4096, 2, HOST, GSTAGE_ALL), 0);
	assert_leaf(BASE + MIB(2), HOST + MIB(2), GSTAGE_ALL, 1);
	assert_int_equal(map(BASE + 12288, 2, HOST, GSTAGE_ALL), 0);
	assert_leaf(BASE + 12288, HOST + 12288, GSTAGE_ALL, 0);
}

static void rights_grow_in_place_but_writing_not_in_huge_leaves(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 1, HOST, GSTAGE_READ), 0);
	assert_int_equal(map(BASE, 1, HOST, GSTAGE_READ | GSTAGE_EXEC), 0);
	assert_leaf(BASE, HOST, GSTAGE_READ | GSTAGE_EXEC, 1);
	assert_int_equal(map(BASE + 4096, 1, HOST, GSTAGE_ALL), 0);
	assert_leaf(BASE, HOST, GSTAGE_READ | GSTAGE_EXEC, 0);
	assert_leaf(BASE + 4096, HOST + 4096, GSTAGE_ALL, 0);
	assert_leaf(BASE + 8192, HOST + 8192, GSTAGE_READ | GSTAGE_EXEC, 0);
}

/* The dirty log: protect, write, and no fault that maps huge again may give back what was not written. */
static void a_protected_huge_leaf_never_becomes_writable(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 2, HOST, GSTAGE_ALL), 0);
	assert_int_equal(gstage_write_protect(&g, GPA(BASE), GIB(1)), 0);
	assert_leaf(BASE, HOST, GSTAGE_READ | GSTAGE_EXEC, 2);
	assert_int_equal(fences(), 1);
	assert_int_equal(map(BASE + MIB(4) + 4096, 2, HOST, GSTAGE_ALL), 0);
	assert_leaf(BASE + MIB(4) + 4096, HOST + MIB(4) + 4096, GSTAGE_ALL, 0);
	for (u64 at = 0; at < GIB(1); at += at < MIB(8) ? 4096 : MIB(2)) {
		if (at != MIB(4) + 4096)
			assert_int_equal(gstage_lookup(&g, GPA(BASE + at)).rights, GSTAGE_READ | GSTAGE_EXEC);
	}
	/* A read fault does not help either. */
	assert_int_equal(map(BASE, 2, HOST, GSTAGE_READ), 0);
	assert_leaf(BASE, HOST, GSTAGE_READ | GSTAGE_EXEC, 1);
}

static void write_protection_takes_whole_leaves(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 1, HOST, GSTAGE_ALL), 0);
	assert_int_equal(map(BASE + MIB(2), 1, HOST + MIB(2), GSTAGE_ALL), 0);
	assert_int_equal(map(BASE + MIB(4), 0, HOST + MIB(4), GSTAGE_ALL), 0);
	assert_int_equal(map(BASE + MIB(4) + 4096, 0, HOST + MIB(4) + 4096, GSTAGE_ALL), 0);
	assert_int_equal(gstage_write_protect(&g, GPA(BASE + MIB(3)), MIB(1) + 4096), 0);
	assert_leaf(BASE, HOST, GSTAGE_ALL, 1);
	assert_leaf(BASE + MIB(2), HOST + MIB(2), GSTAGE_READ | GSTAGE_EXEC, 1);
	assert_leaf(BASE + MIB(4), HOST + MIB(4), GSTAGE_READ | GSTAGE_EXEC, 0);
	assert_leaf(BASE + MIB(4) + 4096, HOST + MIB(4) + 4096, GSTAGE_ALL, 0);
	assert_int_equal(fences(), 1);
	assert_int_equal(host->fence_harts, 0xd);
	assert_int_equal(host->fence_from, BASE + MIB(2));
	assert_int_equal(host->fence_bytes, MIB(2) + 4096);
}

static void zap_removes_and_fences_once(void **state)
{
	(void)state;
	for (u64 at = 0; at < MIB(64); at += MIB(2))
		assert_int_equal(map(BASE + at, 1, HOST + at, GSTAGE_ALL), 0);
	for (u64 at = 0; at < MIB(4); at += 4096)
		assert_int_equal(map(BASE + MIB(64) + at, 0, HOST + MIB(64) + at, GSTAGE_ALL), 0);
	assert_int_equal(g.tables, 3);
	assert_int_equal(gstage_zap(&g, GPA(BASE), MIB(66)), 0);
	assert_int_equal(fences(), 1);
	assert_int_equal(host->fence_from, BASE);
	assert_int_equal(host->fence_bytes, MIB(66));
	assert_int_equal(g.tables, 2);
	for (u64 at = 0; at < MIB(66); at += 4096)
		assert_nothing(BASE + at);
	assert_leaf(BASE + MIB(66), HOST + MIB(66), GSTAGE_ALL, 0);
	/* Nothing there: fences all the same, another hart may be on its way to its fence. */
	assert_int_equal(gstage_zap(&g, GPA(BASE), MIB(2)), 0);
	assert_int_equal(fences(), 1);
	assert_int_equal(gstage_zap(&g, GPA(BASE), 0), 0);
	assert_int_equal(fences(), 0);
}

static void zap_splits_at_the_ends(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 2, HOST, GSTAGE_ALL), 0);
	assert_int_equal(gstage_zap(&g, GPA(BASE + MIB(2) + 4096), MIB(6)), 0);
	assert_leaf(BASE, HOST, GSTAGE_ALL, 1);
	assert_leaf(BASE + MIB(2), HOST + MIB(2), GSTAGE_ALL, 0);
	assert_nothing(BASE + MIB(2) + 4096);
	assert_nothing(BASE + MIB(8));
	assert_leaf(BASE + MIB(8) + 4096, HOST + MIB(8) + 4096, GSTAGE_ALL, 0);
	assert_leaf(BASE + MIB(10), HOST + MIB(10), GSTAGE_ALL, 1);
	assert_int_equal(g.tables, 3);
	/* Part of a page is the page. */
	assert_int_equal(gstage_zap(&g, GPA(BASE + MIB(2) + 100), 1), 0);
	assert_nothing(BASE + MIB(2));
}

static void zap_without_memory_says_so(void **state)
{
	void *hoard = NULL, *page;

	(void)state;
	assert_int_equal(map(BASE, 2, HOST, GSTAGE_ALL), 0);
	while ((page = page_alloc())) {
		*(void **)page = hoard;
		hoard = page;
	}
	assert_int_equal(gstage_zap(&g, GPA(BASE), MIB(2)), -ENOMEM);
	assert_leaf(BASE, HOST, GSTAGE_ALL, 2);
	assert_int_equal(map(BASE + GIB(1), 0, HOST, GSTAGE_ALL), -ENOMEM);
	assert_int_equal(gstage_split(&g, GPA(BASE), 1), -ENOMEM);
	assert_int_equal(gstage_write_protect(&g, GPA(BASE), 4096), 0);
	assert_int_equal(map(BASE, 2, HOST, GSTAGE_ALL), -ENOMEM);
	assert_leaf(BASE, HOST, GSTAGE_READ | GSTAGE_EXEC, 2);
	assert_int_equal(gstage_zap(&g, GPA(BASE), GIB(1)), 0);
	assert_nothing(BASE);
	while (hoard) {
		page = hoard;
		hoard = *(void **)page;
		page_free(page);
	}
}

static void split_keeps_translations(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 2, HOST, GSTAGE_READ), 0);
	assert_int_equal(gstage_split(&g, GPA(BASE + MIB(6) + 8192), 0), 0);
	for (u64 at = 0; at < GIB(1); at += 4096)
		assert_leaf(BASE + at, HOST + at, GSTAGE_READ, at / MIB(2) == 3 ? 0 : 1);
	assert_int_equal(gstage_split(&g, GPA(BASE), 1), 0);
	assert_int_equal(gstage_split(&g, GPA(BASE), 2), 0);
	assert_leaf(BASE, HOST, GSTAGE_READ, 1);
	assert_int_equal(gstage_split(&g, GPA(BASE - 1), 0), -ENOENT);
	assert_int_equal(g.tables, 2);
	assert_int_equal(fences(), 0);
}

static void collapse_is_the_reverse_of_split(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 2, HOST, GSTAGE_ALL), 0);
	assert_int_equal(gstage_split(&g, GPA(BASE), 0), 0);
	assert_int_equal(gstage_collapse(&g, GPA(BASE), 2), -EAGAIN);
	assert_int_equal(fences(), 0);
	assert_int_equal(gstage_collapse(&g, GPA(BASE + 4096), 1), 0);
	assert_leaf(BASE + 4096, HOST + 4096, GSTAGE_ALL, 1);
	assert_int_equal(fences(), 1);
	assert_int_equal(gstage_collapse(&g, GPA(BASE + 4096), 2), 0);
	assert_leaf(BASE + 4096, HOST + 4096, GSTAGE_ALL, 2);
	assert_int_equal(gstage_collapse(&g, GPA(BASE), 2), 0);
	assert_int_equal(gstage_collapse(&g, GPA(BASE), 1), 0);
	assert_int_equal(gstage_collapse(&g, GPA(BASE + GIB(1)), 1), -EAGAIN);
	assert_int_equal(gstage_collapse(&g, GPA(BASE), 0), -EAGAIN);
	assert_int_equal(gstage_collapse(&g, GPA(BASE), 3), -EAGAIN);
	assert_int_equal(g.tables, 0);
}

static void collapse_wants_one_and_the_same(void **state)
{
	(void)state;
	/* One page missing, one with other rights, one elsewhere, all but misaligned: none is a huge leaf. */
	for (u64 at = 0; at < MIB(8); at += 4096) {
		u64 page = at / 4096 % 512, shift = at / MIB(2) == 2 && page == 511 ? GIB(1)
						    : at / MIB(2) == 3		    ? 4096
										    : 0;
		unsigned rights = at / MIB(2) == 1 && page == 300 ? GSTAGE_READ : GSTAGE_ALL;

		if (at / MIB(2) == 0 && page == 511)
			continue;
		assert_int_equal(map(BASE + at, 0, HOST + at + shift, rights), 0);
	}
	for (u64 at = 0; at < MIB(8); at += MIB(2))
		assert_int_equal(gstage_collapse(&g, GPA(BASE + at), 1), -EAGAIN);
	assert_leaf(BASE, HOST, GSTAGE_ALL, 0);
	assert_leaf(BASE + MIB(6), HOST + MIB(6) + 4096, GSTAGE_ALL, 0);
	assert_int_equal(fences(), 0);
	assert_int_equal(map(BASE + MIB(2) - 4096, 0, HOST + MIB(2) - 4096, GSTAGE_ALL), 0);
	assert_int_equal(map(BASE + MIB(2) + 300 * 4096, 0, HOST + MIB(2) + 300 * 4096, GSTAGE_ALL), 0);
	assert_int_equal(gstage_collapse(&g, GPA(BASE), 1), 0);
	assert_int_equal(gstage_collapse(&g, GPA(BASE + MIB(2)), 1), 0);
	assert_leaf(BASE + MIB(2) + 300 * 4096, HOST + MIB(2) + 300 * 4096, GSTAGE_ALL, 1);
}

/* Memory of a removed table: not before the fence, not while somebody walks. */
static size_t free_at_fence;

static void note_free_pages(unsigned vmid, u64 harts, gpa_t from, u64 bytes)
{
	(void)vmid, (void)harts, (void)from, (void)bytes;
	for (unsigned i = 0; i < 100; i++)
		gstage_quiescent(0);
	free_at_fence = pages_free();
}

static void tables_wait_for_fence_and_harts(void **state)
{
	size_t before;

	(void)state;
	assert_int_equal(map(BASE, 0, HOST, GSTAGE_ALL), 0);
	before = pages_free();
	host->on_fence = note_free_pages;
	host_be_hart(2);
	gstage_enter();
	host_be_hart(0);
	assert_int_equal(gstage_zap(&g, GPA(BASE), MIB(2)), 0);
	assert_int_equal(free_at_fence, before);
	let_tables_go();
	assert_int_equal(pages_free(), before);
	host_be_hart(2);
	gstage_leave();
	host_be_hart(0);
	let_tables_go();
	assert_int_equal(pages_free(), before + 1);
	host->on_fence = NULL;
}

static void no_fence_for_a_vm_that_never_ran(void **state)
{
	(void)state;
	g.harts = 0;
	assert_int_equal(map(BASE, 0, HOST, GSTAGE_ALL), 0);
	assert_int_equal(gstage_zap(&g, GPA(BASE), MIB(2)), 0);
	assert_int_equal(fences(), 0);
	assert_int_equal(g.generation, 1);
}

static void destroy_frees_what_stands(void **state)
{
	(void)state;
	assert_int_equal(map(BASE, 0, HOST, GSTAGE_ALL), 0);
	assert_int_equal(map(BASE + GIB(1), 1, HOST, GSTAGE_ALL), 0);
	gstage_destroy(&g);
	assert_int_equal(pages_free(), pages_before + 4);
	gstage_destroy(&g);
	assert_int_equal(gstage_create(&g, gstage_format_for(GIB(8)), VMID), 0);
	pages_before = pages_free();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_smallest_format_is_taken),
		TEST(entries_are_the_specifications),
		TEST(leaves_of_all_sizes_in_all_formats),
		TEST(a_filled_entry_is_a_spurious_fault),
		TEST(another_translation_is_an_error),
		TEST(a_table_in_the_way_gets_the_smaller_leaf),
		TEST(rights_grow_in_place_but_writing_not_in_huge_leaves),
		TEST(a_protected_huge_leaf_never_becomes_writable),
		TEST(write_protection_takes_whole_leaves),
		TEST(zap_removes_and_fences_once),
		TEST(zap_splits_at_the_ends),
		TEST(zap_without_memory_says_so),
		TEST(split_keeps_translations),
		TEST(collapse_is_the_reverse_of_split),
		TEST(collapse_wants_one_and_the_same),
		TEST(tables_wait_for_fence_and_harts),
		TEST(no_fence_for_a_vm_that_never_ran),
		TEST(destroy_frees_what_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
