/*
 * The host's port to the outside: a virtio network device (virtio 1.2, section 5.1).
 *
 * Frames are copied, both ways: a guest's buffers are not held up by the outside, and the outside never writes into
 * guest memory.
 */
#include "core/arch.h"
#include "core/devices/backend.h"
#include "core/lib/errno.h"
#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"
#include "drivers/drivers.h"
#include "drivers/virtio_drivers.h"
#include "drivers/virtqueue.h"

#define F_MAC 5 /* section 5.1.3 */

#define QUEUE_RECEIVE  0 /* section 5.1.2 */
#define QUEUE_TRANSMIT 1

/* Section 5.1.6, struct virtio_net_hdr. All zero: a plain frame, no offloads. */
#define HEADER_BYTES 12u

#define BUFFER_BYTES 2048u
#define BUFFERS	     64u /* of each queue */
#define FRAME_MIN    14u

_Static_assert(HEADER_BYTES + NET_FRAME_MAX <= BUFFER_BYTES, "a frame fits into a buffer");
_Static_assert(BUFFERS *BUFFER_BYTES == PAGE_SIZE << 5, "buffers fill their pages");
#define BUFFERS_ORDER 5

struct host_net {
	struct net_backend backend; /* first: what transmit gets is this */
	struct virtio_device *device;
	struct virtqueue *receive; /* only the hart in drivers_poll uses it */
	struct lock lock;	   /* the rest */
	struct virtqueue *transmit;
	u8 *free[BUFFERS]; /* transmit buffers */
	unsigned free_count;
};

struct net_backend *net_backend;

/* Frames received in one go before another device gets its turn. */
#define BUDGET 64

static int offer(struct host_net *n, u8 *buffer)
{
	struct virtqueue_piece piece = { (u64)(uintptr_t)buffer, BUFFER_BYTES };

	return virtqueue_add(n->receive, &piece, 0, 1, buffer);
}

static int net_transmit(struct net_backend *backend, const void *frame, size_t bytes)
{
	struct host_net *n = (struct host_net *)backend;
	struct virtqueue_piece piece;
	int error = -EAGAIN;
	u8 *buffer;

	if (bytes < FRAME_MIN || bytes > NET_FRAME_MAX)
		return -EINVAL;
	lock_take(&n->lock);
	while ((buffer = virtqueue_take(n->transmit, NULL)))
		n->free[n->free_count++] = buffer;
	if (n->free_count) {
		buffer = n->free[n->free_count - 1];
		memset(buffer, 0, HEADER_BYTES);
		memcpy(buffer + HEADER_BYTES, frame, bytes);
		piece = (struct virtqueue_piece){ (u64)(uintptr_t)buffer, (u32)(HEADER_BYTES + bytes) };
		error = virtqueue_add(n->transmit, &piece, 1, 0, buffer);
		if (!error)
			n->free_count--;
	}
	lock_release(&n->lock);
	return error;
}

static bool net_poll(struct virtio_device *d)
{
	struct host_net *n = d->driver;
	u32 written;
	u8 *buffer;

	for (unsigned i = 0; i < BUDGET; i++) {
		buffer = virtqueue_take(n->receive, &written);
		if (!buffer)
			return false;
		if (n->backend.receive && written >= HEADER_BYTES + FRAME_MIN &&
		    written <= HEADER_BYTES + NET_FRAME_MAX)
			n->backend.receive(&n->backend, buffer + HEADER_BYTES, written - HEADER_BYTES);
		offer(n, buffer);
	}
	return virtqueue_ready(n->receive);
}

static int allocate(struct host_net *n, struct virtio_device *d)
{
	u8 *in = pages_alloc(BUFFERS_ORDER);
	u8 *out = pages_alloc(BUFFERS_ORDER);

	if (!in || !out) {
		log_line("net: no memory for buffers");
		return -ENOMEM;
	}
	n->device = d;
	n->receive = virtqueue_create(d, QUEUE_RECEIVE, 2, BUFFERS);
	n->transmit = virtqueue_create(d, QUEUE_TRANSMIT, 2, BUFFERS);
	if (!n->receive || !n->transmit)
		return -ENODEV;
	for (unsigned i = 0; i < BUFFERS; i++)
		n->free[n->free_count++] = out + (size_t)i * BUFFER_BYTES;
	/* Their return is noticed when the next frame is sent. */
	virtqueue_interrupts(n->transmit, false);
	virtio_mmio_ready(
		d); /* before buffers: the device may be told of them only from now on (section 3.1.1) */
	for (unsigned i = 0; i < n->receive->size; i++)
		offer(n, in + (size_t)i * BUFFER_BYTES);
	return 0;
}

/* The device's address; one of our own if it has none (locally administered). */
static void read_mac(struct virtio_device *d, u8 mac[6])
{
	static const u8 ours[6] = { 0x02, 0x4f, 0x4c, 0, 0, 1 };

	for (unsigned i = 0; i < 6; i++)
		mac[i] = virtio_mmio_has(d, F_MAC) ? virtio_mmio_config8(d, i) : ours[i];
}

int host_net_start(struct virtio_device *d)
{
	struct host_net *n;
	int error;

	if (net_backend) {
		log_line("net: 0x%lx is not used: one port to the outside is all that the host has", d->base);
		return -EBUSY;
	}
	error = virtio_mmio_negotiate(d, 1ull << F_MAC);
	if (error) {
		log_line("net: the device does not agree on features");
		return error;
	}
	n = object_alloc(sizeof(*n));
	if (!n)
		return -ENOMEM;
	read_mac(d, n->backend.mac);
	n->backend.transmit = net_transmit;
	d->driver = n;
	d->poll = net_poll;
	error = allocate(n, d);
	if (error)
		return error;
	net_backend = &n->backend;
	log_line("net: 0x%lx, %02x:%02x:%02x:%02x:%02x:%02x", d->base, n->backend.mac[0], n->backend.mac[1],
		 n->backend.mac[2], n->backend.mac[3], n->backend.mac[4], n->backend.mac[5]);
	return 0;
}

void host_net_forget(void)
{
	net_backend = NULL;
}
