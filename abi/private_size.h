/* What a pool for confidential VMs may be, for those who want one: command and boot pack. */
#ifndef ABI_PRIVATE_SIZE_H
#define ABI_PRIVATE_SIZE_H

#include "abi/private.h"

/* The pool is a power of two, and aligned to its size: one entry of PMP (NAPOT). */
#define PRIVATE_POOL_MIN MIB(4)

/* What the warden needs of a pool for its notes about it: a byte for each page, and for each block. Multiple of 2 MiB. */
static inline u64 private_own_size(u64 pool)
{
	return ALIGN_UP(pool / BLOCK_SIZE * (BLOCK_SIZE / PAGE_SIZE + 1), BLOCK_SIZE);
}

#endif
