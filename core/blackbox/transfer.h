/*
 * Parts of a zone on their way to the device, out of the copy of the zone in RAM: whole sectors, then a flush. What the
 * device refuses is tried again at the next call, from the part that it refused.
 */
#ifndef CORE_BLACKBOX_TRANSFER_H
#define CORE_BLACKBOX_TRANSFER_H

#include "core/blackbox/device.h"

struct transfer {
	const u8 *zone; /* the copy; begins at a multiple of the sector, as the zone does */
	u64 at;		/* the zone's place on the device */
	struct {
		u32 from, bytes; /* in the zone */
	} part[2];
	u32 parts, done;
	bool flushed;
};

/* Nothing to be written yet. */
void transfer_begin(struct transfer *t, const u8 *zone, u64 at);

/* Adds [from, from + bytes) of the zone, rounded to sectors later. At most two parts; nothing if bytes is 0. */
void transfer_add(struct transfer *t, u32 from, u32 bytes);

/* Writes what has not been written. 0: all is on the medium. Else the device's error; call again. */
int transfer_run(struct transfer *t, struct blackbox_device *d);

/* Forgets what has been written: the device was reset. */
void transfer_restart(struct transfer *t);

/* Reads bytes at any offset, through `scratch` of BLACKBOX_SECTOR_MAX bytes. The device's error, or -EINVAL beyond it. */
int device_read(struct blackbox_device *d, void *scratch, u64 at, void *to, u32 bytes);

/* True if sizes and sector are such that the code here can use the device. */
bool device_usable(const struct blackbox_device *d);

#endif
