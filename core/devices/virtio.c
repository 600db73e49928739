/* The transport of virtio devices: not there yet, every slot is empty. */
#include "core/devices/virtio.h"
#include "core/lib/errno.h"

static int virtio_read(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 *value)
{
	(void)vm, (void)unit, (void)t, (void)offset, (void)bytes, (void)value;
	return -EFAULT;
}

static int virtio_write(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 value)
{
	(void)vm, (void)unit, (void)t, (void)offset, (void)bytes, (void)value;
	return -EFAULT;
}

const struct mmio_device virtio_device = { .read = virtio_read, .write = virtio_write };
