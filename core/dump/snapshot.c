/* See snapshot.h. */
#include "core/dump/snapshot.h"
#include "core/arch.h"
#include "core/devices/virtio.h"
#include "core/dump/pool.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/vcpu/sched.h"

/* Windows of their own: who writes for a device has another open. */
#define WINDOW_FROM 2
#define WINDOW_TO   3

/*
 * Room in the pool that vCPUs leave to devices. These are asked before they begin with a piece of work and may write so
 * much in it: 32 entries of a ring, each with a frame or two, and what of the rings is in other pages.
 */
#define DEVICE_ROOM 160u

/*
 * Who copies a page to or from the pool holds its claim; a reader and writers of other pages do not meet there. Outside of
 * the lock below, which is held for some instructions only.
 */
#define CLAIMS 64u
static struct lock claims[CLAIMS];

static struct {
	struct lock lock; /* of all below and of the pool; taken under dev_lock */
	struct vm *vm;	  /* atomic where it is read without the lock; NULL: no snapshot */
	u64 base;	  /* guest physical: page 0 */
	u32 cursor;	  /* pages below have been forgotten */
	bool track;
	bool given_up;
	u64 touched[VM_TOUCHED_WORDS]; /* as of the instant */
} snap;

/* Atomic: somebody waits for room. Who comes too late to be woken is so by the next page read, or the end. */
static u64 waiting;

static bool mine(const struct vm *vm)
{
	return __atomic_load_n(&snap.vm, __ATOMIC_SEQ_CST) == vm;
}

int snapshot_begin(struct vm *vm, bool track)
{
	int error = 0;

	lock_take(&snap.lock);
	if (snap.vm)
		error = -EBUSY;
	else if (track)
		error = pool_open();
	if (!error) {
		snap.base = vm->config.extents[0].gpa;
		snap.cursor = 0;
		snap.track = track;
		snap.given_up = false;
		memcpy(snap.touched, vm->s->touched, sizeof(snap.touched));
		__atomic_store_n(&snap.vm, vm, __ATOMIC_SEQ_CST);
	}
	lock_release(&snap.lock);
	if (error || !track)
		return error;
	gstage_track(&vm->gstage, GSTAGE_SAVED);
	return gstage_write_protect(&vm->gstage, GPA(snap.base), vm->config.memory);
}

/* Who waited for room looks again. */
static void wake(struct vm *vm)
{
	if (!__atomic_exchange_n(&waiting, 0, __ATOMIC_SEQ_CST))
		return;
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		struct vcpu *v = &vm->vcpu[n];

		if (__atomic_exchange_n(&v->stalled, 0, __ATOMIC_SEQ_CST))
			sched_wake(v);
	}
	virtio_wake(vm);
}

/* Waits for those who were copying when what they go by was still otherwise. */
static void wait_for_claims(void)
{
	for (unsigned n = 0; n < CLAIMS; n++) {
		lock_take(&claims[n]);
		lock_release(&claims[n]);
	}
}

void snapshot_end(void)
{
	struct vm *vm = snap.vm;
	bool track = snap.track;

	if (!vm)
		return;
	if (track)
		gstage_untrack(&vm->gstage, GSTAGE_SAVED);
	lock_take(&snap.lock);
	__atomic_store_n(&snap.vm, NULL, __ATOMIC_SEQ_CST);
	lock_release(&snap.lock);
	wait_for_claims();
	if (track)
		pool_close();
	__atomic_store_n(&waiting, 1, __ATOMIC_SEQ_CST);
	if (track)
		wake(vm);
}

static bool was_touched(gpa_t at)
{
	return backing_touched(snap.vm, snap.touched, at);
}

static void copy_page(hpa_t from, hpa_t to)
{
	void *target = arch_window(WINDOW_TO, to);

	memcpy(target, arch_window(WINDOW_FROM, from), PAGE_SIZE);
	arch_window_close(WINDOW_FROM);
	arch_window_close(WINDOW_TO);
}

static struct lock *claim_of(gpa_t at)
{
	return &claims[at.a / PAGE_SIZE % CLAIMS];
}

/* Finds a place for the old contents of the page, if they are wanted: 1. Under the lock. */
static int find_place(struct vm *vm, gpa_t at, u32 keep, hpa_t *to)
{
	u32 page = (u32)((at.a - snap.base) / PAGE_SIZE);

	if (snap.vm != vm || !snap.track || snap.given_up || page < snap.cursor || !was_touched(at) ||
	    pool_find(page, to))
		return 0;
	return pool_room() <= keep || pool_add(page, to) ? -EAGAIN : 1;
}

static int save(struct vm *vm, gpa_t at, u32 keep)
{
	hpa_t host, to;
	u64 run;
	int wanted;

	if (backing_lookup(vm, at, &host, &run))
		return 0;
	lock_take(claim_of(at));
	lock_take(&snap.lock);
	wanted = find_place(vm, at, keep, &to);
	lock_release(&snap.lock);
	if (wanted > 0)
		copy_page(host, to);
	lock_release(claim_of(at));
	return wanted < 0 ? wanted : 0;
}

static void give_up(const struct vm *vm)
{
	log_line("%s: a device writes more than a live dump can keep: the dump is given up", vm->config.name);
	lock_take(&snap.lock);
	snap.given_up = snap.vm == vm;
	lock_release(&snap.lock);
}

int snapshot_before_write(struct vm *vm, gpa_t at, u64 bytes, bool may_wait)
{
	u64 page = ALIGN_DOWN(at.a, PAGE_SIZE), end = at.a + bytes;
	int error = 0;

	if (!mine(vm))
		return 0;
	for (; page < end && !error; page += PAGE_SIZE)
		error = save(vm, GPA(page), may_wait ? DEVICE_ROOM : 0);
	if (!error || may_wait)
		return error;
	give_up(vm);
	return 0;
}

bool snapshot_through(struct vm *vm, gpa_t at)
{
	u64 block = ALIGN_DOWN(at.a, BLOCK_SIZE);
	bool through = true;

	if (!mine(vm))
		return true;
	lock_take(&snap.lock);
	if (snap.vm == vm)
		through = snap.given_up || block + BLOCK_SIZE <= snap.base + (u64)snap.cursor * PAGE_SIZE ||
			  !was_touched(GPA(block));
	lock_release(&snap.lock);
	return through;
}

bool snapshot_full(const struct vm *vm)
{
	bool full = mine(vm) && snap.track && !snap.given_up && pool_room() <= DEVICE_ROOM;

	if (full)
		__atomic_store_n(&waiting, 1, __ATOMIC_SEQ_CST);
	return full;
}

void snapshot_stall(struct vcpu *v)
{
	__atomic_store_n(&v->stalled, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&waiting, 1, __ATOMIC_SEQ_CST);
	if (!mine(v->vm))
		__atomic_store_n(&v->stalled, 0, __ATOMIC_SEQ_CST);
}

int snapshot_read(gpa_t at, void *to)
{
	struct vm *vm = snap.vm;
	hpa_t host, kept;
	int result = 0;
	u64 run;

	if (!vm)
		return -ENOENT;
	if (at.a % PAGE_SIZE || backing_lookup(vm, at, &host, &run))
		return -EFAULT;
	lock_take(claim_of(at));
	lock_take(&snap.lock);
	if (snap.given_up || (at.a - snap.base) / PAGE_SIZE < snap.cursor)
		result = -ENOENT;
	else if (!was_touched(at))
		result = SNAPSHOT_UNTOUCHED;
	else if (snap.track && pool_find((u32)((at.a - snap.base) / PAGE_SIZE), &kept))
		host = kept;
	lock_release(&snap.lock);
	if (!result) {
		memcpy(to, arch_window(WINDOW_FROM, host), PAGE_SIZE);
		arch_window_close(WINDOW_FROM);
	}
	lock_release(claim_of(at));
	return result;
}

void snapshot_forget_below(gpa_t at)
{
	struct vm *vm = snap.vm;
	u64 from, end;
	u32 cursor, first;

	if (!vm || !snap.track || at.a < snap.base || at.a - snap.base > vm->config.memory)
		return;
	cursor = (u32)((at.a - snap.base) / PAGE_SIZE);
	if (cursor <= snap.cursor)
		return;
	lock_take(&snap.lock);
	from = ALIGN_DOWN(snap.base + (u64)snap.cursor * PAGE_SIZE, BLOCK_SIZE);
	end = ALIGN_DOWN(at.a, BLOCK_SIZE);
	first = snap.cursor;
	snap.cursor = cursor;
	lock_release(&snap.lock);
	/* Then nobody copies to what is dropped. */
	wait_for_claims();
	lock_take(&snap.lock);
	pool_drop(first, cursor);
	lock_release(&snap.lock);
	/* Faults fill in huge leaves again, and the tables of small ones come back. */
	if (end > from)
		(void)gstage_zap(&vm->gstage, GPA(from), end - from);
	wake(vm);
}
