/*
 * The storm over tables with a hook: harts fault, zap, split, collapse and reclaim, and a model of the warden at the other end of
 * the hook has the tables that it has been told of. It rejects every illegal sequence: a second set of an entry, a clear of
 * an empty one, a table linked twice or reclaimed with entries, a change below or above one that is under way; and it refuses
 * some that are legal, which then must not have happened. In the end both sides are the same.
 *
 * Included behind gstage_storm.h, whose guest, harts and locks it has.
 */
#ifndef TESTS_MODEL_MIRROR_STORM_H
#define TESTS_MODEL_MIRROR_STORM_H

#define TOPS 2	/* entries of level 2 over the guest */
#define ODDS 16 /* one of so many changes is refused */

enum told {
	TOLD_EMPTY,
	TOLD_TABLE,
	TOLD_LEAF,
};

/* What the warden has, by level; and which entries are being asked about. */
static struct {
	storm_lock_t lock;
	enum told page[PAGES], block[BLOCKS], top[TOPS];
	bool page_busy[PAGES], block_busy[BLOCKS], top_busy[TOPS];
	u64 seed;
	u64 changes, refusals;
	bool ended;
} told;

static u64 top_of(u64 at)
{
	return at / level_size(2) - FROM / level_size(2);
}

static u64 block_of(u64 at)
{
	return (at - FROM) / level_size(1);
}

static u64 page_of(u64 at)
{
	return (at - FROM) / PAGE_SIZE;
}

struct told_entry {
	enum told *is;
	bool *busy;
	enum told *below; /* the entries below it that the model has */
	bool *below_busy;
	u64 count;
	bool parent_busy, parent_table;
};

static struct told_entry told_entry(u64 at, unsigned level)
{
	u64 t = top_of(at), b;

	check(t < TOPS, "a change outside of the guest");
	if (level == 2) {
		/* Of each GiB one block is the guest's. */
		return (struct told_entry){
			&told.top[t], &told.top_busy[t], &told.block[t], &told.block_busy[t], 1, false, true
		};
	}
	b = block_of(at);
	check(b < BLOCKS && level < 2, "a change outside of the guest");
	if (level == 1)
		return (struct told_entry){ &told.block[b],
					    &told.block_busy[b],
					    &told.page[b * TABLE_ENTRIES],
					    &told.page_busy[b * TABLE_ENTRIES],
					    TABLE_ENTRIES,
					    told.top_busy[t],
					    told.top[t] == TOLD_TABLE };
	return (struct told_entry){ &told.page[page_of(at)], &told.page_busy[page_of(at)], NULL, NULL, 0,
				    told.block_busy[b],	     told.block[b] == TOLD_TABLE };
}

static bool all_below(const struct told_entry *e, enum told are)
{
	for (u64 i = 0; i < e->count; i++)
		if (e->below[i] != are)
			return false;
	return true;
}

static bool legal(const struct told_entry *e, enum gstage_change change)
{
	switch (change) {
	case GSTAGE_LINK:
		return *e->is == TOLD_EMPTY && e->count;
	case GSTAGE_SET:
		return *e->is == TOLD_EMPTY;
	case GSTAGE_CLEAR:
	case GSTAGE_SPLIT:
		return *e->is == TOLD_LEAF;
	case GSTAGE_RECLAIM:
		return *e->is == TOLD_TABLE && all_below(e, TOLD_EMPTY);
	case GSTAGE_COLLAPSE:
		return *e->is == TOLD_TABLE && all_below(e, TOLD_LEAF);
	}
	return false;
}

static void apply(const struct told_entry *e, enum gstage_change change)
{
	static const enum told becomes[] = {
		[GSTAGE_LINK] = TOLD_TABLE,    [GSTAGE_SET] = TOLD_LEAF,    [GSTAGE_CLEAR] = TOLD_EMPTY,
		[GSTAGE_RECLAIM] = TOLD_EMPTY, [GSTAGE_SPLIT] = TOLD_TABLE, [GSTAGE_COLLAPSE] = TOLD_LEAF,
	};

	*e->is = becomes[change];
	for (u64 i = 0; i < e->count; i++) {
		if (change == GSTAGE_SPLIT)
			e->below[i] = TOLD_LEAF;
		else if (change == GSTAGE_COLLAPSE)
			e->below[i] = TOLD_EMPTY;
	}
}

static int told_hook(struct gstage *tables, enum gstage_change change, gpa_t at, unsigned level, hpa_t to)
{
	const struct told_entry e = told_entry(at.a, level);
	bool refuse;

	check(tables == &g && at.a % level_size(level) == 0, "a change of something else");
	storm_lock(&told.lock);
	check(!*e.busy && !e.parent_busy, "an entry changes twice at a time, or above a change");
	for (u64 i = 0; i < e.count; i++)
		check(!e.below_busy[i] || change == GSTAGE_LINK, "an entry changes below another change");
	check(e.parent_table && legal(&e, change), "an illegal change");
	if (change == GSTAGE_SET || change == GSTAGE_CLEAR || change == GSTAGE_COLLAPSE)
		check(to.a == host_of(page_of(at.a), 0), "a leaf to somewhere else");
	*e.busy = true;
	refuse = next_random(&told.seed, ODDS) == 0;
	storm_unlock(&told.lock);
	if (!told.ended)
		arch_relax();
	storm_lock(&told.lock);
	*e.busy = false;
	told.changes++;
	told.refusals += refuse;
	if (!refuse)
		apply(&e, change);
	storm_unlock(&told.lock);
	return refuse ? -EIO : 0;
}

static void fine(int error, int other)
{
	check(!error || error == -EIO || error == other, "no such error is possible");
}

/* One hart. All do everything: a conversion is a split, a zap and a fault. */
static void mirror_hart(unsigned hart)
{
	u64 seed = storm_seed * 1000 + hart + 1;

	host_be_hart(hart);
	for (unsigned round = 0; round < STORM_ROUNDS; round++) {
		u64 n = next_random(&seed, BLOCKS);
		u64 page = n * TABLE_ENTRIES + next_random(&seed, STORM_PAGES) * STEP;
		const gpa_t at = GPA(FROM + page * PAGE_SIZE), from = GPA(FROM + n * level_size(1));

		switch (next_random(&seed, 10)) {
		case 0:
			fine(gstage_zap(&g, at, PAGE_SIZE), 0);
			break;
		case 1:
			fine(gstage_zap(&g, from, level_size(1)), 0);
			break;
		case 2:
			fine(gstage_split(&g, at, 0), -ENOENT);
			break;
		case 3:
			for (u64 i = 0; i < TABLE_ENTRIES; i++) {
				const hpa_t to = HPA(host_of(n * TABLE_ENTRIES + i, 0));

				fine(gstage_map(&g, GPA(from.a + i * PAGE_SIZE), 0, to, GSTAGE_ALL), 0);
			}
			fine(gstage_collapse(&g, at, 1), -EAGAIN);
			break;
		case 4:
			fine(gstage_reclaim(&g, at), 0);
			break;
		case 5:
			if (next_random(&seed, STORM_WHOLE_ZAPS) == 0)
				fine(gstage_zap(&g, GPA(0), 4 * level_size(2)), 0);
			break;
		default: {
			unsigned level = next_random(&seed, 2) == 0;
			const hpa_t to = HPA(host_of(level ? n * TABLE_ENTRIES : page, 0));

			fine(gstage_map(&g, at, level, to, GSTAGE_ALL), 0);
			break;
		}
		}
		gstage_quiescent(hart);
	}
}

static void mirror_begin(u64 seed)
{
	storm_begin(seed);
	g.hook = told_hook;
	told.seed = seed * 77 + 1;
	memset(told.page, 0, sizeof(told.page));
	memset(told.block, 0, sizeof(told.block));
	memset(told.top, 0, sizeof(told.top));
	told.changes = told.refusals = 0;
	told.ended = false;
}

/* Both sides are the same; nothing is left once nobody refuses. */
static void mirror_end(void)
{
	u64 tables = 0;

	host_be_hart(0);
	told.ended = true;
	check(told.refusals && told.changes > told.refusals, "nothing has happened");
	for (unsigned t = 0; t < TOPS; t++)
		tables += told.top[t] == TOLD_TABLE;
	for (u64 page = 0; page < PAGES; page++) {
		const struct gstage_leaf leaf = gstage_lookup(&g, GPA(FROM + page * PAGE_SIZE));
		const enum told over = told.block[page / TABLE_ENTRIES];

		tables += page % TABLE_ENTRIES == 0 && over == TOLD_TABLE;
		check((leaf.rights != 0) == (over == TOLD_LEAF || told.page[page] == TOLD_LEAF),
		      "the two sides differ");
		check(!leaf.rights || leaf.host.a == host_of(page, 0), "a leaf to somewhere else");
		check(!leaf.rights || (leaf.level != 0) == (over == TOLD_LEAF),
		      "leaves differ in their size");
	}
	check(tables == g.tables, "tables differ");
	/* Refused at times: again until none is left. */
	for (unsigned i = 0; g.tables && i < 10000; i++)
		fine(gstage_zap(&g, GPA(0), 4 * level_size(2)), 0);
	for (unsigned t = 0; t < TOPS; t++)
		check(told.top[t] == TOLD_EMPTY, "the warden has a table left");
	check(g.tables == 0, "tables are lost");
	for (unsigned i = 0; i < 1000; i++)
		gstage_quiescent(0);
	gstage_destroy(&g);
}

#endif
