/*
 * When the memory of an unlinked table may be used again: when every hart that was walking at the time has come out.
 *
 * `now` counts retirements. A hart that begins an operation on tables notes the number that it reads there, and takes
 * the note away at the end. A table that was retired as number n is free when each note is n or more: a hart that notes
 * n or more has read `now` after the table had been unlinked, and starts its walks at the root.
 *
 * A hart without a note could begin unnoticed while that is being read. Both sides therefore use a read-modify-write of
 * the note: either the reader sees it, or the hart, coming later, sees all that the reader has seen, so also that the
 * table is not linked any more.
 */
#include "abi/layout.h"
#include "core/arch.h"
#include "core/gstage/walk.h"
#include "core/lib/lock.h"
#include "core/memory/pages.h"

#define OUTSIDE 0ull /* no note: in no operation */

/* Tables freed at one quiescent point: bounds its length. */
#define FREE_AT_ONCE 64

/* One line of cache each: a hart writes its own at every fault. */
static struct {
	u64 note;
	u64 pad[7];
} hart_epoch[MAX_HARTS] __attribute__((aligned(64)));

static struct {
	struct lock lock; /* innermost but for the pages' */
	u64 now;
	u64 *first; /* tables that wait, in the order of their numbers; entry 0 is the link, entry 1 the number */
	u64 *last;
} retired = { .now = 1 };

/* The number of a retired table, in an entry that still reads as FROZEN. */
static void number_set(u64 *table, u64 number)
{
	entry_store(&table[1], number << 1);
}

static u64 number_of(const u64 *table)
{
	return entry_load(&table[1]) >> 1;
}

void gstage_retire(const struct removed *list)
{
	u64 number;

	if (!list->first)
		return;
	lock_take(&retired.lock);
	number = __atomic_add_fetch(&retired.now, 1, __ATOMIC_ACQ_REL);
	for (u64 *table = list->first; table; table = removed_next(table))
		number_set(table, number);
	if (retired.first)
		removed_link(retired.last, list->first);
	else
		__atomic_store_n(&retired.first, list->first, __ATOMIC_RELAXED);
	retired.last = list->last;
	lock_release(&retired.lock);
}

void gstage_enter(void)
{
	u64 now = __atomic_load_n(&retired.now, __ATOMIC_ACQUIRE);

	__atomic_exchange_n(&hart_epoch[arch_hart()].note, now, __ATOMIC_ACQ_REL);
}

void gstage_leave(void)
{
	__atomic_store_n(&hart_epoch[arch_hart()].note, OUTSIDE, __ATOMIC_RELEASE);
}

static bool hart_passed(unsigned hart, u64 number)
{
	u64 *note = &hart_epoch[hart].note;
	u64 noted = __atomic_load_n(note, __ATOMIC_ACQUIRE);

	if (noted == OUTSIDE)
		noted = __atomic_fetch_add(note, 0, __ATOMIC_ACQ_REL);
	return noted == OUTSIDE || noted >= number;
}

void gstage_synchronize(void)
{
	u64 number = __atomic_add_fetch(&retired.now, 1, __ATOMIC_ACQ_REL);

	for (unsigned hart = 0; hart < MAX_HARTS; hart++) {
		while (!hart_passed(hart, number)) {
			arch_beat();
			arch_relax();
		}
	}
}

static bool all_passed(u64 number)
{
	for (unsigned hart = 0; hart < MAX_HARTS; hart++) {
		if (!hart_passed(hart, number))
			return false;
	}
	return true;
}

/* Frees what all harts have passed. One hart at a time; who finds another at it leaves it to that one. */
static void free_retired(void)
{
	u64 passed = 0;

	if (!lock_try(&retired.lock))
		return;
	for (unsigned i = 0; i < FREE_AT_ONCE && retired.first; i++) {
		u64 *table = retired.first;

		/* Many have the same number: ask the harts once for it. */
		if (number_of(table) > passed && !all_passed(number_of(table)))
			break;
		passed = number_of(table);
		__atomic_store_n(&retired.first, removed_next(table), __ATOMIC_RELAXED);
		page_free(table);
	}
	lock_release(&retired.lock);
}

void gstage_quiescent(unsigned hart)
{
	(void)hart;
	if (__builtin_expect(__atomic_load_n(&retired.first, __ATOMIC_RELAXED) != NULL, 0))
		free_retired();
}
