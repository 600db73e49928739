/* The walker, and the single steps that change the shape of the tables (see walk.h for why they are right). */
#include "core/gstage/walk.h"
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/memory/pages.h"

struct place gstage_walk(const struct gstage *g, u64 at, unsigned down_to)
{
	/* The root has more entries, but addresses below the limit have no bits beyond them. */
	const unsigned top = gstage_top(g);
	u64 *slot = &g->root[at >> level_shift(top)];
	unsigned level = top;

	for (;;) {
		u64 value = entry_load(slot);

		if (__builtin_expect(entry_frozen(value), 0)) {
			/* Perhaps for ever, if the table has been unlinked: from the root again. */
			arch_relax();
			level = top;
			slot = &g->root[at >> level_shift(top)];
		} else if (level == down_to || !entry_table(value)) {
			return (struct place){ .slot = slot, .value = value, .level = level };
		} else {
			/* With another bit the hardware would not follow it, and the guest fault for ever. */
			ASSERT(value == entry_make_table(entry_to_table(value)));
			level--;
			slot = &entry_to_table(value)[at >> level_shift(level) & (TABLE_ENTRIES - 1)];
		}
	}
}

/* Puts `table` into the place. */
static int put_table(struct gstage *g, const struct place *p, u64 at, enum gstage_change change, u64 *table)
{
	int error = gstage_change(g, p, at, change, entry_make_table(table));

	if (!error)
		__atomic_fetch_add(&g->tables, 1, __ATOMIC_RELAXED);
	else
		page_free(table);
	return error == -EAGAIN ? 0 : error;
}

int gstage_link(struct gstage *g, const struct place *p, u64 at)
{
	u64 *table = page_alloc();

	return table ? put_table(g, p, at, GSTAGE_LINK, table) : -ENOMEM;
}

/*
 * One step, without FROZEN: the table is complete before it is linked, and says what the leaf said, so that it does
 * not matter which of the two a hart has cached. The compare-and-swap fails if the leaf has got stricter meanwhile.
 */
int gstage_split_leaf(struct gstage *g, const struct place *p, u64 at)
{
	u64 step = level_size(p->level - 1) / PAGE_SIZE << ENTRY_PPN_SHIFT;
	u64 *table = page_alloc();

	if (!table)
		return -ENOMEM;
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		table[i] = p->value + i * step;
	return put_table(g, p, at, GSTAGE_SPLIT, table);
}

u64 gstage_freeze(u64 *slot)
{
	for (;;) {
		u64 value = entry_load(slot);

		if (entry_frozen(value))
			arch_relax();
		else if (entry_swap(slot, value, ENTRY_FROZEN))
			return value;
	}
}

void gstage_remove(struct gstage *g, struct removed *list, u64 *table)
{
	removed_link(table, list->first);
	list->first = table;
	if (!list->last)
		list->last = table;
	__atomic_fetch_sub(&g->tables, 1, __ATOMIC_RELAXED);
}

void gstage_fence(struct gstage *g, u64 from, u64 bytes, const struct removed *list)
{
	/*
	 * A hart sets its bit in `harts` before it loads the root. This reads them by a read-modify-write: either it sees
	 * the bit, or the hart's own comes later and then it sees what has been done to the tables before this.
	 */
	u64 harts = __atomic_fetch_or(&g->harts, 0, __ATOMIC_ACQ_REL);

	if (!bytes)
		return;
	__atomic_fetch_add(&g->generation, 1, __ATOMIC_RELAXED);
	if (harts)
		arch_gstage_fence(g->vmid, harts, GPA(from), bytes);
	gstage_retire(list);
}
