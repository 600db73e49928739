/* See region.h. */
#include "core/dump/region.h"
#include "core/lib/check.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

/* A slot without room for more than its head is none. */
#define SLOT_MIN (2 * (u64)DUMP_BLOCK)

/* Numbers from here on are none: the next would have to be one more. */
#define NUMBER_END (1ull << 62)

_Static_assert(sizeof(struct dump_head) <= 512,
	       "a head is one sector, which a disk writes whole or not at all");

static bool is_zero(const u8 *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (at[i])
			return false;
	}
	return true;
}

int region_read(const void *block, u64 disk_bytes, struct dump_region *region)
{
	memcpy(region, block, sizeof(*region));
	if (is_zero(block, DUMP_BLOCK))
		return -ENODATA;
	if (region->magic != DUMP_REGION_MAGIC)
		return -EINVAL;
	if (region->version != DUMP_VERSION)
		return -EPROTO;
	if (region->crc != crc32c(0, region, offsetof(struct dump_region, crc)) || !region->count ||
	    region->count > DUMP_KEEP_MAX || region->slot_size < SLOT_MIN || region->slot_size % DUMP_BLOCK)
		return -EINVAL;
	if (disk_bytes < DUMP_BLOCK || region->slot_size > (disk_bytes - DUMP_BLOCK) / region->count)
		return -ENOSPC;
	return 0;
}

int region_make(u64 disk_bytes, u32 keep, struct dump_region *region)
{
	u32 count = keep < 1 ? 1 : keep > DUMP_KEEP_MAX ? DUMP_KEEP_MAX : keep;

	*region = (struct dump_region){ .magic = DUMP_REGION_MAGIC, .version = DUMP_VERSION, .count = count };
	if (disk_bytes < DUMP_BLOCK)
		return -ENOSPC;
	region->slot_size = ALIGN_DOWN((disk_bytes - DUMP_BLOCK) / count, (u64)DUMP_BLOCK);
	region->crc = crc32c(0, region, offsetof(struct dump_region, crc));
	return region->slot_size < SLOT_MIN ? -ENOSPC : 0;
}

u64 region_slot(const struct dump_region *region, u64 number)
{
	return DUMP_BLOCK + number % region->count * region->slot_size;
}

u64 region_number(const struct dump_region *region, u32 slot, const void *block)
{
	struct dump_head h;

	memcpy(&h, block, sizeof(h));
	if (h.magic != DUMP_HEAD_MAGIC || h.crc != crc32c(0, &h, offsetof(struct dump_head, crc)) ||
	    h.number >= NUMBER_END || h.number % region->count != slot)
		return 0;
	return h.number;
}

void region_seal(struct dump_head *head)
{
	head->crc = crc32c(0, head, offsetof(struct dump_head, crc));
}

u64 region_worst(u64 raw)
{
	/* Head, end, and a chunk for each page with its padding. */
	return ALIGN_UP(2 * (u64)DUMP_BLOCK + raw + raw / PAGE_SIZE * (sizeof(struct dump_chunk) + 8),
			(u64)DUMP_BLOCK);
}
