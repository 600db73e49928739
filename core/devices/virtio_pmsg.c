/*
 * A virtio console of one port (virtio 1.2, section 5.3) whose output goes to the host's black box (core/recorder/), with the
 * VM's name in front of each line. Nothing ever comes from it.
 *
 * Repeats after a crash: an entry that was not completed is put out again. That is a line of a log twice, which does no
 * harm.
 */
#include "core/devices/vdev.h"
#include "core/lib/errno.h"
#include "core/recorder/recorder.h"

/* Queues (section 5.3.2). */
#define PMSG_TRANSMIT 1

#define PMSG_PIECE 512

/* Bytes that one call of the work looks at; what an entry has beyond is over any share, and is left out. */
#define PMSG_BUDGET KIB(8)

static int pmsg_create(struct vdev *d)
{
	(void)d;
	return 0;
}

/* Puts out the entry in d->chain, at most *budget bytes of it; -EPROTO. */
static int put_out(struct vdev *d, u64 *budget)
{
	u64 bytes = d->chain.readable_bytes < *budget ? d->chain.readable_bytes : *budget;
	u8 piece[PMSG_PIECE];

	for (u64 done = 0; done < bytes;) {
		size_t part = bytes - done < PMSG_PIECE ? (size_t)(bytes - done) : PMSG_PIECE;

		if (vring_chain_read(d->vm, &d->chain, done, piece, part))
			return -EPROTO;
		recorder_pmsg(d->vm, piece, (u32)part);
		done += part;
	}
	*budget -= bytes;
	return 0;
}

static bool pmsg_work(struct vdev *d, struct txn *t)
{
	u64 budget = PMSG_BUDGET;
	int done = 0;

	for (unsigned i = 0; i < VDEV_BUDGET && budget; i++) {
		if (!vdev_queue_live(d, PMSG_TRANSMIT))
			return false;
		done = vring_take(&d->ring[PMSG_TRANSMIT], &d->chain);
		if (!done)
			return false;
		if (done > 0)
			done = put_out(d, &budget);
		if (done < 0 || vring_use(&d->ring[PMSG_TRANSMIT], &d->chain, 0)) {
			vdev_break(d, t);
			return false;
		}
		vdev_complete(d, PMSG_TRANSMIT, t, 1);
	}
	return true;
}

const struct vdev_kind vdev_pmsg = {
	.id = 3,
	.queues = 2,
	.size = sizeof(struct vdev),
	.create = pmsg_create,
	.work = pmsg_work,
};
