/*
 * What the files of gstage share: the walker, and the steps that change the shape of the tables.
 *
 * The invariants that make it right without locks:
 *  1. An entry changes by compare-and-swap from a value that was not FROZEN, or by a store of who made it FROZEN.
 *     So a FROZEN entry has one owner, who makes it something else within at most a table's length of steps, and waits
 *     meanwhile for entries below it only: owners never wait in a circle.
 *  2. All entries of a table that has been unlinked are FROZEN and stay so. Who still holds a pointer to it can change
 *     nothing there, finds nothing there, and starts again at the root.
 *  3. The memory of an unlinked table becomes something else only after the fence (no hart's hardware knows it) and
 *     after each hart has left the operation that it was in (no hart's software does): see epoch.c.
 *  4. A leaf gets stricter, or goes, only in an operation that fences afterwards, before it returns. That it found
 *     nothing to do is no exception: another hart may have done it and not have come to its fence yet.
 *  5. A leaf of a level above 0 never gains the right to write.
 */
#ifndef CORE_GSTAGE_WALK_H
#define CORE_GSTAGE_WALK_H

#include "core/gstage/entry.h"
#include "core/lib/errno.h"

/*
 * Around each operation that walks: what it meets on its way stays a table until it leaves. Not nested, and no change
 * of hart in between.
 */
void gstage_enter(void);
void gstage_leave(void);

/* Waits until every hart has left the operation that it is in now. Not in one. */
void gstage_synchronize(void);

/* Where a walk ended. */
struct place {
	u64 *slot;
	u64 value; /* never FROZEN */
	unsigned level;
};

/* Tables that have been unlinked, on their way to the fence. */
struct removed {
	u64 *first;
	u64 *last;
};

static inline unsigned gstage_top(const struct gstage *g)
{
	return g->format->levels - 1;
}

/* Guest physical addresses below it are those that the format can express. */
static inline u64 gstage_limit(const struct gstage *g)
{
	return level_size(gstage_top(g)) << g->format->root_bits;
}

/*
 * Follows tables from the root towards `at` (below the limit) until an entry that is none, or until level `down_to`.
 * Waits out FROZEN entries.
 */
struct place gstage_walk(const struct gstage *g, u64 at, unsigned down_to);

/*
 * Puts an empty table under an empty entry of a level above 0, the one over `at`. 0 also if somebody else was faster; -ENOMEM,
 * or what the hook says.
 */
int gstage_link(struct gstage *g, const struct place *p, u64 at);

/* Replaces a leaf of a level above 0 by a table of 512 that say the same. 0 also if the entry has changed; as gstage_link. */
int gstage_split_leaf(struct gstage *g, const struct place *p, u64 at);

/*
 * Makes the entry, which is the one over `at`, `next`; asks the hook, if there is one. -EAGAIN: it has changed meanwhile; else
 * what the hook says.
 */
int gstage_change_asked(struct gstage *g, const struct place *p, u64 at, enum gstage_change change, u64 next);
static inline int gstage_change(struct gstage *g, const struct place *p, u64 at, enum gstage_change change,
				u64 next)
{
	if (__builtin_expect(g->hook != NULL, 0))
		return gstage_change_asked(g, p, at, change, next);
	return entry_swap(p->slot, p->value, next) ? 0 : -EAGAIN;
}

/* gstage_zap of tables with a hook. */
int gstage_zap_asked(struct gstage *g, u64 from, u64 end);

/* Takes an entry that nobody has FROZEN and makes it FROZEN; returns what it was. Waits for a present owner. */
u64 gstage_freeze(u64 *slot);

/* Notes an unlinked table, whose entries are all FROZEN. */
void gstage_remove(struct gstage *g, struct removed *list, u64 *table);

/* The one fence of an operation on [from, from + bytes), if that is anything; then retires the tables of the list. */
void gstage_fence(struct gstage *g, u64 from, u64 bytes, const struct removed *list);

/* Frees the tables of the list once every hart has left the operation that it is in now. They have been fenced. */
void gstage_retire(const struct removed *list);

/* An entry of an unlinked table as link to the next one of a list: FROZEN for who does not know. */
static inline void removed_link(u64 *table, const u64 *next)
{
	entry_store(table, next ? (u64)(uintptr_t)next : ENTRY_FROZEN);
}

static inline u64 *removed_next(const u64 *table)
{
	u64 link = entry_load(table);

	return link == ENTRY_FROZEN ? NULL : (u64 *)(uintptr_t)link;
}

#endif
