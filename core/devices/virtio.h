/*
 * virtio-mmio 1.2 devices (modern only) for guests: transport, split rings, and the table of device kinds.
 *
 * Everything in guest memory is the guest's and may change at any time or be nonsense: each index, address, length and
 * chain is checked on a copy; a device whose driver breaks the rules sets DEVICE_NEEDS_RESET and stops serving, nothing
 * else.
 *
 * Crash safety: a queue's only word that counts is `done` in the estate: available entries completed. To complete some
 * entries is, in this order and under dev_lock,
 *   1. to write into their buffers, and their used elements: the driver does not look at either yet
 *   2. to commit done + count, with what else of the estate these entries change
 *   3. to write used->idx = done
 *   4. to look whether the driver wants an interrupt, and to commit that
 * An heir writes used->idx = done, raises an interrupt, as it cannot know about step 4 (one too many does no harm: the
 * driver looks and finds nothing), and takes all entries from `done` on as not begun. So what happens twice is what a
 * device does before step 2; each kind's file says why that does no harm. Entries of a queue complete in order, because
 * one number says which are done.
 *
 * A request that the host's device still has when a life dies goes on without it. The heir's drivers must have reset that
 * device, or waited for it, before a guest runs: otherwise a write of the dead life could land on top of a later one.
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

/*
 * Device reset as the driver sees it: all words of the slot to their reset values. VM stopped. What the host's devices
 * have under way is forgotten, but they may still write into the VM's memory until virtio_quiet says that they don't.
 */
void virtio_reset(struct vm *vm, unsigned slot);

/*
 * True if no device of the host reads or writes memory for this VM. A VM that was stopped stays so until this is true
 * before it is started again, saved, or its memory reused; meanwhile the harts' loops (drivers_poll) get there, or who waits
 * (drivers_look).
 */
bool virtio_quiet(const struct vm *vm);

/*
 * For an heir, after virtio_create: true if it may go on with these words; bounds of queues are checked again at each use.
 */
bool virtio_valid(const struct vm *vm, unsigned slot);

/*
 * For an heir, after everything is set up and transactions are recovered, before the VM runs: publishes `done`, restores
 * the interrupt line, and leaves all requests to virtio_work to take up again. Takes dev_lock.
 */
void virtio_resume(struct vm *vm, unsigned slot);

/*
 * Does the work that waits: rings that were kicked, completions, packets. From the loop of every hart, without locks
 * held; bounded, returns true if there is more. `t` is the calling hart's.
 */
bool virtio_work(struct vm *vm, struct txn *t);

/* Looks at all devices of a VM again: what kept their work from being done may be over. Any hart. */
void virtio_wake(struct vm *vm);

/* Puts input into the VM's virtio-console, as much as its driver has buffers for; returns how many bytes. */
size_t virtio_console_input(struct vm *vm, struct txn *t, const void *bytes, size_t count);

#endif
