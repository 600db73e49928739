/* Split virtqueues (virtio 1.2, section 2.7). */
#include "drivers/virtqueue.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/memory/pages.h"
#include "drivers/io.h"

/* Section 2.7.5. */
struct vring_desc {
	u64 at;
	u32 bytes;
	u16 flags;
	u16 next;
};

#define DESC_NEXT  1u
#define DESC_WRITE 2u

/* Section 2.7.6. */
struct vring_avail {
	u16 flags;
	u16 idx;
	u16 ring[];
};

#define AVAIL_NO_INTERRUPT 1u

/* Section 2.7.8. */
struct vring_used {
	u16 flags;
	u16 idx;
	struct {
		u32 id;
		u32 bytes;
	} ring[];
};

#define USED_NO_NOTIFY 1u

/* Offsets of the parts in the queue's memory; the last word of each ring is for a feature that we don't use. */
static u64 avail_offset(unsigned size)
{
	return sizeof(struct vring_desc) * (u64)size;
}

static u64 used_offset(unsigned size)
{
	return ALIGN_UP(avail_offset(size) + sizeof(struct vring_avail) + 2 * ((u64)size + 1), 4ull);
}

static u64 ring_bytes(unsigned size)
{
	return used_offset(size) + sizeof(struct vring_used) + 8 * (u64)size + 2;
}

static unsigned order_of(u64 bytes)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < bytes)
		order++;
	return order;
}

/* The device's limit need not be a power of two here, but a split queue's size is one (section 2.7). */
static unsigned size_for(unsigned limit, unsigned most)
{
	unsigned size = most < VIRTQUEUE_SIZE_MAX ? most : VIRTQUEUE_SIZE_MAX;

	while (size > limit)
		size /= 2;
	return size;
}

static struct virtqueue *allocate(unsigned size)
{
	struct virtqueue *q = object_alloc(sizeof(*q));
	u8 *rings = pages_alloc(order_of(ring_bytes(size)));

	if (!q || !rings)
		return NULL;
	q->chain = object_alloc(sizeof(*q->chain) * size);
	q->next = object_alloc(sizeof(*q->next) * size);
	if (!q->chain || !q->next)
		return NULL;
	q->size = size;
	q->desc = (struct vring_desc *)(void *)rings;
	q->avail = (struct vring_avail *)(void *)(rings + avail_offset(size));
	q->used = (struct vring_used *)(void *)(rings + used_offset(size));
	for (unsigned i = 0; i < size; i++)
		q->next[i] = (u16)(i + 1);
	q->free_count = size;
	return q;
}

struct virtqueue *virtqueue_create(struct virtio_device *d, unsigned number, unsigned least, unsigned most)
{
	unsigned limit = virtio_mmio_queue_max(d, number);
	unsigned size = size_for(limit, most);
	struct virtqueue *q;

	if (!size || size < least) {
		log_line("virtio: device at 0x%lx: queue %u has room for %u, %u are needed", d->base, number,
			 limit, least);
		return NULL;
	}
	q = allocate(size);
	if (!q) {
		log_line("virtio: device at 0x%lx: no memory for queue %u", d->base, number);
		return NULL;
	}
	q->device = d;
	q->number = number;
	virtio_mmio_queue_start(d, number, size, (u64)(uintptr_t)q->desc, (u64)(uintptr_t)q->avail,
				(u64)(uintptr_t)q->used);
	return q;
}

/* Writes the descriptors of a chain and takes them off the free list. Returns its first. */
static u16 fill_chain(struct virtqueue *q, const struct virtqueue_piece *piece, unsigned out, unsigned in,
		      u32 *writable)
{
	u16 head = q->free;
	u16 at = head;

	*writable = 0;
	for (unsigned i = 0; i < out + in; i++) {
		struct vring_desc *desc = &q->desc[at];
		unsigned flags = i < out ? 0 : DESC_WRITE;

		if (i + 1 < out + in)
			flags |= DESC_NEXT;
		SHARED_WRITE(desc->at, piece[i].at);
		SHARED_WRITE(desc->bytes, piece[i].bytes);
		SHARED_WRITE(desc->flags, (u16)flags);
		SHARED_WRITE(desc->next, q->next[at]);
		if (i >= out)
			*writable += piece[i].bytes;
		at = q->next[at];
	}
	q->free = at;
	q->free_count -= out + in;
	return head;
}

int virtqueue_add(struct virtqueue *q, const struct virtqueue_piece *piece, unsigned out, unsigned in,
		  void *cookie)
{
	u32 writable;
	u16 head;

	if (virtio_mmio_failed(q->device))
		return -EIO;
	if (!(out + in) || out + in > q->free_count)
		return -EAGAIN;
	head = fill_chain(q, piece, out, in, &writable);
	q->chain[head].cookie = cookie;
	q->chain[head].writable = writable;
	q->chain[head].descriptors = (u16)(out + in);
	q->under_way++;

	/* Section 2.7.13: the entry before the index, the index before the look at whether to notify. */
	SHARED_WRITE(q->avail->ring[q->avail_idx & (q->size - 1)], head);
	io_fence();
	SHARED_WRITE(q->avail->idx, ++q->avail_idx);
	io_fence();
	if (!(SHARED_READ(q->used->flags) & USED_NO_NOTIFY))
		virtio_mmio_notify(q->device, q->number);
	return 0;
}

static void free_chain(struct virtqueue *q, u16 head)
{
	u16 last = head;

	for (unsigned i = 1; i < q->chain[head].descriptors; i++)
		last = q->next[last];
	q->next[last] = q->free;
	q->free = head;
	q->free_count += q->chain[head].descriptors;
	q->chain[head].descriptors = 0;
	q->under_way--;
}

bool virtqueue_ready(const struct virtqueue *q)
{
	return SHARED_READ(q->used->idx) != SHARED_READ(q->used_idx);
}

void *virtqueue_take(struct virtqueue *q, u32 *written)
{
	u16 idx = SHARED_READ(q->used->idx);
	unsigned slot = q->used_idx & (q->size - 1);
	u32 id, bytes;

	if (virtio_mmio_failed(q->device) || idx == q->used_idx)
		return NULL;
	if ((u16)(idx - q->used_idx) > q->under_way) {
		virtio_mmio_fail(q->device, "its used index is ahead of the buffers that it was given");
		return NULL;
	}
	io_fence(); /* the index before the entry, and before the buffer's contents */
	id = SHARED_READ(q->used->ring[slot].id);
	bytes = SHARED_READ(q->used->ring[slot].bytes);
	if (id >= q->size || !q->chain[id].descriptors) {
		virtio_mmio_fail(q->device, "it returned a buffer that it did not have");
		return NULL;
	}
	/* Some devices report too much, without having written it: that alone does no harm. */
	if (written)
		*written = bytes < q->chain[id].writable ? bytes : q->chain[id].writable;
	SHARED_WRITE(q->used_idx, (u16)(q->used_idx + 1));
	free_chain(q, (u16)id);
	return q->chain[id].cookie;
}

void virtqueue_interrupts(struct virtqueue *q, bool on)
{
	SHARED_WRITE(q->avail->flags, (u16)(on ? 0 : AVAIL_NO_INTERRUPT));
	io_fence();
}
