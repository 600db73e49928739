/*
 * A split virtqueue, as a driver sees it (virtio 1.2, section 2.7).
 *
 * Rings live in the slot. What the driver needs to know of a buffer under way is kept apart from them: the device could
 * write to the rings, and is believed in nothing but the contents of its used ring, which is checked. A device that
 * breaks the rules is taken out of service. No locks in here: the driver has one.
 */
#ifndef DRIVERS_VIRTQUEUE_H
#define DRIVERS_VIRTQUEUE_H

#include "drivers/virtio_mmio.h"

#define VIRTQUEUE_SIZE_MAX 256u

struct vring_desc;
struct vring_avail;
struct vring_used;

/* A buffer under way, by number of its first descriptor. */
struct virtqueue_chain {
	void *cookie;
	u32 writable;	 /* bytes that the device may write */
	u16 descriptors; /* 0: not under way */
};

struct virtqueue {
	struct virtio_device *device;
	unsigned number; /* of the queue */
	unsigned size;	 /* a power of two */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct virtqueue_chain *chain;
	u16 *next;     /* links of the free list and of chains: the driver's own copy */
	u16 free;      /* first free descriptor, if free_count */
	u16 avail_idx; /* buffers made available, modulo 2^16 */
	u16 used_idx;  /* buffers taken back, modulo 2^16 */
	unsigned free_count;
	unsigned under_way; /* buffers */
};

/* A piece of a buffer, by host physical address. */
struct virtqueue_piece {
	u64 at;
	u32 bytes;
};

/*
 * Makes queue `number` of a device that has negotiated, at most `most` entries. NULL, with a line in the log, if the device
 * has no such queue, or one with less than `least` entries, or there is no memory. Only while a life starts.
 */
struct virtqueue *virtqueue_create(struct virtio_device *d, unsigned number, unsigned least, unsigned most);

/*
 * Hands the device a buffer of `out` pieces that it reads followed by `in` pieces that it writes, and tells it, unless it
 * doesn't want to be told. `cookie` is not NULL. -EAGAIN: no room; -EIO: out of service.
 */
int virtqueue_add(struct virtqueue *q, const struct virtqueue_piece *piece, unsigned out, unsigned in,
		  void *cookie);

/* The cookie of the next buffer that the device has used, or NULL. *written (may be NULL): bytes at most what it may write. */
void *virtqueue_take(struct virtqueue *q, u32 *written);

/* True if virtqueue_take would find something. Needs no lock, and is then a hint. */
bool virtqueue_ready(const struct virtqueue *q);

/*
 * Whether the device shall interrupt when it has used a buffer. After it has been switched on the caller looks once
 * more: what was used just before causes none.
 */
void virtqueue_interrupts(struct virtqueue *q, bool on);

#endif
