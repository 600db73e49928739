/*
 * virtio-mmio transport, as a driver sees it (virtio 1.2, section 4.2). Modern devices only.
 */
#ifndef DRIVERS_VIRTIO_MMIO_H
#define DRIVERS_VIRTIO_MMIO_H

#include "abi/types.h"

/* Section 5, "Device Types". */
enum virtio_kind {
	VIRTIO_KIND_NONE = 0,
	VIRTIO_KIND_NET = 1,
	VIRTIO_KIND_BLK = 2,
	VIRTIO_KIND_CONSOLE = 3,
	VIRTIO_KIND_ENTROPY = 4,
};

/* One device of the machine. Lives in drivers.c's table. */
struct virtio_device {
	u64 base;
	u32 irq;
	u32 kind;	  /* enum virtio_kind, or another number of section 5 */
	unsigned index;	  /* in the table */
	u64 features;	  /* negotiated */
	u32 config_event; /* nonzero: its configuration has changed */
	u32 failed;	  /* nonzero: out of service for the rest of this life. Any hart reads it. */
	/* Does its work; one hart at a time, no locks held. NULL: nobody drives it. True if there is more to do. */
	bool (*poll)(struct virtio_device *d);
	void *driver; /* of whoever has set `poll` */
};

/* What stands at d->base; -ENODEV: nothing, or not virtio. Legacy devices are reset, named in the log and -ENODEV, too. */
int virtio_mmio_identify(struct virtio_device *d);

/* Resets and waits for the end of it, `patience_ms` at most: -EIO. The device touches no memory afterwards. */
int virtio_mmio_reset(struct virtio_device *d, unsigned patience_ms);

/* Section 3.1.1, steps 2 to 6: accepts what the device offers of `wanted`, and VERSION_1. -ENODEV: it doesn't agree. */
int virtio_mmio_negotiate(struct virtio_device *d, u64 wanted);

/* Step 8: from here on the device works. Opens its interrupt. */
void virtio_mmio_ready(struct virtio_device *d);

static inline bool virtio_mmio_has(const struct virtio_device *d, unsigned feature)
{
	return d->features >> feature & 1;
}

/* The same without an interrupt. */
void virtio_mmio_ready_polled(struct virtio_device *d);

/* Configuration space (section 2.5), at byte `offset`, a multiple of 4 for 32 bits and of 8 for 64. */
u32 virtio_mmio_config32(struct virtio_device *d, unsigned offset);
u64 virtio_mmio_config64(struct virtio_device *d, unsigned offset);
u8 virtio_mmio_config8(struct virtio_device *d, unsigned offset);

/* Largest number of entries that queue `number` may have; 0: no such queue, or in use. */
unsigned virtio_mmio_queue_max(struct virtio_device *d, unsigned number);

/* Tells the device where the parts of a queue are, and starts the queue. */
void virtio_mmio_queue_start(struct virtio_device *d, unsigned number, unsigned size, u64 desc, u64 avail,
			     u64 used);

/* "Look at queue `number`." */
void virtio_mmio_notify(struct virtio_device *d, unsigned number);

/* Takes the interrupt back; notes a change of configuration. */
void virtio_mmio_acknowledge(struct virtio_device *d);

/* If the device has reported an error that only a reset mends (section 2.1.2), takes it out of service. */
void virtio_mmio_check(struct virtio_device *d);

/*
 * Takes a device out of service that broke the rules or broke down, as `why` says: closes its interrupt, resets it, and
 * marks it, so that its driver's poll fails what is under way. Any hart; with the driver's lock or without.
 */
void virtio_mmio_fail(struct virtio_device *d, const char *why);

static inline bool virtio_mmio_failed(const struct virtio_device *d)
{
	return __atomic_load_n(&d->failed, __ATOMIC_RELAXED) != 0;
}

#endif
