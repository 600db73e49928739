/*
 * The disk of the recorder: what core/blackbox/device.h asks for, over a block device of the host that answers later. One
 * request at a time; what it has not answered yet is -EAGAIN.
 *
 * The pages that were read last are kept, because a black box that is being opened asks for some sectors again. All under
 * the recorder's lock, but the end of a request.
 */
#ifndef CORE_RECORDER_DISK_H
#define CORE_RECORDER_DISK_H

#include "core/blackbox/device.h"
#include "core/devices/backend.h"

#define DISK_PAGES 4u

enum disk_state { DISK_IDLE, DISK_BUSY, DISK_ENDED };

struct recorder_disk {
	struct blackbox_device device;
	struct blk_backend *backend;
	struct blk_request request;
	u32 state;  /* enum disk_state; DISK_ENDED comes from whichever hart polls the driver */
	int status; /* of the request that ended */
	u64 begun;  /* ticks, of the request that is under way */
	/* What was asked for last, to know its repetition by. `page` >= 0: the read of a page that is kept. */
	u64 at;
	const void *memory;
	u32 bytes;
	int page;
	u8 *pages; /* DISK_PAGES of PAGE_SIZE */
	struct {
		u64 at;
		bool is_valid;
	} kept[DISK_PAGES];
	u32 next_page; /* to be replaced next */
};

/* `pages`: DISK_PAGES of them, page-aligned. */
void disk_open(struct recorder_disk *d, struct blk_backend *backend, u8 *pages);

/* True if a request is under way: nothing can be asked for. Any hart, without the lock. */
bool disk_is_busy(const struct recorder_disk *d);

/* Bytes out of pages that are kept, at most two; false if they are not, and nothing is asked of the disk. */
bool disk_kept(const struct recorder_disk *d, u64 at, void *to, u32 bytes);

/*
 * Bytes out of pages that are kept; all lie on the device. 0; -EAGAIN: they will be, ask again (only when no write waits for
 * its end); or the device's error.
 */
int disk_read_kept(struct recorder_disk *d, u64 at, void *to, u32 bytes);

#endif
