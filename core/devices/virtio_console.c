/*
 * virtio console with one port (virtio 1.2, section 5.3): output into the VM's console ring, input from the control
 * channel.
 *
 * Repeats after a crash: none. Output counts when the ring's head moves, in the transaction that completes the entry, or
 * that notes how much of it is out. Input that was not completed has not been taken from the control channel.
 */
#include "core/devices/console.h"
#include "core/devices/vdev.h"
#include "core/lib/errno.h"

/* Queues (section 5.3.2). */
#define CONSOLE_RECEIVE	 0
#define CONSOLE_TRANSMIT 1

#define CONSOLE_PIECE 512

/* Bytes of output that one call of the work moves at most. */
#define CONSOLE_BUDGET KIB(16)

static int console_create(struct vdev *d)
{
	/* Size and emergency write are not offered: the configuration space is all zero. */
	(void)d;
	return 0;
}

/*
 * Stages what one transaction can take of the entry in d->chain, from byte `part` on. Returns the bytes, 0 at its end;
 * -EPROTO.
 */
static int console_put(struct vdev *d, struct txn *t, u64 part)
{
	u8 piece[CONSOLE_PIECE];
	size_t staged = 0;
	size_t bytes;

	while (part + staged < d->chain.readable_bytes) {
		u64 left = d->chain.readable_bytes - part - staged;
		u64 room = CONSOLE_STAGE_MAX - staged;

		bytes = left < room ? (size_t)left : (size_t)room;
		if (bytes > CONSOLE_PIECE)
			bytes = CONSOLE_PIECE;
		if (!bytes)
			break;
		if (vring_chain_read(d->vm, &d->chain, part + staged, piece, bytes))
			return -EPROTO;
		console_stage(d->vm, t, piece, bytes);
		staged += bytes;
	}
	return (int)staged;
}

/*
 * Puts out the entry in d->chain, at most *budget bytes. 1: it is complete, with this and `part` in one transaction;
 * 0: the budget is used up, what is out is noted; -EPROTO: with the rest still staged, for vdev_break.
 */
static int console_transmit(struct vdev *d, struct txn *t, u64 *budget)
{
	struct vring *r = &d->ring[CONSOLE_TRANSMIT];
	u64 part = estate_load(&r->q->part);
	int staged;

	for (;;) {
		staged = console_put(d, t, part);
		/* What is staged of an entry that cannot be read is as good as out: the device stops here. */
		if (staged < 0)
			return staged;
		part += (u64)staged;
		*budget -= *budget < (u64)staged ? *budget : (u64)staged;
		if (part >= d->chain.readable_bytes)
			break;
		txn_set(t, &r->q->part, part);
		txn_commit(t);
		if (!*budget)
			return 0;
	}
	if (vring_use(r, &d->chain, 0))
		return -EPROTO;
	if (estate_load(&r->q->part))
		txn_set(t, &r->q->part, 0);
	vdev_complete(d, CONSOLE_TRANSMIT, t, 1);
	return 1;
}

static bool console_work(struct vdev *d, struct txn *t)
{
	u64 budget = CONSOLE_BUDGET;
	int done = 0;

	for (unsigned i = 0; i < VDEV_BUDGET; i++) {
		if (!vdev_queue_live(d, CONSOLE_TRANSMIT))
			return false;
		done = vring_take(&d->ring[CONSOLE_TRANSMIT], &d->chain);
		if (!done)
			return false;
		if (done > 0)
			done = console_transmit(d, t, &budget);
		if (done < 0) {
			vdev_break(d, t);
			return false;
		}
		if (!done) {
			/* The rest of this entry comes with the next call. */
			vring_rewind(&d->ring[CONSOLE_TRANSMIT]);
			break;
		}
	}
	return true;
}

const struct vdev_kind vdev_console = {
	.id = 3,
	.queues = 2,
	.size = sizeof(struct vdev),
	.create = console_create,
	.work = console_work,
};

/* Fills receive buffers; *taken: how many bytes went in. Returns the number of entries used, or -EPROTO after them. */
static int console_receive(struct vdev *d, const u8 *bytes, size_t count, size_t *taken, bool *broken)
{
	struct vring *r = &d->ring[CONSOLE_RECEIVE];
	int entries = 0;

	*broken = false;
	for (*taken = 0; *taken < count && entries < VDEV_BUDGET; entries++) {
		int got = vring_take(r, &d->chain);
		size_t run = count - *taken;

		if (!got)
			break;
		if (got > 0 && run > d->chain.writable_bytes)
			run = (size_t)d->chain.writable_bytes;
		if (got < 0 || vring_chain_write(d->vm, &d->chain, 0, bytes + *taken, run) ||
		    vring_use(r, &d->chain, run)) {
			*broken = true;
			break;
		}
		*taken += run;
	}
	return entries;
}

size_t virtio_console_input(struct vm *vm, struct txn *t, const void *bytes, size_t count)
{
	struct vdev *d = NULL;
	size_t taken = 0;
	bool broken;
	int entries;

	for (unsigned slot = 0; slot < VM_MAX_DEVICES && !d; slot++)
		if (vm->dev[slot] && vm->dev[slot]->kind == &vdev_console)
			d = vm->dev[slot];
	if (!d)
		return 0;
	lock_take(&vm->dev_lock);
	if (vdev_queue_live(d, CONSOLE_RECEIVE) && virtio_takes_input(vm)) {
		entries = console_receive(d, bytes, count, &taken, &broken);
		if (entries)
			vdev_complete(d, CONSOLE_RECEIVE, t, (unsigned)entries);
		if (broken)
			vdev_break(d, t);
	}
	lock_release(&vm->dev_lock);
	return taken;
}
