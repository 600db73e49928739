/*
 * How much RAM confidential VMs need beside what their guests see: the command computes the machine's RAM and the pool with it,
 * the hypervisor gives each VM that much.
 */
#ifndef ABI_PRIVATE_SIZE_H
#define ABI_PRIVATE_SIZE_H

#include "abi/private.h"

/* The pool is a power of two, and aligned to its size: one entry of PMP (NAPOT). */
#define PRIVATE_POOL_MIN MIB(4)

/* vm_config.kept: of the pool, beside the guest's RAM. Multiple of 2 MiB: notes, vCPUs, and tables if every block is split. */
static inline u64 private_kept_size(u64 ram, u64 vcpus)
{
	const u64 blocks = ram / BLOCK_SIZE, gibs = ram / GIB(1) + 2;

	return ALIGN_UP((PRIVATE_FIRST_PAGES + vcpus + 2 * (blocks + gibs)) * PAGE_SIZE, BLOCK_SIZE);
}

/* vm_config.shared begins with bounce buffers, of so much for each device. */
#define PRIVATE_BOUNCE_SIZE MIB(2)

/* vm_config.shared: ordinary RAM. Multiple of 2 MiB: bounce buffers, and an eighth of its RAM that the guest can share. */
static inline u64 private_shared_size(u64 ram, u64 devices)
{
	return devices * PRIVATE_BOUNCE_SIZE + ALIGN_UP(ram / 8, BLOCK_SIZE);
}

#endif
