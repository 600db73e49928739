/*
 * virtio block device (virtio 1.2, section 5.2) on a block device of the host.
 *
 * Data goes between the host's device and the guest's memory directly; the hypervisor sees only header and status. A
 * request may need several of the backend's, one after the other. They finish in any order and complete in the ring's.
 *
 * Repeats after a crash: the heir does every request again that the guest has not seen complete. A read fills the same
 * buffer once more. A write writes the same bytes, which the guest must leave alone until it completes, to the same
 * place; nothing that the guest ordered behind its completion can have happened yet. Two writes under way to one place
 * have no order that a guest could rely on. A flush flushes.
 */
#include "core/devices/vdev.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/private/bounce.h"
#include "core/survive/scrub.h"

/* Requests under way per device: a power of two. */
#define BLK_REQUESTS 16

/* Bytes of one backend request at most. */
#define BLK_PIECE_MAX MIB(1)

/*
 * Segments that one call of the work makes up at most, give or take one request: memory that the guest has never touched
 * is zeroed for it, 2 MiB a segment, and the hart must get back to its loop.
 */
#define BLK_SEGMENT_BUDGET (2 * BLK_SEGMENTS_MAX)

/* Feature bits (section 5.2.3). */
#define BLK_F_SIZE_MAX (1ull << 1)
#define BLK_F_SEG_MAX  (1ull << 2)
#define BLK_F_RO       (1ull << 5)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH    (1ull << 9)

/* Offsets in the configuration (section 5.2.4). */
#define BLK_CONFIG_CAPACITY 0
#define BLK_CONFIG_SIZE_MAX 8
#define BLK_CONFIG_SEG_MAX  12
#define BLK_CONFIG_BLK_SIZE 20

/* Request header, types and status (section 5.2.6). */
struct blk_header {
	u32 type;
	u32 reserved;
	u64 sector;
};

#define BLK_T_IN     0u
#define BLK_T_OUT    1u
#define BLK_T_FLUSH  4u
#define BLK_T_GET_ID 8u

#define BLK_S_OK     0u
#define BLK_S_IOERR  1u
#define BLK_S_UNSUPP 2u

enum blk_slot_state {
	SLOT_FREE,
	SLOT_WAITING,  /* its memory may not be written yet: see guest_dma */
	SLOT_READY,    /* backend request made up, to be submitted */
	SLOT_FLYING,   /* the backend has it */
	SLOT_LANDED,   /* the backend is done with it; set by any hart, without a lock */
	SLOT_FINISHED, /* waits for its turn in the ring */
};

/* One entry of the ring under way: entry n is in slot n % BLK_REQUESTS. */
struct blk_slot {
	struct blk_request request;
	struct vring_chain chain;
	struct vdev_blk *device;
	u32 state;   /* enum blk_slot_state */
	int result;  /* of the backend, valid in SLOT_LANDED */
	bool orphan; /* the device was reset meanwhile: nobody waits for it */
	u8 status;   /* for the guest */
	u64 sector;
	u64 bytes; /* of data */
	u64 moved; /* of these, by requests that the backend has done */
	u64 piece; /* in the request that it has now */
	u64 used;  /* bytes written for the guest, status included */
};

struct vdev_blk {
	struct vdev d;
	struct blk_backend *backend;
	bool readonly;
	unsigned budget; /* of segments, left to this call of the work */
	struct blk_slot slot[BLK_REQUESTS];
};

static u32 slot_state(const struct blk_slot *s)
{
	return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
}

static void slot_become(struct blk_slot *s, u32 state)
{
	__atomic_store_n(&s->state, state, __ATOMIC_RELEASE);
}

static void slot_finish(struct blk_slot *s, u8 status, u64 written)
{
	if (status != BLK_S_OK)
		scrub_doubt(s->device->d.vm);
	s->status = status;
	s->used = written + 1;
	slot_become(s, SLOT_FINISHED);
}

/* The backend's callback: any hart, no lock; the slot stays ours because slots are never freed. */
static void blk_done(struct blk_request *request, int status)
{
	struct blk_slot *s = request->owner;

	s->result = status;
	slot_become(s, SLOT_LANDED);
	vdev_mark(&s->device->d);
}

/* A confidential VM's: what it has in one request fits into a bounce buffer, with header and status. */
static u32 blk_limit(struct vdev *d)
{
	const u32 size_max = PAGE_SIZE;

	_Static_assert(BLK_REQUESTS == BOUNCE_BLK_COUNT, "there is a bounce buffer for each");
	d->features |= BLK_F_SIZE_MAX;
	memcpy(&d->config[BLK_CONFIG_SIZE_MAX], &size_max, sizeof(size_max));
	return BOUNCE_SIZE / size_max - 1;
}

static int blk_create(struct vdev *d)
{
	struct vdev_blk *b = (struct vdev_blk *)d;
	const struct vm_device_config *config = vdev_config(d);
	u32 seg_max = VRING_CHAIN_MAX - 2;
	u32 sector = BLK_SECTOR;

	if (config->host_unit >= BLK_BACKENDS_MAX || !blk_backends[config->host_unit])
		return -ENODEV;
	b->backend = blk_backends[config->host_unit];
	b->readonly = b->backend->readonly || (config->flags & VM_DEV_READONLY);
	if (b->readonly)
		d->features |= BLK_F_RO;
	if (d->vm->config.flags & VM_CONFIDENTIAL)
		seg_max = blk_limit(d);
	memcpy(&d->config[BLK_CONFIG_CAPACITY], &b->backend->sectors, sizeof(b->backend->sectors));
	memcpy(&d->config[BLK_CONFIG_SEG_MAX], &seg_max, sizeof(seg_max));
	memcpy(&d->config[BLK_CONFIG_BLK_SIZE], &sector, sizeof(sector));
	for (unsigned i = 0; i < BLK_REQUESTS; i++) {
		b->slot[i].device = b;
		b->slot[i].request.owner = &b->slot[i];
		b->slot[i].request.done = blk_done;
	}
	return 0;
}

/* ---- From the guest to the backend ---- */

/* Appends host memory to a request, to its last segment if it continues that. False: no room. */
static bool blk_append(struct blk_request *q, hpa_t at, u32 bytes)
{
	struct blk_segment *last = q->segments ? &q->segment[q->segments - 1] : NULL;

	if (last && last->at.a + last->bytes == at.a && bytes <= UINT32_MAX - last->bytes) {
		last->bytes += bytes;
		return true;
	}
	if (q->segments == BLK_SEGMENTS_MAX)
		return false;
	q->segment[q->segments++] = (struct blk_segment){ .at = at, .bytes = bytes };
	return true;
}

/*
 * Appends guest memory. Returns the bytes that there was room for, and that may be written now if the device is to write
 * them; -EIO.
 */
static s64 blk_append_guest(struct vm *vm, struct blk_request *q, u64 at, u64 bytes)
{
	u64 done = 0;
	int error;

	while (done < bytes) {
		hpa_t host;
		u64 run;

		error = guest_dma(vm, GPA(at + done), bytes - done, q->op == BLK_READ, &host, &run);
		if (error == -EAGAIN)
			break;
		if (error || !run)
			return -EIO;
		if (run > bytes - done)
			run = bytes - done;
		if (!blk_append(q, host, (u32)run))
			break;
		done += run;
	}
	return (s64)done;
}

/* Takes `bytes` off the end of a request. */
static void blk_trim(struct blk_request *q, u64 bytes)
{
	while (bytes) {
		struct blk_segment *last = &q->segment[q->segments - 1];

		if (last->bytes > bytes) {
			last->bytes -= (u32)bytes;
			return;
		}
		bytes -= last->bytes;
		q->segments--;
	}
}

/*
 * Makes up the backend request for the data from `moved` on: as much as it has segments for, in whole sectors. -EAGAIN: none
 * of it may be written yet.
 */
static int blk_prepare(struct blk_slot *s)
{
	const struct vring_chain *c = &s->chain;
	struct blk_request *q = &s->request;
	bool in = q->op == BLK_READ;
	unsigned i = in ? c->readable : 0;
	unsigned end = in ? c->count : c->readable;
	u64 skip = s->moved + (in ? 0 : sizeof(struct blk_header));
	u64 wanted = s->bytes - s->moved < BLK_PIECE_MAX ? s->bytes - s->moved : BLK_PIECE_MAX;
	u64 total = 0;
	bool full;

	q->segments = 0;
	for (; i < end && total < wanted; i++) {
		u64 bytes = c->segment[i].bytes;
		s64 added;

		if (skip >= bytes) {
			skip -= bytes;
			continue;
		}
		bytes -= skip;
		if (bytes > wanted - total)
			bytes = wanted - total;
		added = blk_append_guest(s->device->d.vm, q, c->segment[i].at + skip, bytes);
		if (added < 0)
			return -EIO;
		skip = 0;
		total += (u64)added;
		if ((u64)added < bytes)
			break;
	}
	full = q->segments == BLK_SEGMENTS_MAX;
	s->device->budget -= q->segments < s->device->budget ? q->segments : s->device->budget;
	blk_trim(q, total % BLK_SECTOR);
	s->piece = total - total % BLK_SECTOR;
	q->sector = s->sector + s->moved / BLK_SECTOR;
	/* A sector in more pieces than a request has segments: nobody does that. */
	return s->piece ? 0 : full ? -EIO : -EAGAIN;
}

static void blk_set_up(struct blk_slot *s)
{
	int error = blk_prepare(s);

	if (error == -EAGAIN)
		slot_become(s, SLOT_WAITING);
	else if (error)
		slot_finish(s, BLK_S_IOERR, 0);
	else
		slot_become(s, SLOT_READY);
}

static void blk_begin_transfer(struct blk_slot *s, bool in)
{
	const struct vdev_blk *b = s->device;
	u64 sectors = b->backend->sectors;

	s->bytes = in ? s->chain.writable_bytes - 1 : s->chain.readable_bytes - sizeof(struct blk_header);
	s->request.op = in ? BLK_READ : BLK_WRITE;
	if (s->bytes % BLK_SECTOR || s->sector > sectors || s->bytes / BLK_SECTOR > sectors - s->sector ||
	    (!in && b->readonly))
		slot_finish(s, BLK_S_IOERR, 0);
	else if (!s->bytes)
		slot_finish(s, BLK_S_OK, 0);
	else
		blk_set_up(s);
}

static void blk_begin_id(struct blk_slot *s)
{
	const struct vm_device_config *config = vdev_config(&s->device->d);
	size_t bytes = sizeof(config->serial);

	if (s->chain.writable_bytes - 1 < bytes)
		bytes = (size_t)s->chain.writable_bytes - 1;
	if (vring_chain_write(s->device->d.vm, &s->chain, 0, config->serial, bytes))
		slot_finish(s, BLK_S_IOERR, 0);
	else
		slot_finish(s, BLK_S_OK, bytes);
}

/* Looks at the request whose chain is in the slot. -EPROTO: it has no header or no room for a status. */
static int blk_begin(struct blk_slot *s)
{
	struct blk_header header;

	if (!s->chain.writable_bytes ||
	    vring_chain_read(s->device->d.vm, &s->chain, 0, &header, sizeof(header)))
		return -EPROTO;
	s->sector = header.sector;
	s->bytes = 0;
	s->moved = 0;
	s->piece = 0;
	s->orphan = false;
	switch (header.type) {
	case BLK_T_IN:
	case BLK_T_OUT:
		blk_begin_transfer(s, header.type == BLK_T_IN);
		break;
	case BLK_T_FLUSH:
		s->request.op = BLK_FLUSH;
		s->request.segments = 0;
		s->request.sector = 0;
		slot_become(s, SLOT_READY);
		break;
	case BLK_T_GET_ID:
		blk_begin_id(s);
		break;
	default:
		slot_finish(s, BLK_S_UNSUPP, 0);
	}
	return 0;
}

/* Takes up entries while there are slots and budget. 1: there may be more; 0: no more; -EPROTO. */
static int blk_accept(struct vdev_blk *b)
{
	struct vring *r = &b->d.ring[0];

	while (b->budget) {
		struct blk_slot *s = &b->slot[r->taken % BLK_REQUESTS];
		int taken;

		if (slot_state(s) != SLOT_FREE)
			break;
		taken = vring_take(r, &s->chain);
		if (taken > 0 && blk_begin(s))
			taken = -EPROTO;
		if (taken <= 0)
			return taken;
	}
	return 1;
}

/* Hands requests to the backend. True: it was full, try again. */
static bool blk_submit(struct vdev_blk *b)
{
	u16 entry = (u16)estate_load(&b->d.s->queue[0].done);

	for (; entry != b->d.ring[0].taken; entry++) {
		struct blk_slot *s = &b->slot[entry % BLK_REQUESTS];
		int error;

		if (slot_state(s) != SLOT_READY)
			continue;
		slot_become(s, SLOT_FLYING);
		error = b->backend->submit(b->backend, &s->request);
		if (error == -EAGAIN) {
			slot_become(s, SLOT_READY);
			return true;
		}
		if (error)
			slot_finish(s, BLK_S_IOERR, 0);
	}
	return false;
}

/* ---- From the backend to the guest ---- */

/* Some of what the guest wanted to have read is there, or half there. */
static void blk_written(struct blk_slot *s)
{
	for (unsigned i = s->chain.readable; i < s->chain.count; i++)
		guest_dma_written(s->device->d.vm, GPA(s->chain.segment[i].at), s->chain.segment[i].bytes);
}

/* Looks at a request that the backend is done with: the next piece, or the end. */
static void blk_land(struct blk_slot *s)
{
	if (s->request.op == BLK_READ)
		blk_written(s);
	if (s->orphan) {
		slot_become(s, SLOT_FREE);
	} else if (s->result) {
		slot_finish(s, BLK_S_IOERR, 0);
	} else {
		s->moved += s->piece;
		if (s->moved == s->bytes)
			slot_finish(s, BLK_S_OK, s->request.op == BLK_READ ? s->bytes : 0);
		else
			blk_set_up(s);
	}
}

/* Completes what is finished, in the ring's order. 1: something was; 0: nothing; -EPROTO. */
static int blk_complete(struct vdev_blk *b, struct txn *t)
{
	struct vring *r = &b->d.ring[0];
	u16 done = (u16)estate_load(&r->q->done);
	unsigned count = 0;
	int error = 0;

	for (; (u16)(done + count) != r->taken; count++) {
		struct blk_slot *s = &b->slot[(done + count) % BLK_REQUESTS];

		if (slot_state(s) != SLOT_FINISHED)
			break;
		error = vring_chain_write(b->d.vm, &s->chain, s->chain.writable_bytes - 1, &s->status, 1);
		if (!error)
			error = vring_use(r, &s->chain, s->used);
		if (error)
			break;
		slot_become(s, SLOT_FREE);
	}
	if (count)
		vdev_complete(&b->d, 0, t, count);
	return error ? error : count != 0;
}

static bool blk_work(struct vdev *d, struct txn *t)
{
	struct vdev_blk *b = (struct vdev_blk *)d;
	int accepted, completed;
	bool full;

	if (!vdev_queue_live(d, 0))
		return false;
	b->budget = BLK_SEGMENT_BUDGET;
	for (unsigned i = 0; i < BLK_REQUESTS && b->budget; i++)
		if (slot_state(&b->slot[i]) == SLOT_LANDED)
			blk_land(&b->slot[i]);
		else if (slot_state(&b->slot[i]) == SLOT_WAITING)
			blk_set_up(&b->slot[i]);
	accepted = blk_accept(b);
	full = blk_submit(b);
	completed = blk_complete(b, t);
	if (accepted < 0 || completed < 0) {
		vdev_break(d, t);
		return false;
	}
	return full || !b->budget || (accepted > 0 && completed > 0);
}

static void blk_reset(struct vdev *d)
{
	struct vdev_blk *b = (struct vdev_blk *)d;

	for (unsigned i = 0; i < BLK_REQUESTS; i++) {
		/* May land at any moment: the mark counts then, too. */
		b->slot[i].orphan = true;
		if (slot_state(&b->slot[i]) != SLOT_FLYING)
			slot_become(&b->slot[i], SLOT_FREE);
	}
}

static bool blk_quiet(const struct vdev *d)
{
	const struct vdev_blk *b = (const struct vdev_blk *)d;

	for (unsigned i = 0; i < BLK_REQUESTS; i++)
		if (slot_state(&b->slot[i]) == SLOT_FLYING)
			return false;
	return true;
}

const struct vdev_kind vdev_blk = {
	.id = 2,
	.queues = 1,
	.features = BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH,
	.size = sizeof(struct vdev_blk),
	.create = blk_create,
	.work = blk_work,
	.reset = blk_reset,
	.quiet = blk_quiet,
};
