/*
 * Operations on a range: removing translations, write protection. They go entry by entry, each from the root, and are
 * never in anybody's way for longer than it takes to empty one table.
 */
#include "core/arch.h"
#include "core/gstage/walk.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"

struct range {
	u64 from;
	u64 end;
};

/* What of [from, from + bytes) the tables can express, in whole pages. */
static struct range range_of(const struct gstage *g, gpa_t from, u64 bytes)
{
	u64 limit = gstage_limit(g);
	struct range r = { .from = ALIGN_DOWN(from.a, PAGE_SIZE), .end = limit };

	if (r.from > limit)
		r.from = limit;
	if (range_inside(from.a, bytes, 0, limit))
		r.end = ALIGN_UP(from.a + bytes, PAGE_SIZE);
	if (r.end < r.from || !bytes)
		r.end = r.from;
	return r;
}

/* First address behind the entry of `level` that covers `at`. */
static u64 entry_end(u64 at, unsigned level)
{
	return ALIGN_DOWN(at, level_size(level)) + level_size(level);
}

static bool entry_inside(u64 at, unsigned level, struct range r)
{
	return ALIGN_DOWN(at, level_size(level)) >= r.from && entry_end(at, level) <= r.end;
}

/* Takes all that is in a table out of the way of everybody: see invariant 2 in walk.h. */
static void kill_table(struct gstage *g, struct removed *list, u64 *table)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		u64 was = gstage_freeze(&table[i]);

		/* Only what faults have put there since the passes below emptied it. */
		if (entry_table(was))
			kill_table(g, list, entry_to_table(was));
	}
	gstage_remove(g, list, table);
}

/* Unlinks the table under an entry. False if the entry has changed meanwhile. */
static bool unlink_table(struct gstage *g, struct removed *list, const struct place *p)
{
	if (!entry_swap(p->slot, p->value, ENTRY_FROZEN))
		return false;
	kill_table(g, list, entry_to_table(p->value));
	entry_store(p->slot, ENTRY_EMPTY);
	return true;
}

/* Removes what translates `at`, up to the entry's or the range's end. Returns where to go on, 0: no memory for a split. */
static u64 zap_step(struct gstage *g, struct removed *list, u64 at, struct range r)
{
	/* A table of pages that goes altogether goes at once; else page by page. */
	struct place p = gstage_walk(g, at, entry_inside(at, 1, r) ? 1 : 0);
	u64 next = entry_end(at, p.level);

	if (p.value == ENTRY_EMPTY)
		return next;
	if (entry_table(p.value)) {
		arch_beat();
		return unlink_table(g, list, &p) ? next : at;
	}
	if (entry_inside(at, p.level, r))
		return entry_swap(p.slot, p.value, ENTRY_EMPTY) ? next : at;
	return gstage_split_leaf(g, &p, at) ? 0 : at;
}

/* Removes tables that only hold what lies in the range, level by level, so that each is nearly empty when it goes. */
static void zap_tables(struct gstage *g, struct removed *list, struct range r)
{
	for (unsigned level = 2; level <= gstage_top(g); level++) {
		for (u64 at = r.from; at < r.end;) {
			struct place p = gstage_walk(g, at, level);

			if (entry_table(p.value) && entry_inside(at, p.level, r) &&
			    !unlink_table(g, list, &p))
				continue;
			at = entry_end(at, p.level);
			arch_beat();
		}
	}
}

static int zap(struct gstage *g, struct range r)
{
	struct removed list = { 0 };
	u64 at = r.from, next = 1;

	gstage_enter();
	while (at < r.end && next) {
		next = zap_step(g, &list, at, r);
		if (next)
			at = next;
	}
	if (next)
		zap_tables(g, &list, r);
	gstage_fence(g, r.from, r.end - r.from, &list);
	gstage_leave();
	return next ? 0 : -ENOMEM;
}

int gstage_zap(struct gstage *g, gpa_t from, u64 bytes)
{
	struct range r = range_of(g, from, bytes);

	return g->hook ? gstage_zap_asked(g, r.from, r.end) : zap(g, r);
}

void gstage_forget(struct gstage *g)
{
	/* Whole tables: nothing is split. */
	(void)zap(g, (struct range){ .from = 0, .end = gstage_limit(g) });
}

int gstage_write_protect(struct gstage *g, gpa_t from, u64 bytes)
{
	struct range r = range_of(g, from, bytes);
	struct removed none = { 0 };
	u64 at = r.from, low = r.from;

	if (g->hook)
		return -EPERM;
	gstage_enter();
	while (at < r.end) {
		struct place p = gstage_walk(g, at, 0);

		if (entry_leaf(p.value) && (p.value & ENTRY_W) &&
		    !entry_swap(p.slot, p.value, p.value & ~ENTRY_W))
			continue;
		/* A leaf across the beginning has got stricter as a whole. */
		if (at == r.from)
			low = ALIGN_DOWN(at, level_size(p.level));
		at = entry_end(at, p.level);
		if (at % BLOCK_SIZE == 0)
			arch_beat();
	}
	gstage_fence(g, low, at - low, &none);
	gstage_leave();
	return 0;
}
