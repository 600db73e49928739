/*
 * The control channel's byte stream: the first port of a virtio console device (virtio 1.2, section 5.3).
 *
 * Without the multiport feature, which is not asked for: queues 0 and 1 are the port, and there is nothing to open. In
 * return nobody says whether the other end is there; what nobody reads is lost, which the protocol on top deals with.
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

#define QUEUE_RECEIVE  0 /* section 5.3.2: of port 0 */
#define QUEUE_TRANSMIT 1

#define BUFFERS 16u /* of a page each, for each queue */

struct host_console {
	struct stream_backend stream; /* first: what read and write get is this */
	struct virtio_device *device;
	struct lock lock;
	struct virtqueue *receive;
	struct virtqueue *transmit;
	u8 *free[BUFFERS]; /* transmit buffers */
	unsigned free_count;
	u8 *in;	      /* received buffer that is being read; NULL: none */
	u32 in_bytes; /* in it */
	u32 in_taken; /* of them read already */
};

struct stream_backend *control_stream;

static int offer(struct host_console *c, u8 *buffer)
{
	struct virtqueue_piece piece = { (u64)(uintptr_t)buffer, (u32)PAGE_SIZE };

	return virtqueue_add(c->receive, &piece, 0, 1, buffer);
}

static size_t stream_read(struct stream_backend *s, void *to, size_t size)
{
	struct host_console *c = (struct host_console *)s;
	size_t done = 0;

	if (!c->in && !virtqueue_ready(c->receive))
		return 0; /* the usual case, without the lock; who comes too early comes again after the interrupt */
	lock_take(&c->lock);
	while (done < size) {
		size_t part;

		if (!c->in) {
			c->in_taken = 0;
			c->in = virtqueue_take(c->receive, &c->in_bytes);
			if (!c->in)
				break;
		}
		part = c->in_bytes - c->in_taken;
		if (part > size - done)
			part = size - done;
		memcpy((u8 *)to + done, c->in + c->in_taken, part);
		c->in_taken += (u32)part;
		done += part;
		if (c->in_taken == c->in_bytes) {
			offer(c, c->in);
			c->in = NULL;
		}
	}
	lock_release(&c->lock);
	return done;
}

static void reclaim(struct host_console *c)
{
	u8 *buffer;

	while ((buffer = virtqueue_take(c->transmit, NULL)))
		c->free[c->free_count++] = buffer;
}

/* Puts as much as fits into one free buffer; 0: none is free, or the device is out of service. */
static size_t write_part(struct host_console *c, const u8 *bytes, size_t count)
{
	struct virtqueue_piece piece;
	u8 *buffer;

	if (!c->free_count)
		return 0;
	buffer = c->free[c->free_count - 1];
	if (count > PAGE_SIZE)
		count = PAGE_SIZE;
	memcpy(buffer, bytes, count);
	piece = (struct virtqueue_piece){ (u64)(uintptr_t)buffer, (u32)count };
	if (virtqueue_add(c->transmit, &piece, 1, 0, buffer))
		return 0;
	c->free_count--;
	return count;
}

/*
 * The device interrupts for a buffer that it has sent only after there was no room, for somebody waits then. All of that
 * is decided under the lock; one more look after the interrupt is on catches what was sent just before.
 */
static size_t stream_write(struct stream_backend *s, const void *bytes, size_t count)
{
	struct host_console *c = (struct host_console *)s;
	size_t done = 0;

	lock_take(&c->lock);
	virtqueue_interrupts(c->transmit, false);
	while (done < count) {
		size_t part;

		reclaim(c);
		part = write_part(c, (const u8 *)bytes + done, count - done);
		if (!part) {
			virtqueue_interrupts(c->transmit, true);
			reclaim(c);
			part = write_part(c, (const u8 *)bytes + done, count - done);
		}
		if (!part)
			break;
		done += part;
	}
	lock_release(&c->lock);
	return done;
}

/* Reading and writing is done by the control server, which is called after drivers_poll in any case. */
static bool console_poll(struct virtio_device *d)
{
	(void)d;
	return false;
}

static int allocate(struct host_console *c, struct virtio_device *d)
{
	unsigned i;

	c->device = d;
	c->receive = virtqueue_create(d, QUEUE_RECEIVE, 1, BUFFERS);
	c->transmit = virtqueue_create(d, QUEUE_TRANSMIT, 1, BUFFERS);
	if (!c->receive || !c->transmit)
		return -ENODEV;
	virtio_mmio_ready(d);
	for (i = 0; i < c->transmit->size; i++) {
		u8 *buffer = page_alloc();

		if (!buffer)
			return -ENOMEM;
		c->free[c->free_count++] = buffer;
	}
	for (i = 0; i < c->receive->size; i++) {
		u8 *buffer = page_alloc();

		if (!buffer)
			return -ENOMEM;
		offer(c, buffer);
	}
	return 0;
}

int host_console_start(struct virtio_device *d)
{
	struct host_console *c;
	int error;

	if (control_stream) {
		log_line("control: the console at 0x%lx is not used", d->base);
		return -EBUSY;
	}
	error = virtio_mmio_negotiate(d, 0);
	if (error) {
		log_line("control: the console device does not agree on features");
		return error;
	}
	c = object_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	d->driver = c;
	d->poll = console_poll;
	error = allocate(c, d);
	if (error)
		return error;
	c->stream.read = stream_read;
	c->stream.write = stream_write;
	control_stream = &c->stream;
	log_line("control: 0x%lx", d->base);
	return 0;
}

void host_console_forget(void)
{
	control_stream = NULL;
}
