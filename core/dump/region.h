/*
 * The dump region (abi/dump.h) as the hypervisor reads and makes it. No input or output here: blocks come from a disk that
 * may hold anything.
 */
#ifndef CORE_DUMP_REGION_H
#define CORE_DUMP_REGION_H

#include "abi/dump.h"

/*
 * What the first DUMP_BLOCK bytes of a disk with `disk_bytes` say. 0: *region is one that lies on it. -ENODATA: all zero, a
 * region can be made. -EPROTO: of another version. -ENOSPC: a region, larger than the disk. -EINVAL: something else.
 */
int region_read(const void *block, u64 disk_bytes, struct dump_region *region);

/* A region with `keep` slots (raised or cut to what there may be) that fills the disk. -ENOSPC: that is too little. */
int region_make(u64 disk_bytes, u32 keep, struct dump_region *region);

/* Where on the disk dump `number` has its slot. */
u64 region_slot(const struct dump_region *region, u64 number);

/* Number of the dump whose head is at `block`, the first bytes of slot `slot`; 0: none that counts. */
u64 region_number(const struct dump_region *region, u32 slot, const void *block);

/* Completes a head with its checksum. */
void region_seal(struct dump_head *head);

/* Bytes that a slot needs for `raw` bytes of memory that do not compress at all. */
u64 region_worst(u64 raw);

#endif
