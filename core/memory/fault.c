/* What a guest's access to its RAM gets that has no translation yet, or not the right to write. */
#include "core/arch.h"
#include "core/dump/snapshot.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "core/vm/vm.h"

/*
 * The largest leaf: 2 MiB, or 1 GiB once all of that is the guest's. A leaf that grows replaces the table below it, so the
 * other harts keep what they have in their TLBs until that is fenced. `told`: see gstage_map.
 */
static int map_largest(struct vm *vm, gpa_t at, hpa_t host, unsigned told)
{
	hpa_t giant;
	int error;

	if (told || !backing_giant(vm, at, &giant))
		return gstage_map(&vm->gstage, at, 1, host, GSTAGE_ALL | told);
	error = gstage_map(&vm->gstage, at, 2, giant, GSTAGE_ALL);
	if (!error)
		gstage_collapse(&vm->gstage, at, 2);
	return error;
}

/* A page may be written from now on: what a snapshot needs of it is saved, then it is logged. */
static int map_written_page(struct vm *vm, gpa_t at, hpa_t host, u64 track)
{
	int error = snapshot_before_write(vm, at, 1, true);

	if (error)
		return error;
	/* The tables of small leaves must not take what other VMs need: the snapshot's end gives them back. */
	if ((track & GSTAGE_SAVED) && pages_free() < DIRTY_RESERVE)
		return -EAGAIN;
	error = gstage_map(&vm->gstage, at, 0, host, GSTAGE_ALL | GSTAGE_SAVED | GSTAGE_LOGGED);
	if (!error)
		dirty_mark(&vm->gstage, &vm->dirty, at, 1);
	return error;
}

/*
 * No page for the table of a split, and only the log wants it: the block is written as a whole. Its leaf goes, because none
 * that is huge gains the right to write (invariant 5), and one with it comes, with all of the block's marks.
 */
static int map_written_block(struct vm *vm, gpa_t at, hpa_t host)
{
	gpa_t block = GPA(ALIGN_DOWN(at.a, BLOCK_SIZE));
	int error = gstage_zap(&vm->gstage, block, BLOCK_SIZE);

	if (error)
		return error;
	error = gstage_map(&vm->gstage, block, 1, host, GSTAGE_ALL | GSTAGE_LOGGED);
	if (!error)
		dirty_mark(&vm->gstage, &vm->dirty, block, BLOCK_SIZE);
	/* Another hart has put a smaller leaf there meanwhile: the guest faults again. */
	return error == -ENOMEM ? 0 : error;
}

int guest_ram_fault(struct vm *vm, gpa_t at, bool write)
{
	hpa_t block, host;
	u64 run, track;
	int error = backing_touch(vm, at);

	if (!error)
		error = backing_lookup(vm, GPA(ALIGN_DOWN(at.a, BLOCK_SIZE)), &block, &run);
	if (error)
		return error;
	track = __atomic_load_n(&vm->gstage.track, __ATOMIC_SEQ_CST);
	/* For reading, gstage_map sees to it that nobody writes. */
	if (!track || (!write && track != GSTAGE_SAVED))
		return map_largest(vm, at, block, 0);
	if (track == GSTAGE_SAVED && snapshot_through(vm, at))
		return map_largest(vm, at, block, GSTAGE_SAVED);
	if (!write)
		return map_largest(vm, at, block, 0);
	host = HPA(block.a + ALIGN_DOWN(at.a % BLOCK_SIZE, PAGE_SIZE));
	error = map_written_page(vm, at, host, track);
	return error == -ENOMEM && track == GSTAGE_LOGGED ? map_written_block(vm, at, block) : error;
}

static u64 leaf_size(const struct gstage_leaf *leaf)
{
	return PAGE_SIZE << 9 * leaf->level;
}

static bool leaf_agrees(const struct vm *vm, u64 at, const struct gstage_leaf *leaf)
{
	hpa_t host;
	u64 run;

	return !backing_lookup(vm, GPA(at), &host, &run) && host.a == leaf->host.a &&
	       run >= leaf_size(leaf) - at % leaf_size(leaf);
}

u64 guest_ram_disagrees(const struct vm *vm, u64 from, u64 *count, struct gstage_leaf *leaf)
{
	u64 at = from;

	/* The tables of a confidential VM are the warden's, who checks what leads where. */
	if (vm_is_confidential(vm)) {
		*count = 0;
		return from;
	}
	for (; *count && backing_has(&vm->config, at); --*count) {
		*leaf = gstage_lookup(&vm->gstage, GPA(at));
		if (leaf->rights && !leaf_agrees(vm, at, leaf))
			return at;
		at += leaf_size(leaf) - at % leaf_size(leaf);
		if (at % (64 * BLOCK_SIZE) == 0)
			arch_beat();
	}
	*count = 0;
	return at;
}
