/* How much memory a confidential VM takes beside what its guest sees. The command plans with the same numbers. */
#include "core/private/bounce.h"
#include "core/private/private.h"

/*
 * Pages for tables, at most: those of small leaves over each block, private and shared, and of blocks over each GiB that
 * is begun; with what the warden wants, and the vCPUs.
 */
u64 private_kept_size(const struct vm_config *config)
{
	const u64 blocks = config->memory / BLOCK_SIZE;
	const u64 shared = blocks < VM_SHARED_PAGES ? blocks : VM_SHARED_PAGES;
	const u64 pieces = ALIGN_UP(config->memory, GIB(1)) / GIB(1);

	return ALIGN_UP((PRIVATE_FIRST_PAGES + config->vcpus + blocks + shared + 2 * pieces) * PAGE_SIZE,
			BLOCK_SIZE);
}

u64 private_shared_size(const struct vm_config *config)
{
	return ALIGN_UP(bounce_bytes(config) + VM_SHARED_PAGES * PAGE_SIZE, BLOCK_SIZE);
}
