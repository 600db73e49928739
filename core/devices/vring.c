#include "core/devices/vring.h"
#include "core/devices/vring_private.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/private/bounce.h"

/* A descriptor (section 2.7.5). */
struct vring_desc {
	u64 at;
	u32 bytes;
	u16 flags;
	u16 next;
};

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

/* Offsets in the driver area ("available ring", section 2.7.6), entries of 2 bytes, and ... */
#define AVAIL_FLAGS	   0u
#define AVAIL_IDX	   2u
#define AVAIL_RING	   4u
#define AVAIL_NO_INTERRUPT 1u
/* ... in the device area ("used ring", section 2.7.8), elements of 8 bytes. */
#define USED_IDX  2u
#define USED_RING 4u

void vring_create(struct vring *r, struct vm *vm, unsigned slot, unsigned n)
{
	r->vm = vm;
	r->q = &vm->s->dev[slot].queue[n];
	if (vm->config.flags & VM_CONFIDENTIAL) {
		r->bounce = bounce_queue(&vm->config, slot, n, &r->bounces);
		r->number = bounce_queue_number(&vm->config, slot, n);
	}
	vring_rewind(r);
	r->shown = r->taken;
}

void vring_start(struct vring *r)
{
	r->taken = 0;
	r->seen = 0;
	r->shown = 0;
}

bool vring_valid(const struct vm *vm, const struct vqueue_state *q)
{
	/* A confidential VM's may also be in memory that it shares. */
	u64 shared = vm->config.flags & VM_CONFIDENTIAL ? PRIVATE_SHARED_BIT : 0;
	u64 num = estate_load(&q->num);
	u64 desc = estate_load(&q->desc) & ~shared;
	u64 driver = estate_load(&q->driver) & ~shared;
	u64 device = estate_load(&q->device) & ~shared;
	u64 ram = vm->config.memory;

	if (!num || num > VQUEUE_SIZE_MAX || (num & (num - 1)))
		return false;
	/* Section 2.7: alignments 16, 2 and 4. */
	if (desc % 16 || driver % 2 || device % 4)
		return false;
	return range_inside(desc, sizeof(struct vring_desc) * num, GUEST_RAM_BASE, ram) &&
	       range_inside(driver, AVAIL_RING + 2 * num, GUEST_RAM_BASE, ram) &&
	       range_inside(device, USED_RING + 8 * num, GUEST_RAM_BASE, ram);
}

void vring_rewind(struct vring *r)
{
	r->taken = (u16)estate_load(&r->q->done);
	r->seen = r->taken;
}

int vring_adopt(struct vring *r)
{
	return r->bounce ? vring_private_adopt(r) : 0;
}

/* Adds one buffer to the chain. */
static int vring_add(struct vm *vm, struct vring_chain *chain, const struct vring_desc *desc)
{
	if (!range_inside(desc->at, desc->bytes, GUEST_RAM_BASE, vm->config.memory))
		return -EPROTO;
	if (!desc->bytes)
		return 0;
	if (chain->count == VRING_CHAIN_MAX)
		return -EPROTO;
	chain->segment[chain->count++] = (struct vring_segment){ .at = desc->at, .bytes = desc->bytes };
	if (desc->flags & DESC_WRITE) {
		chain->writable_bytes += desc->bytes;
		return 0;
	}
	/* What can be read comes before what can be written (section 2.7.4.2). */
	if (chain->writable_bytes)
		return -EPROTO;
	chain->readable = chain->count;
	chain->readable_bytes += desc->bytes;
	return 0;
}

/*
 * Follows a chain through a table of `size` descriptors. *steps says how many more may be looked at, so that a circle
 * ends. If the last one is an indirect table it is left in *last, otherwise *last has no such flag.
 */
static int vring_walk(struct vm *vm, struct vring_chain *chain, u64 table, u64 size, unsigned index,
		      unsigned *steps, struct vring_desc *last)
{
	int error;

	do {
		if (index >= size || !(*steps)--)
			return -EPROTO;
		error = guest_read(vm, GPA(table + index * sizeof(*last)), last, sizeof(*last));
		if (error)
			return -EPROTO;
		if (last->flags & DESC_INDIRECT)
			return last->flags & DESC_NEXT ? -EPROTO : 0;
		error = vring_add(vm, chain, last);
		if (error)
			return error;
		index = last->next;
	} while (last->flags & DESC_NEXT);
	return 0;
}

static int vring_chain(struct vring *r, struct vring_chain *chain)
{
	/* And one that is the table. */
	unsigned steps = VRING_CHAIN_MAX + 1;
	struct vring_desc last;
	int error;

	chain->readable = 0;
	chain->count = 0;
	chain->readable_bytes = 0;
	chain->writable_bytes = 0;
	chain->written = 0;
	error = vring_walk(r->vm, chain, estate_load(&r->q->desc), estate_load(&r->q->num), chain->head,
			   &steps, &last);
	if (error || !(last.flags & DESC_INDIRECT))
		return error;
	/* The chain goes on in an indirect table, which has no other within (section 2.7.5.3.1). */
	if (!last.bytes || last.bytes % sizeof(last) ||
	    !range_inside(last.at, last.bytes, GUEST_RAM_BASE, r->vm->config.memory))
		return -EPROTO;
	error = vring_walk(r->vm, chain, last.at, last.bytes / sizeof(last), 0, &steps, &last);
	return error ? error : last.flags & DESC_INDIRECT ? -EPROTO : 0;
}

/* Looks for entries that the driver has added. */
static int vring_look(struct vring *r)
{
	u16 done = (u16)estate_load(&r->q->done);
	u16 index;

	if (guest_read(r->vm, GPA(estate_load(&r->q->driver) + AVAIL_IDX), &index, sizeof(index)))
		return -EPROTO;
	/* What is in the entries must not be read before their number. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* The driver never has more entries out than the queue is long, and never takes one back. */
	if ((u16)(index - done) > estate_load(&r->q->num) || (u16)(index - done) < (u16)(r->taken - done))
		return -EPROTO;
	r->seen = index;
	return 0;
}

int vring_take(struct vring *r, struct vring_chain *chain)
{
	u64 num = estate_load(&r->q->num);
	int error;

	if (r->bounce)
		return vring_private_take(r, chain);
	if (r->taken == r->seen) {
		error = vring_look(r);
		if (error)
			return error;
		if (r->taken == r->seen)
			return 0;
	}
	if (guest_read(r->vm, GPA(estate_load(&r->q->driver) + AVAIL_RING + 2 * (r->taken % num)),
		       &chain->head, sizeof(chain->head)))
		return -EPROTO;
	chain->entry = r->taken;
	error = vring_chain(r, chain);
	if (error)
		return error;
	r->taken++;
	return 1;
}

/* Copies between a buffer and `count` segments, from offset `at` on. */
static int vring_copy(struct vm *vm, const struct vring_segment *s, unsigned count, u64 at, u8 *buffer,
		      size_t bytes, bool to_guest)
{
	for (; bytes && count; s++, count--) {
		size_t run;
		gpa_t where;

		if (at >= s->bytes) {
			at -= s->bytes;
			continue;
		}
		run = s->bytes - at;
		if (run > bytes)
			run = bytes;
		where = GPA(s->at + at);
		if (to_guest ? guest_write(vm, where, buffer, run) : guest_read(vm, where, buffer, run))
			return -EPROTO;
		buffer += run;
		bytes -= run;
		at = 0;
	}
	return bytes ? -EPROTO : 0;
}

int vring_chain_read(struct vm *vm, const struct vring_chain *chain, u64 from, void *to, size_t bytes)
{
	return vring_copy(vm, chain->segment, chain->readable, from, to, bytes, false);
}

int vring_chain_write(struct vm *vm, struct vring_chain *chain, u64 to, const void *from, size_t bytes)
{
	if (to + bytes > chain->written)
		chain->written = to + bytes;
	return vring_copy(vm, chain->segment + chain->readable, (unsigned)(chain->count - chain->readable),
			  to, (u8 *)(uintptr_t)from, bytes, true);
}

int vring_use(struct vring *r, const struct vring_chain *chain, u64 bytes)
{
	u32 element[2] = { chain->head, (u32)bytes };
	u64 at = estate_load(&r->q->device) + USED_RING + 8 * (chain->entry % estate_load(&r->q->num));

	if (r->bounce)
		return vring_private_use(r, chain, bytes);
	return guest_write(r->vm, GPA(at), element, sizeof(element)) ? -EPROTO : 0;
}

int vring_publish(struct vring *r)
{
	u16 index = (u16)estate_load(&r->q->done);
	int error;

	if (r->bounce)
		return vring_private_show(r, index);
	/* Elements and data before the index, the index before a look at the driver's flags (section 2.7.8.2). */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	error = guest_write(r->vm, GPA(estate_load(&r->q->device) + USED_IDX), &index, sizeof(index));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return error ? -EPROTO : 0;
}

bool vring_wants_interrupt(struct vring *r)
{
	u16 flags;

	if (r->bounce)
		return r->wanted;
	if (guest_read(r->vm, GPA(estate_load(&r->q->driver) + AVAIL_FLAGS), &flags, sizeof(flags)))
		return true;
	return !(flags & AVAIL_NO_INTERRUPT);
}
