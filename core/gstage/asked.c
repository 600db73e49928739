/*
 * Tables that somebody else has a copy of, whom the hook asks: the steps that are only theirs. An entry is FROZEN while it asks, and
 * becomes what it was again when it is refused.
 */
#include "core/arch.h"
#include "core/gstage/walk.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"

static int ask(struct gstage *g, enum gstage_change change, u64 at, unsigned level, u64 host)
{
	int error = g->hook(g, change, GPA(ALIGN_DOWN(at, level_size(level))), level, HPA(host));

	ASSERT(error != -EAGAIN);
	return error;
}

int gstage_change_asked(struct gstage *g, const struct place *p, u64 at, enum gstage_change change, u64 next)
{
	int error;

	if (!entry_swap(p->slot, p->value, ENTRY_FROZEN))
		return -EAGAIN;
	error = ask(g, change, at, p->level, entry_address(change == GSTAGE_CLEAR ? p->value : next));
	entry_store(p->slot, error ? p->value : next);
	return error;
}

/* Freezes the entries of a table as long as they are empty; returns how many. */
static unsigned freeze_empty(u64 *table)
{
	unsigned i = 0;

	while (i < TABLE_ENTRIES && entry_load(&table[i]) == ENTRY_EMPTY)
		i++;
	if (i < TABLE_ENTRIES)
		return 0;
	for (i = 0; i < TABLE_ENTRIES; i++)
		if (!entry_swap(&table[i], ENTRY_EMPTY, ENTRY_FROZEN))
			break;
	return i;
}

/* Removes the table under an entry if it is empty. 0 also if it is not, or the entry has changed. */
static int reclaim(struct gstage *g, const struct place *p, u64 at)
{
	u64 *table = entry_to_table(p->value);
	struct removed list = { 0 };
	unsigned frozen;
	int error = 0;

	if (!entry_swap(p->slot, p->value, ENTRY_FROZEN))
		return 0;
	frozen = freeze_empty(table);
	if (frozen == TABLE_ENTRIES)
		error = ask(g, GSTAGE_RECLAIM, at, p->level, 0);
	if (frozen < TABLE_ENTRIES || error) {
		while (frozen-- > 0)
			entry_store(&table[frozen], ENTRY_EMPTY);
		entry_store(p->slot, p->value);
		return error;
	}
	gstage_remove(g, &list, table);
	entry_store(p->slot, ENTRY_EMPTY);
	gstage_retire(&list);
	return 0;
}

int gstage_reclaim(struct gstage *g, gpa_t at)
{
	struct place p;
	int error = 0;

	if (at.a >= gstage_limit(g))
		return 0;
	gstage_enter();
	p = gstage_walk(g, at.a, 1);
	if (p.level == 1 && entry_table(p.value))
		error = reclaim(g, &p, at.a);
	gstage_leave();
	return error;
}

/* Removes the leaf over `at` if it lies in the range; splits it otherwise. -EAGAIN: look again. */
static int clear_leaf(struct gstage *g, const struct place *p, u64 at, u64 from, u64 end)
{
	u64 first = ALIGN_DOWN(at, level_size(p->level));
	int error;

	if (first >= from && first + level_size(p->level) <= end)
		return gstage_change(g, p, at, GSTAGE_CLEAR, ENTRY_EMPTY);
	error = gstage_split_leaf(g, p, at);
	return error ? error : -EAGAIN;
}

static int reclaim_tables(struct gstage *g, unsigned level, u64 from, u64 end)
{
	int error = 0;

	for (u64 at = from; at < end && !error;) {
		struct place p = gstage_walk(g, at, level);
		u64 first = ALIGN_DOWN(at, level_size(p.level)), next = first + level_size(p.level);

		if (p.level == level && entry_table(p.value) && first >= from && next <= end)
			error = reclaim(g, &p, at);
		at = next;
		arch_beat();
	}
	return error;
}

int gstage_zap_asked(struct gstage *g, u64 from, u64 end)
{
	int error = 0;

	gstage_enter();
	for (u64 at = from; at < end && !error;) {
		struct place p = gstage_walk(g, at, 0);

		if (entry_leaf(p.value))
			error = clear_leaf(g, &p, at, from, end);
		if (!error)
			at = ALIGN_DOWN(at, level_size(p.level)) + level_size(p.level);
		else if (error == -EAGAIN)
			error = 0;
		arch_beat();
	}
	for (unsigned level = 1; !error && level <= gstage_top(g); level++)
		error = reclaim_tables(g, level, from, end);
	gstage_leave();
	return error;
}

static int restore_table(struct gstage *g, u64 at, unsigned level)
{
	for (;;) {
		struct place p = gstage_walk(g, at, level);
		int error;

		if (entry_leaf(p.value))
			return -EEXIST;
		if (entry_table(p.value))
			return 0;
		error = gstage_link(g, &p, at);
		if (error)
			return error;
	}
}

int gstage_restore(struct gstage *g, gpa_t at, unsigned level, hpa_t host)
{
	/* The same tables, with nobody to ask. */
	struct gstage own = *g;
	int error;

	if (at.a >= gstage_limit(g) || level > gstage_top(g))
		return -EEXIST;
	own.hook = NULL;
	own.tables = 0;
	if (host.a == ~0ull) {
		gstage_enter();
		error = restore_table(&own, at.a, level);
		gstage_leave();
	} else {
		error = gstage_map(&own, at, level, host, GSTAGE_ALL);
	}
	__atomic_fetch_add(&g->tables, own.tables, __ATOMIC_RELAXED);
	return error;
}
