/*
 * G-stage tables against a simple model: random operations on one side, an array with an entry for each page on the
 * other, and harts with TLBs that only fences empty.
 *
 * After every operation: each page translates as the array says; leaves are aligned and no larger than asked for; no
 * TLB holds what the tables do not say; no huge leaf has gained the right to write; what is counted as table memory is
 * there. The seed is printed; GSTAGE_SEED repeats a run, GSTAGE_ROUNDS makes it longer.
 */
#include "core/gstage/walk.h"
#include "core/lib/errno.h"
#include "core/memory/pages.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The pages that the model knows: 2 GiB and 8 MiB, across boundaries of 1 GiB. */
#define FROM	  (GIB(3) - MIB(8))
#define PAGES	  ((GIB(2) + MIB(16)) / PAGE_SIZE)
#define END	  (FROM + PAGES * PAGE_SIZE)
#define HOT_SPOTS 6

struct page {
	u64 host;
	unsigned rights; /* 0: nothing */
};

static struct page *model;
static struct gstage g;
static u64 seed;

static u64 next_random(u64 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static struct page *page_at(u64 at)
{
	return &model[(at - FROM) / PAGE_SIZE];
}

/* Mostly a few blocks, so that operations meet; now and then anywhere. */
static u64 random_page(void)
{
	u64 block;

	if (next_random(20) == 0)
		return FROM + next_random(PAGES) * PAGE_SIZE;
	block = next_random(HOT_SPOTS);
	return FROM + MIB(6) + block * MIB(2) +
	       (next_random(3) ? next_random(8) : next_random(512)) * PAGE_SIZE;
}

/* ---- TLBs ---- */

#define HARTS	    4
#define TLB_ENTRIES 64

static struct {
	u64 at; /* a page; 0: empty */
	u64 host;
	unsigned rights;
} tlb[HARTS][TLB_ENTRIES];

static void fence(unsigned vmid, u64 harts, gpa_t from, u64 bytes)
{
	assert_int_equal(vmid, 9);
	for (unsigned h = 0; h < HARTS; h++) {
		for (unsigned i = 0; i < TLB_ENTRIES; i++) {
			if ((harts >> h & 1) &&
			    (!bytes || (tlb[h][i].at + PAGE_SIZE > from.a && tlb[h][i].at < from.a + bytes)))
				tlb[h][i].at = 0;
		}
	}
}

static void tlb_fill(u64 at)
{
	struct gstage_leaf l = gstage_lookup(&g, GPA(at));
	unsigned h = (unsigned)next_random(HARTS), i = (unsigned)next_random(TLB_ENTRIES);

	if (!l.rights)
		return;
	__atomic_fetch_or(&g.harts, 1ull << h, __ATOMIC_SEQ_CST);
	tlb[h][i].at = at;
	tlb[h][i].host = l.host.a;
	tlb[h][i].rights = l.rights;
}

static void check_tlbs(void)
{
	for (unsigned h = 0; h < HARTS; h++) {
		for (unsigned i = 0; i < TLB_ENTRIES; i++) {
			const struct page *p;

			if (!tlb[h][i].at)
				continue;
			p = page_at(tlb[h][i].at);
			if (tlb[h][i].host != p->host || (tlb[h][i].rights & ~p->rights))
				fail_msg("a TLB holds what has been removed: page %lx", tlb[h][i].at);
		}
	}
}

/* ---- Checks ---- */

static struct gstage_leaf check_page(u64 at)
{
	const struct page *p = page_at(at);
	struct gstage_leaf l = gstage_lookup(&g, GPA(at));

	if (l.rights != p->rights || (p->rights && l.host.a != p->host))
		fail_msg("page %lx: host %lx rights %u, should be %lx %u", at, l.host.a, l.rights, p->host,
			 p->rights);
	return l;
}

static void check_around(u64 at)
{
	u64 block = ALIGN_DOWN(at, MIB(2));

	for (u64 i = 0; i < MIB(2); i += PAGE_SIZE)
		check_page(block + i);
	for (u64 spot = FROM; spot < END; spot += MIB(2) - PAGE_SIZE)
		check_page(spot);
	for (unsigned i = 0; i < 50; i++)
		check_page(random_page());
}

static u64 count_tables(const u64 *table, unsigned entries)
{
	u64 count = 0;

	for (unsigned i = 0; i < entries; i++) {
		assert_false(entry_frozen(table[i]));
		if (entry_table(table[i]))
			count += 1 + count_tables(entry_to_table(table[i]), TABLE_ENTRIES);
	}
	return count;
}

/* ---- Operations, on both sides ---- */

/* Sets what a leaf over `at` now says in the model, and checks that it may. */
static void model_leaf(u64 at, struct gstage_leaf l)
{
	u64 size = level_size(l.level), first = ALIGN_DOWN(at, size), to = l.host.a - (at - first);

	assert_int_equal(to % size, 0);
	for (u64 i = first < FROM ? FROM : first; i < first + size && i < END; i += PAGE_SIZE) {
		struct page *p = page_at(i);

		if (p->rights) {
			assert_int_equal(p->host, to + (i - first));
			assert_int_equal(p->rights & ~l.rights, 0);
			if (l.level > 0)
				assert_int_equal(l.rights & GSTAGE_WRITE & ~p->rights, 0);
		}
		p->host = to + (i - first);
		p->rights = l.rights;
	}
}

/* Offsets of host memory that keep leaves aligned; several, so that translations can disagree. */
static const u64 offsets[] = { GIB(8), GIB(8), GIB(8), GIB(8) + MIB(2), GIB(12) + PAGE_SIZE };

static int map(u64 at, unsigned level, u64 to, unsigned rights)
{
	const gpa_t guest = GPA(at);
	const hpa_t memory = HPA(to);

	return gstage_map(&g, guest, level, memory, rights);
}

static void do_map(void)
{
	u64 at = random_page(), offset = offsets[next_random(ARRAY_SIZE(offsets))];
	unsigned level = (unsigned)(next_random(10) ? next_random(2) : next_random(3));
	unsigned rights = next_random(3) ? GSTAGE_ALL : (unsigned)next_random(7) + 1;
	struct page before = *page_at(at);
	struct gstage_leaf l;
	u64 to;
	int error;

	while (offset % level_size(level))
		level--;
	/* The model ends somewhere: leaves must not reach beyond. */
	while (ALIGN_DOWN(at, level_size(level)) < FROM ||
	       ALIGN_DOWN(at, level_size(level)) + level_size(level) > END)
		level--;
	if (rights & GSTAGE_WRITE)
		rights |= GSTAGE_READ;
	to = ALIGN_DOWN(at, level_size(level)) + offset;
	error = map(at + next_random(PAGE_SIZE), level, to, rights);
	if (before.rights && before.host != at + offset) {
		assert_int_equal(error, -EEXIST);
		check_around(at);
		return;
	}
	assert_int_equal(error, 0);
	l = gstage_lookup(&g, GPA(at));
	assert_int_equal(l.host.a, at + offset);
	assert_int_equal(l.rights, before.rights | rights);
	if (!before.rights)
		assert_true(l.level <= level);
	model_leaf(at, l);
	check_around(at);
}

static u64 random_bytes(void)
{
	switch (next_random(6)) {
	case 0:
		return MIB(2);
	case 1:
		return next_random(MIB(8)) + 1;
	case 2:
		return next_random(20) ? PAGE_SIZE : GIB(1) + next_random(GIB(1));
	default:
		return (next_random(16) + 1) * PAGE_SIZE;
	}
}

static void do_zap(void)
{
	u64 at = random_page(), bytes = random_bytes();

	if (next_random(3) == 0)
		at = ALIGN_DOWN(at, MIB(2));
	if (at < FROM)
		at = FROM;
	assert_int_equal(gstage_zap(&g, GPA(at), bytes), 0);
	for (u64 i = at; i < at + bytes && i < END; i += PAGE_SIZE)
		page_at(i)->rights = 0;
	check_around(at);
	if (at + bytes < END)
		check_around(at + bytes);
}

static void do_write_protect(void)
{
	u64 at = random_page(), bytes = random_bytes(), i = at;

	/* Whole leaves: ask for their size before. */
	while (i < at + bytes && i < END) {
		struct gstage_leaf l = gstage_lookup(&g, GPA(i));
		u64 size = l.rights ? level_size(l.level) : PAGE_SIZE, first = ALIGN_DOWN(i, size);

		for (u64 k = first; k < first + size && k < END; k += PAGE_SIZE)
			page_at(k)->rights &= ~GSTAGE_WRITE;
		i = first + size;
	}
	assert_int_equal(gstage_write_protect(&g, GPA(at), bytes), 0);
	check_around(at);
	check_around(i < END ? i : END - PAGE_SIZE);
}

static void do_split(void)
{
	u64 at = random_page();
	unsigned level = (unsigned)next_random(3);
	int error = gstage_split(&g, GPA(at), level);

	assert_int_equal(error, page_at(at)->rights ? 0 : -ENOENT);
	assert_true(gstage_lookup(&g, GPA(at)).level <= level || error);
	check_around(at);
}

/* True if the model's pages could be one leaf. */
static bool uniform(u64 at, unsigned level)
{
	u64 size = level_size(level), first = ALIGN_DOWN(at, size);
	const struct page *p;

	if (first < FROM || first + size > END)
		return false;
	p = page_at(first);
	if (!p->rights || p->host % size)
		return false;
	for (u64 i = 0; i < size / PAGE_SIZE; i++) {
		if (p[i].rights != p->rights || p[i].host != p->host + i * PAGE_SIZE)
			return false;
	}
	return true;
}

static void do_collapse(void)
{
	u64 at = random_page();
	unsigned level = (unsigned)next_random(3);
	int error = gstage_collapse(&g, GPA(at), level);

	if (!error) {
		assert_true(uniform(at, level));
		assert_true(gstage_lookup(&g, GPA(at)).level >= level);
	} else {
		assert_int_equal(error, -EAGAIN);
		assert_true(level != 1 || !uniform(at, level));
	}
	check_around(at);
}

/* A block gets all its pages one by one, so that there is something to collapse. */
static void do_fill_block(void)
{
	u64 first = ALIGN_DOWN(random_page(), MIB(2));

	for (u64 at = first; at < first + MIB(2); at += PAGE_SIZE) {
		if (page_at(at)->rights)
			continue;
		assert_int_equal(map(at, 0, at + GIB(8), GSTAGE_ALL), 0);
		model_leaf(at, gstage_lookup(&g, GPA(at)));
	}
	check_around(first);
}

static void one_round(void)
{
	static void (*const operations[])(void) = {
		do_map, do_map,		  do_map,   do_map,	 do_map,      do_zap,
		do_zap, do_write_protect, do_split, do_collapse, do_collapse,
	};

	if (next_random(200) == 0)
		do_fill_block();
	else
		operations[next_random(ARRAY_SIZE(operations))]();
	for (unsigned i = 0; i < 8; i++)
		tlb_fill(random_page());
	check_tlbs();
	gstage_quiescent(0);
}

static void random_operations(void **state)
{
	unsigned levels = *(const unsigned *)*state;
	unsigned rounds = getenv("GSTAGE_ROUNDS") ? (unsigned)atoi(getenv("GSTAGE_ROUNDS")) : 20000;
	size_t pages_before;

	seed = getenv("GSTAGE_SEED") ? strtoull(getenv("GSTAGE_SEED"), NULL, 0) : 0x9e3779b97f4a7c15 + levels;
	print_message("seed %lx, %u levels\n", seed, levels);
	fixture_start();
	host->on_fence = fence;
	model = calloc(PAGES, sizeof(*model));
	assert_int_equal(gstage_create(&g, gstage_format_for(1ull << (14 + 9 * levels)), 9), 0);
	assert_int_equal(g.format->levels, levels);
	pages_before = pages_free();
	for (unsigned i = 0; i < rounds; i++) {
		one_round();
		if (i % 64 == 0)
			assert_int_equal(count_tables(g.root, 2048), g.tables);
	}
	for (u64 at = FROM; at < END; at += PAGE_SIZE)
		check_page(at);
	assert_int_equal(gstage_zap(&g, GPA(0), ~0ull), 0);
	assert_int_equal(g.tables, 0);
	for (unsigned i = 0; i < 1000; i++)
		gstage_quiescent(0);
	assert_int_equal(pages_free(), pages_before);
	gstage_destroy(&g);
	free(model);
}

int main(void)
{
	static unsigned levels[] = { 3, 4, 5 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(random_operations, &levels[0]),
		cmocka_unit_test_prestate(random_operations, &levels[1]),
		cmocka_unit_test_prestate(random_operations, &levels[2]),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
