#include "core/devices/vring_private.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/memory/backing.h"
#include "core/private/bounce.h"
#include "core/private/private.h"

/* Pages that one entry can lack: of its buffers, which may begin and end anywhere, its tables, the rings. */
#define MISSING_MAX (BOUNCE_SIZE / PAGE_SIZE + 2 * VRING_CHAIN_MAX)

/* What the device may write begins at a multiple of that many bytes. */
#define BOUNCE_ALIGN 16ull

/* Behind any number of entries. */
#define DONE_UNKNOWN (~0ull)

static bool is_missing(enum private_call call, u64 value)
{
	return call == PRIVATE_TAKE ? value == PRIVATE_TAKEN_MISSING
				    : (value & PRIVATE_COMPLETE_MISSING) != 0;
}

/*
 * Asks the warden, with the bounce buffer of the entry, until it has all the pages that it needs. 0; -EPERM: the driver has no
 * such queue any more; -EALREADY; -EPROTO and others.
 */
static int vring_ask(struct vring *r, enum private_call call, u16 entry, u64 written, u64 *value)
{
	struct vm *vm = r->vm;
	u64 offset = r->bounce - BOUNCE_BASE + entry % r->bounces * BOUNCE_SIZE;
	int error;

	for (unsigned tries = 0; tries < MISSING_MAX; tries++) {
		r->io = (struct private_request_io){
			.bounce = vm->config.shared.hpa + offset,
			.room = BOUNCE_SIZE,
			.written = written,
			.done = DONE_UNKNOWN,
		};
		error = private_ask(call, private_number(vm), r->number, entry, (u64)(uintptr_t)&r->io,
				    value);
		if (error || !is_missing(call, *value))
			return error;
		error = private_fault(vm, GPA(r->io.missing));
		if (error)
			return -EPROTO;
	}
	return -EPROTO;
}

/* Adds a bounce buffer to the chain. */
static void vring_add_bounce(struct vring_chain *chain, u64 at, u64 bytes)
{
	if (bytes)
		chain->segment[chain->count++] = (struct vring_segment){ .at = at, .bytes = (u32)bytes };
}

int vring_private_take(struct vring *r, struct vring_chain *chain)
{
	u64 at = r->bounce + r->taken % r->bounces * BOUNCE_SIZE;
	u64 value;
	int error = vring_ask(r, PRIVATE_TAKE, r->taken, 0, &value);

	/* A driver that takes the queue away tells the warden first. */
	if (error == -EPERM)
		return 0;
	if (!error && value == PRIVATE_TAKEN_NONE)
		return 0;
	if (!error && value == PRIVATE_TAKEN_LONG && !r->told)
		log_line("%s: a request of %lu bytes is longer than its bounce buffer", r->vm->config.name,
			 r->io.readable + r->io.writable);
	if (error || value != PRIVATE_TAKEN_ENTRY || r->io.readable > BOUNCE_SIZE ||
	    ALIGN_UP(r->io.readable, BOUNCE_ALIGN) + r->io.writable > BOUNCE_SIZE) {
		r->told = true;
		return -EPROTO;
	}
	chain->entry = r->taken;
	chain->head = (u16)r->io.head;
	chain->count = 0;
	vring_add_bounce(chain, at, r->io.readable);
	chain->readable = chain->count;
	vring_add_bounce(chain, at + ALIGN_UP(r->io.readable, BOUNCE_ALIGN), r->io.writable);
	chain->readable_bytes = r->io.readable;
	chain->writable_bytes = r->io.writable;
	chain->written = 0;
	r->taken++;
	return 1;
}

/* Completes the oldest entry that is not. */
static int vring_private_complete(struct vring *r, u64 written)
{
	u64 value = 0;
	int error = vring_ask(r, PRIVATE_COMPLETE, r->shown, written, &value);

	if (error == -EPERM)
		return 0;
	if (error)
		return -EPROTO;
	r->wanted = value & PRIVATE_COMPLETE_INTERRUPT;
	r->shown++;
	return 0;
}

int vring_private_show(struct vring *r, u16 end)
{
	int error = 0;

	for (u16 left = (u16)(end - r->shown); left && !error; left--)
		error = vring_private_complete(r, 0);
	return error;
}

int vring_private_use(struct vring *r, const struct vring_chain *chain, u64 bytes)
{
	u64 written = chain->written > bytes ? chain->written : bytes;
	int error;

	if (!written)
		return 0;
	error = vring_private_show(r, chain->entry);
	return error ? error : vring_private_complete(r, written);
}

int vring_private_adopt(struct vring *r)
{
	u16 done = (u16)estate_load(&r->q->done);
	u64 value;

	/*
	 * The last one that counts is complete, or the next to be if it is one for output; and the warden says how far it is in
	 * either case.
	 */
	if (vring_ask(r, PRIVATE_COMPLETE, (u16)(done - 1), 0, &value) == -EPERM)
		return 0;
	if (r->io.done > 0xffff)
		return -EPROTO;
	r->shown = (u16)r->io.done;
	if (r->shown != done && (u16)(r->shown - done) < 0x8000) {
		estate_store(&r->q->part, 0);
		estate_store(&r->q->done, r->shown);
	}
	vring_rewind(r);
	return 0;
}
