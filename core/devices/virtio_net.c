/*
 * virtio network device (virtio 1.2, section 5.1): a port of one of the host's switches.
 *
 * Repeats after a crash: a frame whose sending did not complete is sent again, and one that was being received is lost
 * with the switch. Networks do both, and what speaks over them expects it. A receive buffer that was filled but not
 * completed is filled anew.
 */
#include "core/devices/net_switch.h"
#include "core/devices/vdev.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

/* Queues (section 5.1.2). */
#define NET_RECEIVE  0
#define NET_TRANSMIT 1

#define NET_F_MAC (1ull << 5) /* section 5.1.3 */

/* Header of each frame (section 5.1.6). We offer nothing that fills it; num_buffers is 1 all the same. */
struct net_header {
	u8 flags;
	u8 gso_type;
	u16 hdr_len;
	u16 gso_size;
	u16 csum_start;
	u16 csum_offset;
	u16 num_buffers;
};

_Static_assert(sizeof(struct net_header) == 12, "header of virtio 1");

struct vdev_net {
	struct vdev d;
	struct net_port port;
	u8 frame[NET_FRAME_MAX]; /* on its way out */
};

static int net_create(struct vdev *d)
{
	struct vdev_net *n = (struct vdev_net *)d;
	const struct vm_device_config *config = vdev_config(d);
	static const u8 unset[6];
	/* Without one in the host file: a locally administered address that no other device of the host has. */
	u8 mac[6] = { 0x02, 0x4f, 0x4c, 0, (u8)d->vm->index, (u8)d->slot };

	if (memcmp(config->mac, unset, sizeof(unset)) != 0)
		memcpy(mac, config->mac, sizeof(mac));
	memcpy(d->config, mac, sizeof(mac));
	return net_port_create(&n->port, d, config->host_unit, mac, config->flags & VM_DEV_UPLINK);
}

/* Puts a frame into the buffer in d->chain, and its used element. */
static int net_fill(struct vdev *d, const struct net_frame *frame)
{
	const struct net_header header = { .num_buffers = 1 };
	int error;

	error = vring_chain_write(d->vm, &d->chain, 0, &header, sizeof(header));
	if (!error)
		error = vring_chain_write(d->vm, &d->chain, sizeof(header), frame->data, frame->bytes);
	if (!error)
		error = vring_use(&d->ring[NET_RECEIVE], &d->chain, sizeof(header) + frame->bytes);
	return error;
}

/* Frames to the guest. True: there is more to do; *broken: the driver broke the rules. */
static bool net_receive(struct vdev_net *n, struct txn *t, bool *broken)
{
	struct vdev *d = &n->d;
	const struct net_frame *frame;
	unsigned count = 0;

	if (!vdev_queue_live(d, NET_RECEIVE))
		return false;
	while (count < VDEV_BUDGET && (frame = net_port_peek(&n->port))) {
		int taken = vring_take(&d->ring[NET_RECEIVE], &d->chain);

		/* Without merged buffers each holds the largest frame (section 5.1.6.3.1). */
		if (taken > 0 && net_fill(d, frame))
			taken = -EPROTO;
		*broken = taken < 0;
		if (taken <= 0)
			break;
		net_port_next(&n->port);
		count++;
	}
	if (count)
		vdev_complete(d, NET_RECEIVE, t, count);
	return count == VDEV_BUDGET;
}

/* Sends what is in d->chain. A frame of an impossible size is dropped, as a switch does. */
static int net_send(struct vdev_net *n)
{
	struct vdev *d = &n->d;
	u64 bytes = d->chain.readable_bytes;
	int error = 0;

	if (bytes < sizeof(struct net_header))
		return -EPROTO;
	bytes -= sizeof(struct net_header);
	if (bytes >= NET_FRAME_MIN && bytes <= NET_FRAME_MAX) {
		error = vring_chain_read(d->vm, &d->chain, sizeof(struct net_header), n->frame,
					 (size_t)bytes);
		if (!error)
			net_port_send(&n->port, n->frame, (size_t)bytes);
	}
	return error ? error : vring_use(&d->ring[NET_TRANSMIT], &d->chain, 0);
}

/* Frames from the guest. As net_receive. */
static bool net_transmit(struct vdev_net *n, struct txn *t, bool *broken)
{
	struct vdev *d = &n->d;
	unsigned count = 0;

	if (!vdev_queue_live(d, NET_TRANSMIT))
		return false;
	while (count < VDEV_BUDGET) {
		int taken = vring_take(&d->ring[NET_TRANSMIT], &d->chain);

		if (taken > 0 && net_send(n))
			taken = -EPROTO;
		*broken = taken < 0;
		if (taken <= 0)
			break;
		count++;
	}
	if (count)
		vdev_complete(d, NET_TRANSMIT, t, count);
	return count == VDEV_BUDGET;
}

static bool net_work(struct vdev *d, struct txn *t)
{
	struct vdev_net *n = (struct vdev_net *)d;
	bool broken = false;
	bool more;

	net_port_open(&n->port, true);
	more = net_receive(n, t, &broken);
	if (!broken)
		more |= net_transmit(n, t, &broken);
	if (broken) {
		vdev_break(d, t);
		return false;
	}
	return more;
}

static void net_reset(struct vdev *d)
{
	struct vdev_net *n = (struct vdev_net *)d;

	net_port_open(&n->port, false);
}

const struct vdev_kind vdev_net = {
	.id = 1,
	.queues = 2,
	.features = NET_F_MAC,
	.size = sizeof(struct vdev_net),
	.create = net_create,
	.work = net_work,
	.reset = net_reset,
};
