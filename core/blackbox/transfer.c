/* See transfer.h. */
#include "core/blackbox/transfer.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

void transfer_begin(struct transfer *t, const u8 *zone, u64 at)
{
	*t = (struct transfer){ .zone = zone, .at = at };
}

void transfer_add(struct transfer *t, u32 from, u32 bytes)
{
	if (!bytes)
		return;
	t->part[t->parts].from = from;
	t->part[t->parts].bytes = bytes;
	t->parts++;
}

int transfer_run(struct transfer *t, struct blackbox_device *d)
{
	int error;

	for (; t->done < t->parts; t->done++) {
		u32 from = ALIGN_DOWN(t->part[t->done].from, d->sector);
		u32 end = ALIGN_UP(t->part[t->done].from + t->part[t->done].bytes, d->sector);

		error = d->write(d, t->at + from, t->zone + from, end - from);
		if (error)
			return error;
	}
	if (!t->flushed && d->flush) {
		error = d->flush(d);
		if (error)
			return error;
	}
	t->flushed = true;
	return 0;
}

void transfer_restart(struct transfer *t)
{
	t->done = 0;
	t->flushed = false;
}

int device_read(struct blackbox_device *d, void *scratch, u64 at, void *to, u32 bytes)
{
	if (!range_inside(at, bytes, 0, ALIGN_DOWN(d->bytes, (u64)d->sector)))
		return -EINVAL;
	while (bytes) {
		u64 sector = ALIGN_DOWN(at, (u64)d->sector);
		u32 skip = (u32)(at - sector);
		u32 part = d->sector - skip < bytes ? d->sector - skip : bytes;
		int error = d->read(d, sector, scratch, d->sector);

		if (error)
			return error;
		memcpy(to, (const u8 *)scratch + skip, part);
		at += part;
		to = (u8 *)to + part;
		bytes -= part;
	}
	return 0;
}

bool device_usable(const struct blackbox_device *d)
{
	return d->sector >= BLACKBOX_SECTOR_MIN && d->sector <= BLACKBOX_SECTOR_MAX &&
	       !(d->sector & (d->sector - 1));
}
