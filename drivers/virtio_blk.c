/*
 * The host's disks: virtio block devices (virtio 1.2, section 5.2).
 *
 * Data goes between the device and the guest's memory directly: requests carry host physical addresses. A request that
 * can't be done, or whose device is out of service, ends with -EIO like one that the device refused.
 */
#include "core/devices/backend.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "core/memory/pages.h"
#include "drivers/drivers.h"
#include "drivers/virtio_drivers.h"
#include "drivers/virtqueue.h"

/* Section 5.2.3. */
#define F_SEG_MAX 2
#define F_RO	  5
#define F_FLUSH	  9

/* Section 5.2.4. */
#define CONFIG_CAPACITY 0
#define CONFIG_SEG_MAX	12

/* Section 5.2.6. */
#define TYPE_IN	     0u
#define TYPE_OUT     1u
#define TYPE_FLUSH   4u
#define STATUS_OK    0
#define STATUS_UNSET 0xff

struct blk_header {
	u32 type;
	u32 reserved;
	u64 sector;
};

#define PIECES_MAX (BLK_SEGMENTS_MAX + 2) /* header and status byte */
#define SLOTS	   64

/* What a request under way needs beside its data. Header and status are read and written by the device. */
struct blk_slot {
	struct blk_header header;
	struct blk_request *request; /* NULL: free */
	struct blk_slot *next;	     /* free list */
	u8 status;
};

struct host_blk {
	struct blk_backend backend; /* first: what submit gets is this */
	struct virtio_device *device;
	struct lock lock;
	struct virtqueue *queue;
	struct blk_slot *slot; /* [SLOTS] */
	struct blk_slot *free;
	struct blk_request *ended; /* done without the device: links in backend_private[0], status in [1] */
	u32 has_ended;		   /* `ended` is not empty; a hint */
};

struct blk_backend *blk_backends[BLK_BACKENDS_MAX];
static unsigned blk_count;

/* Requests completed in one go before another device gets its turn. */
#define BUDGET 64

/* The bytes of a data request that can be done, or 0. */
static u64 checked_bytes(const struct host_blk *b, const struct blk_request *r)
{
	u64 bytes = 0;

	if (r->op != BLK_READ && (r->op != BLK_WRITE || b->backend.readonly))
		return 0;
	if (r->segments > BLK_SEGMENTS_MAX)
		return 0;
	for (unsigned i = 0; i < r->segments; i++)
		bytes += r->segment[i].bytes;
	if (bytes % BLK_SECTOR || !range_inside(r->sector, bytes / BLK_SECTOR, 0, b->backend.sectors))
		return 0;
	return bytes;
}

/* `r` ends without the device: drivers_poll will tell. Lock held. */
static int end_later(struct host_blk *b, struct blk_request *r, int status)
{
	r->backend_private[0] = (u64)(uintptr_t)b->ended;
	r->backend_private[1] = (u64)(s64)status;
	b->ended = r;
	__atomic_store_n(&b->has_ended, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Gives a checked request to the device. Lock held. -EAGAIN: full. */
static int start(struct host_blk *b, struct blk_request *r)
{
	struct virtqueue_piece piece[PIECES_MAX];
	struct blk_slot *s = b->free;
	unsigned n = 0, out;
	int error;

	if (!s)
		return -EAGAIN;
	s->header.type = r->op == BLK_READ ? TYPE_IN : r->op == BLK_WRITE ? TYPE_OUT : TYPE_FLUSH;
	s->header.sector = r->op == BLK_FLUSH ? 0 : r->sector;
	s->status = STATUS_UNSET;
	piece[n++] = (struct virtqueue_piece){ (u64)(uintptr_t)&s->header, sizeof(s->header) };
	for (unsigned i = 0; i < r->segments && r->op != BLK_FLUSH; i++)
		if (r->segment[i].bytes)
			piece[n++] = (struct virtqueue_piece){ r->segment[i].at.a, r->segment[i].bytes };
	out = r->op == BLK_READ ? 1 : n;
	piece[n++] = (struct virtqueue_piece){ (u64)(uintptr_t)&s->status, 1 };

	error = virtqueue_add(b->queue, piece, out, n - out, s);
	if (error)
		return error;
	b->free = s->next;
	s->request = r;
	return 0;
}

static int blk_submit(struct blk_backend *backend, struct blk_request *r)
{
	struct host_blk *b = (struct host_blk *)backend;
	int error;

	lock_take(&b->lock);
	if (virtio_mmio_failed(b->device))
		error = end_later(b, r, -EIO);
	else if (r->op == BLK_FLUSH && !virtio_mmio_has(b->device, F_FLUSH))
		error = end_later(b, r, 0); /* it has no cache to flush (section 5.2.5) */
	else if (r->op != BLK_FLUSH && !checked_bytes(b, r))
		error = end_later(b, r, -EIO);
	else
		error = start(b, r);
	if (error == -EIO)
		error = end_later(b, r, -EIO);
	lock_release(&b->lock);
	if (!error)
		drivers_mark(b->device);
	return error;
}

static struct blk_request *release_slot(struct host_blk *b, struct blk_slot *s)
{
	struct blk_request *r = s->request;

	s->request = NULL;
	s->next = b->free;
	b->free = s;
	return r;
}

/* The device will never answer: everything that it had ends. Lock held. */
static void fail_all(struct host_blk *b)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (b->slot[i].request)
			end_later(b, release_slot(b, &b->slot[i]), -EIO);
}

/* The next request that has ended, or NULL. */
static struct blk_request *next_done(struct host_blk *b, int *status)
{
	struct blk_request *r = NULL;
	struct blk_slot *s;

	lock_take(&b->lock);
	s = virtqueue_take(b->queue, NULL);
	if (s) {
		*status = __atomic_load_n(&s->status, __ATOMIC_RELAXED) == STATUS_OK ? 0 : -EIO;
		r = release_slot(b, s);
		goto out;
	}
	if (virtio_mmio_failed(b->device))
		fail_all(b);
	r = b->ended;
	if (r) {
		b->ended = (struct blk_request *)(uintptr_t)r->backend_private[0];
		*status = (int)r->backend_private[1];
	}
	if (!b->ended)
		__atomic_store_n(&b->has_ended, 0, __ATOMIC_RELAXED);
out:
	lock_release(&b->lock);
	return r;
}

static bool blk_poll(struct virtio_device *d)
{
	struct host_blk *b = d->driver;
	struct blk_request *r;
	int status = 0;

	for (unsigned i = 0; i < BUDGET; i++) {
		r = next_done(b, &status);
		if (!r)
			return false;
		r->done(r, status);
	}
	return virtqueue_ready(b->queue) || __atomic_load_n(&b->has_ended, __ATOMIC_RELAXED);
}

static struct host_blk *allocate(void)
{
	struct host_blk *b = object_alloc(sizeof(*b));

	if (!b)
		return NULL;
	b->slot = object_alloc(sizeof(*b->slot) * SLOTS);
	if (!b->slot)
		return NULL;
	for (unsigned i = 0; i < SLOTS; i++)
		b->slot[i].next = i + 1 < SLOTS ? &b->slot[i + 1] : NULL;
	b->free = &b->slot[0];
	return b;
}

int host_blk_start(struct virtio_device *d)
{
	unsigned unit = blk_count++; /* counted even if it fails: the others keep their numbers */
	struct host_blk *b;
	int error;

	if (unit >= BLK_BACKENDS_MAX) {
		log_line("blk: more than %u disks", BLK_BACKENDS_MAX);
		return -ENOSPC;
	}
	error = virtio_mmio_negotiate(d, 1ull << F_SEG_MAX | 1ull << F_RO | 1ull << F_FLUSH);
	if (error) {
		log_line("blk %u: the device does not agree on features", unit);
		return error;
	}
	if (virtio_mmio_has(d, F_SEG_MAX) && virtio_mmio_config32(d, CONFIG_SEG_MAX) < BLK_SEGMENTS_MAX) {
		log_line("blk %u: takes %u segments a request, %u are needed (QEMU: queue-size=64 or more)",
			 unit, virtio_mmio_config32(d, CONFIG_SEG_MAX), BLK_SEGMENTS_MAX);
		return -ENODEV;
	}
	b = allocate();
	if (!b)
		return -ENOMEM;
	b->queue = virtqueue_create(d, 0, PIECES_MAX, VIRTQUEUE_SIZE_MAX);
	if (!b->queue)
		return -ENODEV;
	b->device = d;
	b->backend.sectors = virtio_mmio_config64(d, CONFIG_CAPACITY);
	b->backend.readonly = virtio_mmio_has(d, F_RO);
	b->backend.submit = blk_submit;
	d->driver = b;
	d->poll = blk_poll;
	virtio_mmio_ready(d);
	blk_backends[unit] = &b->backend;
	log_line("blk %u: 0x%lx, %lu MiB%s", unit, d->base, b->backend.sectors * BLK_SECTOR >> 20,
		 b->backend.readonly ? ", read-only" : "");
	return 0;
}

const struct virtio_device *host_blk_device(unsigned unit)
{
	if (unit >= BLK_BACKENDS_MAX || !blk_backends[unit])
		return NULL;
	return ((struct host_blk *)blk_backends[unit])->device;
}

void host_blk_forget(void)
{
	for (unsigned i = 0; i < BLK_BACKENDS_MAX; i++)
		blk_backends[i] = NULL;
	blk_count = 0;
}
