/*
 * virtio-mmio 1.2 devices (modern only) for guests: transport, split rings, and the table of device kinds.
 *
 * Everything in guest memory is the guest's and may change at any time or be nonsense: each index, address, length and
 * chain is checked on a copy; a device whose driver breaks the rules sets DEVICE_NEEDS_RESET and stops serving, nothing
 * else.
 *
 * Crash safety: a queue's only word that counts is `done` in the estate: available entries completed. Completion of
 * entry d writes the used element (invisible), then commits done = d + 1 together with the interrupt status, then
 * writes used->idx. An heir writes used->idx = done and takes all entries from `done` on as not begun: a block request
 * is then made twice with the same data before the guest has seen it complete, a packet may be lost or sent twice, as
 * networks do, console bytes count with the transaction that completes them. Requests of a queue complete in order.
 */
#ifndef CORE_DEVICES_VIRTIO_H
#define CORE_DEVICES_VIRTIO_H

#include "core/devices/backend.h"
#include "core/devices/mmio.h"

extern const struct mmio_device virtio_device;

struct vdev;

/*
 * Makes the volatile side of device `slot` from vm->config.devices[slot] and connects it to its backend. -ENODEV: the host
 * lacks it. NULL config kind gives 0 and leaves vm->dev[slot] NULL.
 */
int virtio_create(struct vm *vm, unsigned slot);

/* Device reset as the driver sees it: all words of the slot to their reset values. dev_lock held or VM stopped. */
void virtio_reset(struct vm *vm, unsigned slot);

/* For an heir: true if it may go on with these words; bounds of queues are checked again at each use. */
bool virtio_valid(const struct vm *vm, unsigned slot);

/* For an heir, after everything is set up: publishes `done`, takes up all requests again, restores the interrupt line. */
void virtio_resume(struct vm *vm, unsigned slot);

/*
 * Does the work that waits: rings that were kicked, completions, packets. From the loop of every hart, without locks
 * held; bounded, returns true if there is more. `t` is the calling hart's.
 */
bool virtio_work(struct vm *vm, struct txn *t);

/* Puts input into the VM's virtio-console, as much as its driver has buffers for; returns how many bytes. */
size_t virtio_console_input(struct vm *vm, struct txn *t, const void *bytes, size_t count);

#endif
