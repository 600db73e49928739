/*
 * virtio entropy device (virtio 1.2, section 5.4).
 *
 * Repeats after a crash: a buffer that the guest has not seen gets other random bytes.
 */
#include "core/devices/vdev.h"

/* A buffer may be filled in part; a driver that wants more asks again. */
#define RNG_BYTES 256

static int rng_create(struct vdev *d)
{
	(void)d;
	return 0;
}

/* Fills the buffer in d->chain and its used element. */
static int rng_fill(struct vdev *d)
{
	u8 random[RNG_BYTES];
	size_t bytes = d->chain.writable_bytes < RNG_BYTES ? (size_t)d->chain.writable_bytes : RNG_BYTES;
	int error;

	entropy_read(random, bytes);
	error = vring_chain_write(d->vm, &d->chain, 0, random, bytes);
	return error ? error : vring_use(&d->ring[0], &d->chain, bytes);
}

static bool rng_work(struct vdev *d, struct txn *t)
{
	unsigned count = 0;
	int taken = 0;

	if (!vdev_queue_live(d, 0))
		return false;
	while (count < VDEV_BUDGET) {
		taken = vring_take(&d->ring[0], &d->chain);
		if (taken > 0)
			taken = rng_fill(d) ? -1 : 1;
		if (taken <= 0)
			break;
		count++;
	}
	if (count)
		vdev_complete(d, 0, t, count);
	if (taken < 0)
		vdev_break(d, t);
	return taken > 0;
}

const struct vdev_kind vdev_rng = {
	.id = 4,
	.queues = 1,
	.size = sizeof(struct vdev),
	.create = rng_create,
	.work = rng_work,
};
