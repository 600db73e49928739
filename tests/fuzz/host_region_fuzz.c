/*
 * The hypervisor's reader of dump regions: whatever the first block and the heads of a disk say, it computes only places on
 * that disk. Input: size of the disk, flags, first block, head.
 */
#include "core/dump/region.h"
#include "core/lib/crc32c.h"
#include <stdlib.h>
#include <string.h>

#define FIX_REGION 1u /* its checksum is right */
#define FIX_HEAD   2u

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_region(const struct dump_region *r, u64 disk_bytes)
{
	must(r->count >= 1 && r->count <= DUMP_KEEP_MAX);
	for (u64 n = 0; n < 2 * DUMP_KEEP_MAX; n++) {
		u64 at = region_slot(r, n);

		must(at >= DUMP_BLOCK && at <= disk_bytes && r->slot_size <= disk_bytes - at);
		must(r->slot_size >= 2 * (u64)DUMP_BLOCK && at % DUMP_BLOCK == 0);
		must(at == region_slot(r, n + r->count));
	}
}

static void check_made(u64 disk_bytes, u32 keep)
{
	static u8 block[DUMP_BLOCK];
	struct dump_region made, again;

	if (region_make(disk_bytes, keep, &made))
		return;
	check_region(&made, disk_bytes);
	memcpy(block, &made, sizeof(made));
	must(region_read(block, disk_bytes, &again) == 0 && memcmp(&made, &again, sizeof(made)) == 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 first[DUMP_BLOCK], second[DUMP_BLOCK];
	struct dump_region region;
	struct dump_head head;
	u64 disk_bytes;
	u32 flags;

	if (size < sizeof(disk_bytes) + sizeof(flags))
		return 0;
	memcpy(&disk_bytes, data, sizeof(disk_bytes));
	memcpy(&flags, data + sizeof(disk_bytes), sizeof(flags));
	data += sizeof(disk_bytes) + sizeof(flags);
	size -= sizeof(disk_bytes) + sizeof(flags);
	memset(first, 0, sizeof(first));
	memset(second, 0, sizeof(second));
	memcpy(first, data, size < sizeof(region) ? size : sizeof(region));
	if (size > sizeof(region))
		memcpy(second, data + sizeof(region),
		       size - sizeof(region) < sizeof(head) ? size - sizeof(region) : sizeof(head));
	memcpy(&region, first, sizeof(region));
	region.crc = crc32c(0, &region, offsetof(struct dump_region, crc));
	if (flags & FIX_REGION)
		memcpy(first, &region, sizeof(region));
	memcpy(&head, second, sizeof(head));
	region_seal(&head);
	if (flags & FIX_HEAD)
		memcpy(second, &head, sizeof(head));

	check_made(disk_bytes, flags >> 8);
	if (region_read(first, disk_bytes, &region))
		return 0;
	check_region(&region, disk_bytes);
	for (u32 slot = 0; slot < region.count; slot++) {
		u64 number = region_number(&region, slot, second);

		must(!number || (number % region.count == slot && number + 1 > number));
	}
	return 0;
}
