/*
 * The pool: blocks of 2 MiB, each free or a VM's, and their pages of 4 KiB, each of one use. Its first blocks are the
 * warden's own, for these very notes.
 */
#ifndef WARDEN_PRIVATE_POOL_H
#define WARDEN_PRIVATE_POOL_H

#include "warden/private/private.h"

#define POOL_BLOCK_PAGES 512u

/*
 * Takes [base, base + size), a power of two of at least 4 MiB at a multiple of its size, into use. VM number n gets VMID
 * vmids - n. Boot hart.
 */
void pool_begin(u64 base, u64 size, u32 vmids);

/* There is none, and why. */
void pool_is_absent(enum private_absence why);

/* True if there is a pool. */
bool pool_is_there(void);

u64 pool_base(void);
u64 pool_size(void);
u32 pool_vmid(u64 vm);

/* True if [address, address + bytes), of any numbers, has something of the pool. */
bool pool_touches(u64 address, u64 bytes);

/* A block of the pool, whole and aligned, that is not the warden's own. */
bool pool_has_block(u64 block);

/* Who has a block that there is: 1 + number of the VM; 0 nobody. */
u32 pool_owner(u64 block);

/* Gives VM number `vm` a block that nobody has; false if somebody has it. */
bool pool_take(u64 block, u64 vm);

/* What a page is. The caller holds the lock of the VM that has it, for this and what follows. */
enum private_use pool_use(u64 page);

/* Takes an unused page into use. It is of zeroes then. */
void pool_use_page(u64 page, enum private_use use);

/* Only another use; the contents stay. */
void pool_rename(u64 page, enum private_use use);

/* Zeroes a page that nobody can reach any more, and makes it unused. */
void pool_free_page(u64 page);

/* The same for all pages of a block, which nobody has then. */
void pool_give_back(u64 block);

/* True if no page of the block is in use. */
bool pool_block_is_unused(u64 block);

#endif
