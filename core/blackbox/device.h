/*
 * Where a black box lies: the few things that it asks of a disk. The hypervisor puts a driver behind it, the command a
 * file, the tests a disk whose power fails.
 */
#ifndef CORE_BLACKBOX_DEVICE_H
#define CORE_BLACKBOX_DEVICE_H

#include "abi/types.h"

struct blackbox_device {
	u64 bytes;  /* size */
	u32 sector; /* what is written whole or not at all: 512 to 4096, a power of two */
	/*
	 * Offsets and lengths are multiples of `sector`. 0 or a negative errno. They may say -EAGAIN: under way, ask again with
	 * the same arguments, whose memory does not change until then. There is one request at a time. A few reads are asked
	 * for more than once: a device that answers reads with -EAGAIN keeps the last BLACKBOX_READS_KEPT sectors that it read.
	 */
	int (*read)(struct blackbox_device *d, u64 at, void *to, u32 bytes);
	/* NULL: this device is only read. */
	int (*write)(struct blackbox_device *d, u64 at, const void *from, u32 bytes);
	/* What has been written is on the medium. NULL if it always is when write returns. */
	int (*flush)(struct blackbox_device *d);
	void *owner;
};

#define BLACKBOX_READS_KEPT 3u

#define BLACKBOX_SECTOR_MIN 512u
#define BLACKBOX_SECTOR_MAX 4096u

#endif
