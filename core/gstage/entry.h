/*
 * An entry of a G-stage table: RISC-V Privileged, "Sv39: Page-Based 39-bit Virtual-Memory System" for the bits and
 * "Guest Physical Address Translation" for what the G-stage makes of them.
 *
 * Four kinds: empty (0), leaf, table, FROZEN. FROZEN is every other value without V: the hardware takes it for empty,
 * software waits. That leaves 63 bits of a frozen entry free; tables on their way out keep their list there.
 */
#ifndef CORE_GSTAGE_ENTRY_H
#define CORE_GSTAGE_ENTRY_H

#include "abi/types.h"
#include "core/gstage/gstage.h"

#define ENTRY_V		(1ull << 0)
#define ENTRY_R		(1ull << 1)
#define ENTRY_W		(1ull << 2)
#define ENTRY_X		(1ull << 3)
#define ENTRY_U		(1ull << 4) /* G-stage accesses are checked as user accesses: always set */
#define ENTRY_A		(1ull << 6) /* A and D are preset: the hardware never writes to a table */
#define ENTRY_D		(1ull << 7)
#define ENTRY_RWX	(ENTRY_R | ENTRY_W | ENTRY_X)
#define ENTRY_PPN_SHIFT 10
#define ENTRY_PPN_MASK	((1ull << 44) - 1)

#define PAGE_SHIFT 12u
_Static_assert(PAGE_SIZE == 1ull << PAGE_SHIFT, "a page");

#define ENTRY_EMPTY  0ull
#define ENTRY_FROZEN (~ENTRY_V)

/* The model of interleavings has smaller tables, so that its harts meet more often. */
#ifndef LEVEL_BITS
#define LEVEL_BITS 9u
#endif
#define TABLE_ENTRIES (1u << LEVEL_BITS)

_Static_assert((GSTAGE_READ << 1) == ENTRY_R && (GSTAGE_WRITE << 1) == ENTRY_W &&
		       (GSTAGE_EXEC << 1) == ENTRY_X,
	       "rights are the entry's bits, one lower");

/* Bits of an address below those that select an entry of level `level`. */
static inline unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + LEVEL_BITS * level;
}

/* Bytes that an entry of level `level` covers. */
static inline u64 level_size(unsigned level)
{
	return 1ull << level_shift(level);
}

/* What of an address lies below such an entry. */
static inline u64 level_offset(u64 at, unsigned level)
{
	return at & (level_size(level) - 1);
}

static inline bool entry_frozen(u64 e)
{
	return !(e & ENTRY_V) && e != ENTRY_EMPTY;
}

static inline bool entry_leaf(u64 e)
{
	return (e & ENTRY_V) && (e & ENTRY_RWX);
}

static inline bool entry_table(u64 e)
{
	return (e & (ENTRY_V | ENTRY_RWX)) == ENTRY_V;
}

static inline u64 entry_address(u64 e)
{
	return (e >> ENTRY_PPN_SHIFT & ENTRY_PPN_MASK) * PAGE_SIZE;
}

static inline unsigned entry_rights(u64 e)
{
	return (unsigned)((e & ENTRY_RWX) >> 1);
}

/* Writing without reading is reserved in an entry: who may write may read. */
static inline u64 entry_make_leaf(u64 host, unsigned rights)
{
	if (rights & GSTAGE_WRITE)
		rights |= GSTAGE_READ;
	return host / PAGE_SIZE << ENTRY_PPN_SHIFT | (u64)rights << 1 | ENTRY_V | ENTRY_U | ENTRY_A | ENTRY_D;
}

static inline u64 entry_make_table(const u64 *table)
{
	return (u64)(uintptr_t)table / PAGE_SIZE << ENTRY_PPN_SHIFT | ENTRY_V;
}

static inline u64 *entry_to_table(u64 e)
{
	return (u64 *)(uintptr_t)entry_address(e);
}

/* Acquire: who follows the entry sees the table that was filled before it was linked. */
static inline u64 entry_load(const u64 *slot)
{
	return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static inline void entry_store(u64 *slot, u64 value)
{
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
}

static inline bool entry_swap(u64 *slot, u64 expected, u64 value)
{
	return __atomic_compare_exchange_n(slot, &expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

#endif
