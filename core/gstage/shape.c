/* Changing the size of leaves and nothing else: split and collapse. */
#include "core/arch.h"
#include "core/gstage/walk.h"
#include "core/lib/errno.h"

static int split_down_to(struct gstage *g, gpa_t at, unsigned level)
{
	for (;;) {
		struct place p = gstage_walk(g, at.a, 0);
		int error;

		if (!entry_leaf(p.value))
			return -ENOENT;
		if (p.level <= level)
			return 0;
		error = gstage_split_leaf(g, &p, at.a);
		if (error)
			return error;
	}
}

int gstage_split(struct gstage *g, gpa_t at, unsigned level)
{
	int result;

	if (at.a >= gstage_limit(g))
		return -ENOENT;
	gstage_enter();
	result = split_down_to(g, at, level);
	gstage_leave();
	return result;
}

/* The leaf that the table's first `count` entries are equal to, if they all are leaves that continue each other; or 0. */
static u64 common_leaf(const u64 *table, unsigned level)
{
	u64 step = level_size(level - 1) / PAGE_SIZE << ENTRY_PPN_SHIFT;
	u64 first = entry_load(&table[0]);

	if (!entry_leaf(first) || level_offset(entry_address(first), level))
		return 0;
	for (unsigned i = 1; i < TABLE_ENTRIES; i++) {
		if (entry_load(&table[i]) != first + i * step)
			return 0;
	}
	return first;
}

/* Makes the first `count` entries again what they are as parts of `leaf`. */
static void thaw(u64 *table, unsigned count, u64 leaf, unsigned level)
{
	u64 step = level_size(level - 1) / PAGE_SIZE << ENTRY_PPN_SHIFT;

	while (count-- > 0)
		entry_store(&table[count], leaf + count * step);
}

/*
 * Freezes the entries of a table one by one as long as they are what `leaf` split up would be. All are, or none is
 * FROZEN afterwards by us.
 */
static bool freeze_equal(u64 *table, u64 leaf, unsigned level)
{
	u64 step = level_size(level - 1) / PAGE_SIZE << ENTRY_PPN_SHIFT;
	unsigned i = 0;

	while (i < TABLE_ENTRIES && entry_swap(&table[i], leaf + i * step, ENTRY_FROZEN))
		i++;
	if (i < TABLE_ENTRIES)
		thaw(table, i, leaf, level);
	return i == TABLE_ENTRIES;
}

static int collapse(struct gstage *g, gpa_t at, unsigned level)
{
	struct removed list = { 0 };
	struct place p;
	u64 *table, leaf;
	int error;

	p = gstage_walk(g, at.a, level);
	if (entry_leaf(p.value))
		return 0;
	if (!entry_table(p.value))
		return -EAGAIN;
	table = entry_to_table(p.value);
	leaf = common_leaf(table, level);
	if (!leaf || !entry_swap(p.slot, p.value, ENTRY_FROZEN))
		return -EAGAIN;
	if (!freeze_equal(table, leaf, level)) {
		entry_store(p.slot, p.value);
		return -EAGAIN;
	}
	error = g->hook ? g->hook(g, GSTAGE_COLLAPSE, GPA(ALIGN_DOWN(at.a, level_size(level))), level,
				  HPA(entry_address(leaf)))
			: 0;
	if (error) {
		thaw(table, TABLE_ENTRIES, leaf, level);
		entry_store(p.slot, p.value);
		return error;
	}
	/* The leaf says what the entries said: until the fence a hart may go by either. */
	gstage_remove(g, &list, table);
	entry_store(p.slot, leaf);
	gstage_fence(g, ALIGN_DOWN(at.a, level_size(level)), level_size(level), &list);
	return 0;
}

int gstage_collapse(struct gstage *g, gpa_t at, unsigned level)
{
	int result;

	if (at.a >= gstage_limit(g) || !level || level > gstage_top(g))
		return -EAGAIN;
	gstage_enter();
	result = collapse(g, at, level);
	gstage_leave();
	return result;
}
