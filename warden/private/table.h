/*
 * G-stage tables in the pool, Sv39x4 (privileged specification, section 8.5): a root of 16 KiB with entries of 1 GiB, then
 * 2 MiB, then 4 KiB. Their entries are written by the warden alone, under the VM's lock.
 */
#ifndef WARDEN_PRIVATE_TABLE_H
#define WARDEN_PRIVATE_TABLE_H

#include "warden/private/private.h"

#define TABLE_ENTRIES 512u

/* Bytes that an entry of a level stands for. */
static inline u64 table_span(u32 level)
{
	return PAGE_SIZE << (9 * level);
}

/* The entry of a level over `at`, or NULL: there is no table of that level. */
u64 *table_entry(const struct private_vm *vm, u64 at, u32 level);

bool table_entry_is_leaf(u64 entry);
bool table_entry_is_table(u64 entry);

/* Where an entry leads to. */
u64 table_entry_page(u64 entry);

/* No entry of the table that `entry` leads to is set. */
bool table_is_empty(u64 entry);

/* The table that `entry` leads to is made of leaves of a whole block of the pool, in order. */
bool table_is_full(u64 entry);

/* Nothing of [at, at + span of level), a private range, is there as shared. */
bool table_none_shared(const struct private_vm *vm, u64 at, u32 level);

#endif
