#include "warden/private/rings.h"

/* Registers of virtio-mmio that say what a queue is (virtio 1.2, section 4.2.2). */
#define REG_DRIVER_FEATURES	0x020
#define REG_DRIVER_FEATURES_SEL 0x024
#define REG_QUEUE_SEL		0x030
#define REG_QUEUE_NUM		0x038
#define REG_QUEUE_READY		0x044
#define REG_STATUS		0x070
#define REG_QUEUE_DESC		0x080 /* low and high half, as the next two */
#define REG_QUEUE_DRIVER	0x090
#define REG_QUEUE_DEVICE	0x0a0
#define WINDOW_SIZE		0x1000

/*
 * Features of the transport (section 6) with which rings are what they are here: indirect descriptors, version 1, access by
 * the platform's rules. With others, a packed ring for one, the same bytes would mean something else. Bits 0 to 23 are the
 * devices' own and mean nothing to a ring.
 */
#define FEATURES_LOW  0x10ffffffu
#define FEATURES_HIGH 0x00000003u

/* A descriptor (section 2.7.5). */
struct ring_desc {
	u64 at;
	u32 bytes;
	u16 flags;
	u16 next;
};

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

/* Offsets in the driver area (section 2.7.6), entries of 2 bytes, and ... */
#define AVAIL_FLAGS	   0u
#define AVAIL_IDX	   2u
#define AVAIL_RING	   4u
#define AVAIL_NO_INTERRUPT 1u
/* ... in the device area (section 2.7.8), elements of 8 bytes. */
#define USED_IDX  2u
#define USED_RING 4u

/* Buffers of one entry. A longer chain, or one in a circle, is broken. */
#define CHAIN_MAX 64

struct ring_segment {
	u64 at;
	u32 bytes;
};

/* An entry on its way: the guest's buffers, first those that the device may read. */
struct ring_chain {
	const struct private_vm *vm;
	const struct private_queue *q;
	struct private_request_io io;
	u16 entry;
	u16 head;
	u32 readable;
	u32 count;
	struct ring_segment segment[CHAIN_MAX];
};

/* Beside SBI errors: io.missing is not there. */
#define RING_MISSING 1

/* ---- The guest's memory ---- */

/* True if [at, at + bytes) is RAM of the VM, all private or all shared. */
static bool in_ram(const struct private_vm *vm, u64 at, u64 bytes)
{
	u64 from = (at & ~PRIVATE_SHARED_BIT) - vm->config.ram_base;

	return from <= vm->config.ram_size && bytes <= vm->config.ram_size - from;
}

/* Where the byte at `at`, which is in RAM, is; NULL: it has no leaf. Good to the end of the page. */
static u8 *byte_at(struct ring_chain *c, u64 at)
{
	u64 page = at & PRIVATE_SHARED_BIT ? table_shared_page(c->vm, at) : table_private_page(c->vm, at);

	if (!page) {
		c->io.missing = at & ~(u64)(PAGE_SIZE - 1);
		return NULL;
	}
	return (u8 *)port_at(page & ~(u64)(PAGE_SIZE - 1)) + (at & (PAGE_SIZE - 1));
}

/* Bytes at `at` of `bytes` that lie in its page. */
static u64 run_of(u64 at, u64 bytes)
{
	u64 run = PAGE_SIZE - (at & (PAGE_SIZE - 1));

	return run < bytes ? run : bytes;
}

/* Copies from RAM of the guest to memory of the warden or the host, and ... */
static s64 copy_out(struct ring_chain *c, void *to, u64 at, u64 bytes)
{
	for (u8 *here = to; bytes;) {
		u64 run = run_of(at, bytes);
		const u8 *there = byte_at(c, at);

		if (!there)
			return RING_MISSING;
		port_copy(here, there, run);
		here += run;
		at += run;
		bytes -= run;
	}
	return PRIVATE_OK;
}

/* ... the other way. */
static s64 copy_in(struct ring_chain *c, u64 at, const void *from, u64 bytes)
{
	for (const u8 *here = from; bytes;) {
		u64 run = run_of(at, bytes);
		u8 *there = byte_at(c, at);

		if (!there)
			return RING_MISSING;
		port_copy(there, here, run);
		here += run;
		at += run;
		bytes -= run;
	}
	return PRIVATE_OK;
}

/* Reads 2 bytes at an even address in one go; the queue's addresses are such ones. */
static s64 read_index(struct ring_chain *c, u64 at, u16 *value)
{
	const u16 *there = (const u16 *)(const void *)byte_at(c, at);

	if (!there)
		return RING_MISSING;
	*value = __atomic_load_n(there, __ATOMIC_ACQUIRE);
	return PRIVATE_OK;
}

/* All of the segments' pages are there. Before anything is copied, so that a copy never ends half-way. */
static s64 all_there(struct ring_chain *c)
{
	for (u32 i = 0; i < c->count; i++) {
		const struct ring_segment *s = &c->segment[i];
		u64 at = s->at & ~(u64)(PAGE_SIZE - 1);

		for (; at < s->at + s->bytes; at += PAGE_SIZE)
			if (!byte_at(c, at))
				return RING_MISSING;
	}
	return PRIVATE_OK;
}

/* ---- Chains ---- */

/* Adds one buffer. */
static s64 add(struct ring_chain *c, const struct ring_desc *desc)
{
	if (!in_ram(c->vm, desc->at, desc->bytes))
		return PRIVATE_FAILED;
	if (!desc->bytes)
		return PRIVATE_OK;
	if (c->count == CHAIN_MAX)
		return PRIVATE_FAILED;
	c->segment[c->count++] = (struct ring_segment){ .at = desc->at, .bytes = desc->bytes };
	if (desc->flags & DESC_WRITE) {
		c->io.writable += desc->bytes;
		return PRIVATE_OK;
	}
	/* What can be read comes before what can be written (section 2.7.4.2). */
	if (c->io.writable)
		return PRIVATE_FAILED;
	c->readable = c->count;
	c->io.readable += desc->bytes;
	return PRIVATE_OK;
}

/*
 * Follows a chain through a table of `size` descriptors. *steps says how many more may be looked at, so that a circle
 * ends. If the last one is an indirect table it is left in *last, otherwise *last has no such flag.
 */
static s64 walk(struct ring_chain *c, u64 table, u64 size, u32 index, u32 *steps, struct ring_desc *last)
{
	s64 error;

	do {
		if (index >= size || !(*steps)--)
			return PRIVATE_FAILED;
		error = copy_out(c, last, table + index * sizeof(*last), sizeof(*last));
		if (error)
			return error;
		if (last->flags & DESC_INDIRECT)
			return last->flags & DESC_NEXT ? PRIVATE_FAILED : PRIVATE_OK;
		error = add(c, last);
		if (error)
			return error;
		index = last->next;
	} while (last->flags & DESC_NEXT);
	return PRIVATE_OK;
}

/* All buffers of the entry whose head has been read. */
static s64 walk_all(struct ring_chain *c)
{
	/* And one that is the table. */
	u32 steps = CHAIN_MAX + 1;
	struct ring_desc last;
	s64 error = walk(c, c->q->desc, c->q->num, c->head, &steps, &last);

	if (error || !(last.flags & DESC_INDIRECT))
		return error;
	/* The chain goes on in an indirect table, which has no other within (section 2.7.5.3.1). */
	if (!last.bytes || last.bytes % sizeof(last) || !in_ram(c->vm, last.at, last.bytes))
		return PRIVATE_FAILED;
	error = walk(c, last.at, last.bytes / sizeof(last), 0, &steps, &last);
	return error ? error : last.flags & DESC_INDIRECT ? PRIVATE_FAILED : PRIVATE_OK;
}

/* Where the writable bytes are in the bounce pages. */
static u64 writable_from(const struct ring_chain *c)
{
	return (c->io.readable + 15) & ~15ull;
}

/* True if there is room in the bounce pages for what the device may read and write. */
static bool fits(const struct ring_chain *c)
{
	return c->io.writable <= c->io.room && writable_from(c) <= c->io.room - c->io.writable;
}

/* Copies the first `bytes` of `count` segments from or to the bounce pages, which have room for them. All are there. */
static s64 bounce(struct ring_chain *c, u32 first, u32 count, u64 from, u64 bytes, bool to_guest)
{
	u8 *own = (u8 *)port_at(c->io.bounce) + from;
	s64 error = PRIVATE_OK;

	for (u32 i = first; i < first + count && bytes && !error; i++) {
		u64 run = c->segment[i].bytes < bytes ? c->segment[i].bytes : bytes;

		error = to_guest ? copy_in(c, c->segment[i].at, own, run)
				 : copy_out(c, own, c->segment[i].at, run);
		own += run;
		bytes -= run;
	}
	return error;
}

/* ---- The two calls, device locked ---- */

/* *count: entries that the driver has made available behind those that are complete. */
static s64 look(struct ring_chain *c, u16 *count)
{
	u16 index = 0;
	s64 error = read_index(c, c->q->driver + AVAIL_IDX, &index);

	*count = (u16)(index - c->q->done);
	/* The driver never has more out than the queue is long, and never takes one back. */
	return error ? error : *count > c->q->num ? PRIVATE_FAILED : PRIVATE_OK;
}

/* The entry's first descriptor, which names it in the used ring. */
static s64 look_head(struct ring_chain *c)
{
	s64 error = read_index(c, c->q->driver + AVAIL_RING + 2 * (c->entry % c->q->num), &c->head);

	return error ? error : c->head < c->q->num ? PRIVATE_OK : PRIVATE_FAILED;
}

static s64 take(struct ring_chain *c, u64 *value)
{
	u16 ahead = (u16)(c->entry - c->q->done);
	u16 count = 0;
	s64 error;

	if (ahead > 0x7fff)
		return PRIVATE_ALREADY_AVAILABLE;
	error = look(c, &count);
	if (error)
		return error;
	*value = PRIVATE_TAKEN_NONE;
	if (ahead >= count)
		return PRIVATE_OK;
	error = look_head(c);
	if (!error)
		error = walk_all(c);
	if (error)
		return error;
	*value = PRIVATE_TAKEN_LONG;
	if (!fits(c))
		return PRIVATE_OK;
	*value = PRIVATE_TAKEN_ENTRY;
	c->io.head = c->head;
	error = all_there(c);
	return error ? error : bounce(c, 0, c->readable, 0, c->io.readable, false);
}

/* Puts the entry into the used ring, shows it, and looks what the driver then says of interrupts. */
static s64 use(struct ring_chain *c, u64 *value)
{
	const u32 element[2] = { c->head, (u32)c->io.written };
	const u8 *flags = byte_at(c, c->q->driver + AVAIL_FLAGS);
	u8 *index = flags ? byte_at(c, c->q->device + USED_IDX) : NULL;
	s64 error;

	/* Nothing can be missing once the entry is shown. */
	if (!index)
		return RING_MISSING;
	error = copy_in(c, c->q->device + USED_RING + 8 * (c->entry % c->q->num), element, sizeof(element));
	if (error)
		return error;
	/* Data and element before the index, the index before a look at the flags (section 2.7.8.2). */
	__atomic_store_n((u16 *)(void *)index, (u16)(c->entry + 1), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n((const u16 *)(const void *)flags, __ATOMIC_RELAXED) & AVAIL_NO_INTERRUPT))
		*value = PRIVATE_COMPLETE_INTERRUPT;
	return PRIVATE_OK;
}

/* Copies what the device has written into the buffers. */
static s64 give(struct ring_chain *c)
{
	s64 error = walk_all(c);

	if (error)
		return error;
	if (c->io.written > c->io.writable || !fits(c))
		return PRIVATE_INVALID_PARAM;
	error = all_there(c);
	return error ? error
		     : bounce(c, c->readable, c->count - c->readable, writable_from(c), c->io.written, true);
}

static s64 complete(struct ring_chain *c, u64 *value)
{
	u16 count = 0;
	s64 error;

	*value = 0;
	if (c->entry != c->q->done)
		return (u16)(c->entry - c->q->done) > 0x7fff ? PRIVATE_ALREADY_AVAILABLE
							     : PRIVATE_INVALID_PARAM;
	error = look(c, &count);
	if (!error && !count)
		error = PRIVATE_INVALID_PARAM;
	if (!error)
		error = look_head(c);
	/* Where nothing was written the chain does not matter. */
	if (!error && c->io.written)
		error = give(c);
	return error ? error : use(c, value);
}

/* ---- Calls ---- */

/* The device of the queue that is asked for; NULL: there is none. */
static struct private_rings *asked(const struct private_ask *a)
{
	if (a->arg[1] >= a->vm->config.device_count * PRIVATE_QUEUES)
		return NULL;
	return &a->vm->rings[a->arg[1] / PRIVATE_QUEUES];
}

/* Checks what the hypervisor says of its side, and copies it: it may change at any time. */
static s64 prepare(const struct private_ask *a, struct ring_chain *c)
{
	c->vm = a->vm;
	c->q = &asked(a)->queue[a->arg[1] % PRIVATE_QUEUES];
	c->readable = 0;
	c->count = 0;
	if (a->arg[2] > 0xffff)
		return PRIVATE_INVALID_PARAM;
	c->entry = (u16)a->arg[2];
	if (a->arg[3] % 8 || !port_is_ordinary(a->arg[3], sizeof(c->io)))
		return PRIVATE_INVALID_ADDRESS;
	port_copy(&c->io, port_at(a->arg[3]), sizeof(c->io));
	if (c->io.room > PRIVATE_ROOM_MAX)
		return PRIVATE_INVALID_PARAM;
	if (c->io.bounce % 16 || !port_is_ordinary(c->io.bounce, c->io.room))
		return PRIVATE_INVALID_ADDRESS;
	c->io.head = 0;
	c->io.readable = 0;
	c->io.writable = 0;
	c->io.missing = 0;
	return PRIVATE_OK;
}

/* True if the driver has accepted no feature with which its rings would be others than these. */
static bool known_features(const struct private_rings *r)
{
	return !(r->features[0] & ~FEATURES_LOW) && !(r->features[1] & ~FEATURES_HIGH) && !r->beyond;
}

s64 rings_take(struct private_ask *a)
{
	struct private_rings *r = asked(a);
	struct ring_chain c;
	s64 error;

	if (!r)
		return PRIVATE_INVALID_PARAM;
	error = prepare(a, &c);
	if (error)
		return error;
	port_lock(&r->lock);
	error = c.q->ready && known_features(r) ? take(&c, &a->value) : PRIVATE_DENIED;
	c.io.done = c.q->done;
	port_unlock(&r->lock);
	if (error == RING_MISSING) {
		a->value = PRIVATE_TAKEN_MISSING;
		error = PRIVATE_OK;
	}
	port_copy(port_at(a->arg[3]), &c.io, sizeof(c.io));
	return error;
}

s64 rings_complete(struct private_ask *a)
{
	struct private_rings *r = asked(a);
	struct ring_chain c;
	s64 error;

	if (!r)
		return PRIVATE_INVALID_PARAM;
	error = prepare(a, &c);
	if (error)
		return error;
	port_lock(&r->lock);
	error = c.q->ready && known_features(r) ? complete(&c, &a->value) : PRIVATE_DENIED;
	if (!error)
		r->queue[a->arg[1] % PRIVATE_QUEUES].done++;
	c.io.done = c.q->done;
	port_unlock(&r->lock);
	if (error == RING_MISSING) {
		a->value = PRIVATE_COMPLETE_MISSING;
		error = PRIVATE_OK;
	}
	port_copy(port_at(a->arg[3]), &c.io, sizeof(c.io));
	return error;
}

/* ---- What the driver says ---- */

/* True if its words make a queue: aligned, in RAM, a power of two (section 2.7). */
static bool queue_valid(const struct private_vm *vm, const struct private_queue *q)
{
	if (!q->num || q->desc % 16 || q->driver % 2 || q->device % 4)
		return false;
	return in_ram(vm, q->desc, sizeof(struct ring_desc) * q->num) &&
	       in_ram(vm, q->driver, AVAIL_RING + 2 * q->num) &&
	       in_ram(vm, q->device, USED_RING + 8 * q->num);
}

static void store_features(struct private_rings *r, u32 value)
{
	if (r->features_select < 2)
		r->features[r->features_select] = value;
	else
		r->beyond |= value != 0;
}

/* Sets the size, or half of an address, of a queue that is not in use. */
static void store_queue(struct private_queue *q, u64 offset, u32 value)
{
	u32 shift = offset & 4 ? 32 : 0;
	u64 *word;

	if (q->ready)
		return;
	if (offset == REG_QUEUE_NUM) {
		q->num = value <= VQUEUE_SIZE_MAX && !(value & (value - 1)) ? value : 0;
		return;
	}
	word = (offset & ~4ull) == REG_QUEUE_DESC     ? &q->desc
	       : (offset & ~4ull) == REG_QUEUE_DRIVER ? &q->driver
						      : &q->device;
	*word = (*word & ~(0xffffffffull << shift)) | (u64)value << shift;
}

static void store_ready(const struct private_vm *vm, struct private_queue *q, u32 value)
{
	/* Said again, perhaps because the hypervisor is told again: nothing new. */
	if (!!value == q->ready)
		return;
	q->ready = value && queue_valid(vm, q);
	q->done = 0;
}

/* Everything that the driver has set up goes (section 2.4). */
static void reset(struct private_rings *r)
{
	r->queue_select = 0;
	r->features_select = 0;
	r->features[0] = 0;
	r->features[1] = 0;
	r->beyond = false;
	for (u32 n = 0; n < PRIVATE_QUEUES; n++)
		r->queue[n] = (struct private_queue){ .ready = false };
}

static void store(const struct private_vm *vm, struct private_rings *r, u64 offset, u32 value)
{
	struct private_queue *q = r->queue_select < PRIVATE_QUEUES ? &r->queue[r->queue_select] : NULL;

	switch (offset) {
	case REG_DRIVER_FEATURES:
		store_features(r, value);
		break;
	case REG_DRIVER_FEATURES_SEL:
		r->features_select = value;
		break;
	case REG_QUEUE_SEL:
		r->queue_select = value;
		break;
	case REG_QUEUE_NUM:
	case REG_QUEUE_DESC:
	case REG_QUEUE_DESC + 4:
	case REG_QUEUE_DRIVER:
	case REG_QUEUE_DRIVER + 4:
	case REG_QUEUE_DEVICE:
	case REG_QUEUE_DEVICE + 4:
		if (q)
			store_queue(q, offset, value);
		break;
	case REG_QUEUE_READY:
		if (q)
			store_ready(vm, q, value);
		break;
	case REG_STATUS:
		if (!value)
			reset(r);
		break;
	default: /* all others say nothing of rings */
		break;
	}
}

void rings_store(struct private_vm *vm, u64 at, u32 bytes, u64 value)
{
	for (u32 i = 0; i < vm->config.device_count && bytes == 4; i++) {
		struct private_rings *r = &vm->rings[i];

		if (at - vm->config.device[i].base >= WINDOW_SIZE)
			continue;
		port_lock(&r->lock);
		store(vm, r, at - vm->config.device[i].base, (u32)value);
		port_unlock(&r->lock);
	}
}

void rings_create(struct private_vm *vm, void *notes)
{
	_Static_assert(sizeof(struct private_rings) * PRIVATE_DEVICES <= PRIVATE_NOTE_BYTES, "they fit");
	vm->rings = notes;
}
