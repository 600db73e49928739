/*
 * The storm over G-stage tables: what vCPUs and managers do, and what must hold. gstage_tsan.c runs it with threads
 * under the thread sanitizer, gstage_race_model.c with a scheduler of its own that tries interleavings.
 *
 * What must hold:
 *  - Host memory that was mapped before a zap began is not reached by any hart after the zap has returned.
 *  - A write after a write protection has returned comes with a fault: the dirty log loses none.
 *  - A page never translates to the place of another.
 *  - In the end all tables come back.
 *
 * Whoever includes it defines STORM_ROUNDS, STORM_PAGES, STORM_WHOLE_ZAPS (one of so many of their kind), and storm_lock_t with storm_lock and storm_unlock.
 */
#ifndef TESTS_MODEL_GSTAGE_STORM_H
#define TESTS_MODEL_GSTAGE_STORM_H

#include "core/gstage/walk.h"
#include "core/lib/errno.h"
#include "core/memory/pages.h"
#include "tests/lib/fixture.h"

#define VCPUS	 3
#define MANAGERS 2
#define HARTS	 (VCPUS + MANAGERS + 1) /* the last one only write-protects */

/*
 * The guest: a block of one table on each side of a boundary between tables of the second level. STORM_PAGES pages of
 * each are in use.
 */
#define BLOCKS	   2
#define FROM	   (3 * level_size(2) - level_size(1))
#define PAGES	   (BLOCKS * TABLE_ENTRIES)
#define STEP	   (TABLE_ENTRIES / STORM_PAGES)
#define GENERATION (BLOCKS * level_size(1))

static struct gstage g;
static u64 storm_seed;

static void check(bool holds, const char *what)
{
	if (!holds)
		host_fail(what);
}

static u64 next_random(u64 *seed, u64 below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

/*
 * Each block has a generation of host memory: page n of generation k lies at (k + 1) * GENERATION + n pages. To take a
 * block's memory away, a manager makes faults use the next generation, waits for those under way, and zaps. After that
 * nobody reaches what is older than `least`.
 */
static struct {
	u64 generation; /* what faults map */
	u64 faults[2];	/* under way, by generation modulo 2 */
	u64 least;
	u64 busy; /* a manager is at it */
} block[BLOCKS];

/* For write protection: faults that began and ended, and how many must have ended before the page is written again. */
static struct {
	u64 begun, ended, due;
} dirty[PAGES];

static u64 host_of(u64 page, u64 generation)
{
	return (generation + 1) * GENERATION + page * PAGE_SIZE;
}

/* ---- Harts with TLBs ---- */

#define TLB_ENTRIES 16

static struct hart_tlb {
	storm_lock_t lock;
	struct {
		u64 page; /* + 1; 0: empty */
		struct gstage_leaf leaf;
	} entry[TLB_ENTRIES];
} tlb[HARTS];

static void fence(unsigned vmid, u64 harts, gpa_t from, u64 bytes)
{
	(void)vmid;
	for (unsigned h = 0; h < HARTS; h++) {
		if (!(harts >> h & 1))
			continue;
		storm_lock(&tlb[h].lock);
		for (unsigned i = 0; i < TLB_ENTRIES; i++) {
			u64 at = FROM + (tlb[h].entry[i].page - 1) * PAGE_SIZE;

			if (tlb[h].entry[i].page && at + PAGE_SIZE > from.a && at < from.a + bytes)
				tlb[h].entry[i].page = 0;
		}
		storm_unlock(&tlb[h].lock);
	}
}

/* What the hardware does for an access, under the lock that makes it one with its fences. False: it faults. */
static bool access_locked(struct hart_tlb *t, u64 page, unsigned rights)
{
	unsigned i = (unsigned)(page % TLB_ENTRIES);
	struct gstage_leaf *leaf = &t->entry[i].leaf;
	u64 generation;

	if (t->entry[i].page != page + 1) {
		*leaf = gstage_lookup(&g, GPA(FROM + page * PAGE_SIZE));
		t->entry[i].page = leaf->rights ? page + 1 : 0;
	}
	if (!t->entry[i].page || (leaf->rights & rights) != rights)
		return false;
	generation = leaf->host.a / GENERATION - 1;
	check(leaf->host.a == host_of(page, generation), "a page translates to the place of another");
	check(generation >= __atomic_load_n(&block[page / TABLE_ENTRIES].least, __ATOMIC_ACQUIRE),
	      "memory is reached after it was zapped");
	if (rights & GSTAGE_WRITE) {
		u64 due = __atomic_load_n(&dirty[page].due, __ATOMIC_ACQUIRE);
		u64 ended = __atomic_load_n(&dirty[page].ended, __ATOMIC_ACQUIRE);

		check(ended >= due || __atomic_load_n(&dirty[page].begun, __ATOMIC_ACQUIRE) > ended,
		      "a write was not logged");
	}
	return true;
}

static bool access_page(unsigned hart, u64 page, unsigned rights)
{
	bool done;

	storm_lock(&tlb[hart].lock);
	done = access_locked(&tlb[hart], page, rights);
	storm_unlock(&tlb[hart].lock);
	return done;
}

/* The generation to map, which does not go away before fault_end. */
static u64 fault_begin(u64 page)
{
	u64 *newest = &block[page / TABLE_ENTRIES].generation;

	for (;;) {
		u64 k = __atomic_load_n(newest, __ATOMIC_ACQUIRE);

		__atomic_fetch_add(&block[page / TABLE_ENTRIES].faults[k % 2], 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(newest, __ATOMIC_SEQ_CST) == k)
			return k;
		__atomic_fetch_sub(&block[page / TABLE_ENTRIES].faults[k % 2], 1, __ATOMIC_SEQ_CST);
	}
}

static void fault_end(u64 page, u64 k)
{
	__atomic_fetch_sub(&block[page / TABLE_ENTRIES].faults[k % 2], 1, __ATOMIC_SEQ_CST);
}

/* A fault that lets write logs the page as dirty; all pages of the block, if the leaf may be huge. */
static void count(u64 first, u64 pages, bool ended)
{
	for (u64 i = first; i < first + pages; i++)
		__atomic_fetch_add(ended ? &dirty[i].ended : &dirty[i].begun, 1, __ATOMIC_ACQ_REL);
}

static void map_page(u64 page, unsigned level, u64 to, unsigned rights)
{
	const gpa_t guest = GPA(FROM + page * PAGE_SIZE);
	const hpa_t memory = HPA(to);
	int error = gstage_map(&g, guest, level, memory, rights);

	check(!error || error == -EEXIST, "gstage_map: no such error is possible");
}

static void handle_fault(u64 page, unsigned rights, u64 *seed)
{
	u64 generation = fault_begin(page);
	static const unsigned more[] = { GSTAGE_ALL, GSTAGE_ALL, GSTAGE_ALL, GSTAGE_EXEC, GSTAGE_READ };
	unsigned level = next_random(seed, 3) == 0;
	u64 first = level ? page - page % TABLE_ENTRIES : page, pages = level ? TABLE_ENTRIES : 1;

	rights |= more[next_random(seed, ARRAY_SIZE(more))];
	if (rights & GSTAGE_WRITE)
		count(first, pages, false);
	map_page(page, level, host_of(first, generation), rights);
	if (rights & GSTAGE_WRITE)
		count(first, pages, true);
	fault_end(page, generation);
}

/* All pages of a block, so that there is something to collapse. */
static void fill(u64 first)
{
	u64 generation = fault_begin(first);

	for (u64 page = first; page < first + TABLE_ENTRIES; page++) {
		count(page, 1, false);
		map_page(page, 0, host_of(page, generation), GSTAGE_ALL);
		count(page, 1, true);
	}
	fault_end(first, generation);
}

static void vcpu(unsigned hart)
{
	u64 seed = storm_seed * 1000 + hart + 1;

	host_be_hart(hart);
	__atomic_fetch_or(&g.harts, 1ull << hart, __ATOMIC_SEQ_CST);
	for (unsigned round = 0; round < STORM_ROUNDS * 4; round++) {
		u64 page =
			next_random(&seed, BLOCKS) * TABLE_ENTRIES + next_random(&seed, STORM_PAGES) * STEP;
		unsigned rights = next_random(&seed, 2) ? GSTAGE_READ : GSTAGE_READ | GSTAGE_WRITE;

		if (!access_page(hart, page, rights))
			handle_fault(page, rights, &seed);
		if (next_random(&seed, 8) == 0)
			gstage_quiescent(hart);
	}
}

/* Gives a block new memory. */
static void renew(unsigned n)
{
	u64 old;

	if (__atomic_exchange_n(&block[n].busy, 1, __ATOMIC_ACQUIRE))
		return;
	old = __atomic_fetch_add(&block[n].generation, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&block[n].faults[old % 2], __ATOMIC_SEQ_CST))
		arch_relax();
	check(!gstage_zap(&g, GPA(FROM + n * level_size(1)), level_size(1)), "gstage_zap failed");
	__atomic_store_n(&block[n].least, old + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&block[n].busy, 0, __ATOMIC_RELEASE);
}

static void protect(u64 page, u64 pages)
{
	u64 ended[TABLE_ENTRIES];

	for (u64 i = 0; i < pages; i++)
		ended[i] = __atomic_load_n(&dirty[page + i].ended, __ATOMIC_ACQUIRE);
	check(!gstage_write_protect(&g, GPA(FROM + page * PAGE_SIZE), pages * PAGE_SIZE),
	      "gstage_write_protect failed");
	for (u64 i = 0; i < pages; i++) {
		u64 due = __atomic_load_n(&dirty[page + i].due, __ATOMIC_RELAXED);

		while (due < ended[i] + 1 &&
		       !__atomic_compare_exchange_n(&dirty[page + i].due, &due, ended[i] + 1, false,
						    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			;
	}
}

static void manager(unsigned hart)
{
	u64 seed = storm_seed * 1000 + 100 + hart;

	host_be_hart(hart);
	for (unsigned round = 0; round < STORM_ROUNDS; round++) {
		unsigned n = (unsigned)next_random(&seed, BLOCKS);
		u64 page = n * TABLE_ENTRIES + next_random(&seed, STORM_PAGES) * STEP;

		switch (next_random(&seed, 7)) {
		case 0:
			renew(n);
			break;
		case 1:
			check(!gstage_zap(&g, GPA(FROM + page * PAGE_SIZE), PAGE_SIZE), "gstage_zap failed");
			break;
		case 2:
			protect(page, 1);
			break;
		case 3:
			protect(n * TABLE_ENTRIES, TABLE_ENTRIES);
			break;
		case 4:
			gstage_split(&g, GPA(FROM + page * PAGE_SIZE), 0);
			break;
		case 5:
			if (next_random(&seed, TABLE_ENTRIES / 4 + 1) == 0)
				fill(n * TABLE_ENTRIES);
			gstage_collapse(&g, GPA(FROM + page * PAGE_SIZE), 1);
			break;
		default:
			/* Across both tables of the second level, so that they go too. */
			if (next_random(&seed, STORM_WHOLE_ZAPS) == 0)
				check(!gstage_zap(&g, GPA(0), 4 * level_size(2)), "gstage_zap failed");
		}
		gstage_quiescent(hart);
	}
}

static void protector(unsigned hart)
{
	u64 seed = storm_seed * 1000 + 100 + hart;

	host_be_hart(hart);
	for (unsigned round = 0; round < STORM_ROUNDS; round++)
		protect(next_random(&seed, BLOCKS) * TABLE_ENTRIES + next_random(&seed, STORM_PAGES) * STEP,
			1);
}

static size_t pages_before;

static void storm_begin(u64 seed)
{
	fixture_start();
	storm_seed = seed;
	host->on_fence = fence;
	check(!gstage_create(&g, gstage_format_for(4 * level_size(2)), 3), "gstage_create failed");
	pages_before = pages_free();
}

/* What hart `hart` does from beginning to end. */
static void __attribute__((unused)) storm_hart(unsigned hart)
{
	if (hart < VCPUS)
		vcpu(hart);
	else if (hart < VCPUS + MANAGERS)
		manager(hart);
	else
		protector(hart);
}

static void __attribute__((unused)) storm_end(void)
{
	host_be_hart(0);
	check(!gstage_zap(&g, GPA(0), ~0ull), "gstage_zap failed");
	check(g.tables == 0, "tables are lost");
	for (unsigned i = 0; i < 1000; i++)
		gstage_quiescent(0);
	gstage_destroy(&g);
}

#endif
