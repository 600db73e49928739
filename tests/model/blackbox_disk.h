/*
 * A disk for tests of the black box: in RAM, and it remembers what was written between two flushes, so that a test can
 * put together what a power failure may leave of it. It can also refuse writes, and make its caller ask again.
 */
#ifndef TESTS_MODEL_BLACKBOX_DISK_H
#define TESTS_MODEL_BLACKBOX_DISK_H

#include "core/blackbox/device.h"
#include "core/lib/errno.h"
#include <stdlib.h>
#include <string.h>

#define DISK_SECTOR 512u

/* One sector that was written. */
struct disk_write {
	u32 sector;
	u32 epoch; /* flushes before it */
	u32 mark;  /* what the test said was complete before it */
	u8 old[DISK_SECTOR], new[DISK_SECTOR];
};

struct disk {
	struct blackbox_device device;
	u8 *bytes;
	struct disk_write *writes;
	u32 write_count, write_room, epoch, mark;
	bool is_recording;
	u64 write_calls, refused;
	/* Writes are refused while this is above 0; with `refuse_from` only those at or behind it, below `refuse_to`. */
	u32 refuse;
	u64 refuse_from, refuse_to;
	bool reads_fail;
	/* So many times each new write or flush is answered by -EAGAIN first. */
	u32 lateness, late;
	u64 late_at;
	const void *late_from;
};

static inline int disk_read(struct blackbox_device *d, u64 at, void *to, u32 bytes)
{
	struct disk *disk = d->owner;

	if (at % d->sector || bytes % d->sector || at + bytes > d->bytes)
		abort();
	if (disk->reads_fail)
		return -EIO;
	memcpy(to, disk->bytes + at, bytes);
	return 0;
}

/* True if this call must be asked again; the same request keeps its memory and arguments meanwhile. */
static inline bool disk_late(struct disk *disk, u64 at, const void *from)
{
	if (!disk->lateness)
		return false;
	if (!disk->late) {
		disk->late_at = at;
		disk->late_from = from;
	}
	if (disk->late_at != at || disk->late_from != from)
		abort();
	if (++disk->late <= disk->lateness)
		return true;
	disk->late = 0;
	return false;
}

static inline void disk_record(struct disk *disk, u64 at, const u8 *from)
{
	struct disk_write *w;

	if (disk->write_count == disk->write_room) {
		disk->write_room = disk->write_room ? disk->write_room * 2 : 64;
		disk->writes = realloc(disk->writes, disk->write_room * sizeof(*disk->writes));
	}
	w = &disk->writes[disk->write_count++];
	w->sector = (u32)(at / DISK_SECTOR);
	w->epoch = disk->epoch;
	w->mark = disk->mark;
	memcpy(w->old, disk->bytes + at, DISK_SECTOR);
	memcpy(w->new, from, DISK_SECTOR);
}

static inline int disk_write(struct blackbox_device *d, u64 at, const void *from, u32 bytes)
{
	struct disk *disk = d->owner;

	if (at % d->sector || bytes % d->sector || !bytes || at + bytes > d->bytes)
		abort();
	if (disk_late(disk, at, from))
		return -EAGAIN;
	disk->write_calls++;
	if (disk->refuse && (!disk->refuse_to || (at >= disk->refuse_from && at < disk->refuse_to))) {
		disk->refuse--;
		disk->refused++;
		return -EIO;
	}
	for (u32 n = 0; n < bytes; n += DISK_SECTOR) {
		if (disk->is_recording)
			disk_record(disk, at + n, (const u8 *)from + n);
		memcpy(disk->bytes + at + n, (const u8 *)from + n, DISK_SECTOR);
	}
	return 0;
}

static inline int disk_flush(struct blackbox_device *d)
{
	struct disk *disk = d->owner;

	if (disk_late(disk, ~0ull, NULL))
		return -EAGAIN;
	disk->epoch++;
	return 0;
}

static inline void disk_open(struct disk *disk, u64 bytes)
{
	memset(disk, 0, sizeof(*disk));
	disk->bytes = calloc(1, bytes);
	disk->device = (struct blackbox_device){
		.bytes = bytes,
		.sector = DISK_SECTOR,
		.read = disk_read,
		.write = disk_write,
		.flush = disk_flush,
		.owner = disk,
	};
}

static inline void disk_close(struct disk *disk)
{
	free(disk->bytes);
	free(disk->writes);
}

/* Memory for a black box, exactly as large as it says that it needs. */
static inline void *disk_memory(u64 bytes)
{
	return aligned_alloc(BLACKBOX_SECTOR_MAX, bytes);
}

#endif
