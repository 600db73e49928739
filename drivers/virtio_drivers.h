/*
 * Drivers of virtio devices, by kind. Each takes a device that has been reset, and returns 0 if it serves it from now on.
 * Other results: the device is to be reset and left alone; the driver has said why in the log.
 */
#ifndef DRIVERS_VIRTIO_DRIVERS_H
#define DRIVERS_VIRTIO_DRIVERS_H

#include "drivers/virtio_mmio.h"

int host_blk_start(struct virtio_device *d);	 /* the next of blk_backends[] */
int host_net_start(struct virtio_device *d);	 /* net_backend: the first one, the others are -EBUSY */
int host_console_start(struct virtio_device *d); /* control_stream: the first one, the others are -EBUSY */
int host_entropy_start(struct virtio_device *d); /* for entropy_read: the first one, the others are -EBUSY */

/* Forgets the devices of an earlier drivers_init (only tests have one in the same life). */
void host_blk_forget(void);
void host_net_forget(void);
void host_console_forget(void);
void host_entropy_forget(void);

/* Where disk `unit` is; NULL if there is none. */
const struct virtio_device *host_blk_device(unsigned unit);

#endif
