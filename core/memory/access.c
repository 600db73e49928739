/*
 * Guest RAM as the hypervisor reaches it: first touch, and access through a window of the calling hart.
 */
#include "core/dump/snapshot.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/lock.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/private/private.h"
#include "core/vm/vm.h"

int backing_lookup(const struct vm *vm, gpa_t at, hpa_t *host, u64 *run)
{
	for (u32 i = 0; i < vm->config.extent_count; i++) {
		const struct vm_extent *e = &vm->config.extents[i];

		if (range_inside(at.a, 1, e->gpa, e->size)) {
			/* Rather no life than another guest's memory. */
			ASSERT(vm->extent_check[i] == backing_check(e));
			*host = HPA(e->hpa + (at.a - e->gpa));
			*run = e->size - (at.a - e->gpa);
			return 0;
		}
	}
	return -EFAULT;
}

/*
 * Who zeroes a block holds its claim. There are fewer claims than blocks: two blocks with the same claim only wait for
 * each other. Claims are volatile; what counts is the bit, and it is set when the block has been zeroed.
 */
#define CLAIM_COUNT 256
static struct lock claim[CLAIM_COUNT];

/* Number of the block of `at`, inside RAM. They count from the 1 GiB that RAM begins in, so that each has whole words. */
static u64 block_number(const struct vm *vm, u64 at)
{
	return (at - ALIGN_DOWN(backing_base(&vm->config), GIB(1))) / BLOCK_SIZE;
}

bool backing_touched(const struct vm *vm, const u64 *touched, gpa_t at)
{
	u64 block = block_number(vm, at.a);

	return touched[block / 64] >> block % 64 & 1;
}

static bool block_touched(const struct vm *vm, u64 block)
{
	/* Acquire: who sees the bit sees the zeros. */
	return __atomic_load_n(&vm->s->touched[block / 64], __ATOMIC_ACQUIRE) >> block % 64 & 1;
}

int backing_touch(struct vm *vm, gpa_t at)
{
	u64 block = block_number(vm, at.a), run;
	struct lock *mine = &claim[(block + vm->index * 37) % CLAIM_COUNT];
	hpa_t host;
	int error = backing_lookup(vm, at, &host, &run);

	/* The pool is not ours to zero, and its words in the record mean something else. */
	if (vm_is_confidential(vm))
		return -EFAULT;
	if (error)
		return error;
	if (block_touched(vm, block))
		return 0;
	lock_take(mine);
	if (!block_touched(vm, block)) {
		arch_zero(arch_window_block(HPA(ALIGN_DOWN(host.a, BLOCK_SIZE))), BLOCK_SIZE);
		arch_window_block_close();
		estate_or(&vm->s->touched[block / 64], 1ull << block % 64);
	}
	lock_release(mine);
	return 0;
}

bool backing_giant(const struct vm *vm, gpa_t at, hpa_t *host)
{
	const gpa_t start = GPA(ALIGN_DOWN(at.a, GIB(1)));
	const u64 *touched = &vm->s->touched[block_number(vm, start.a) / 64];
	u64 run;

	_Static_assert(GUEST_RAM_BASE % GIB(1) == 0 && GIB(1) / BLOCK_SIZE % 64 == 0,
		       "whole words of blocks");
	if (backing_lookup(vm, start, host, &run) || run < GIB(1) || host->a % GIB(1))
		return false;
	for (unsigned word = 0; word < GIB(1) / BLOCK_SIZE / 64; word++) {
		if (~__atomic_load_n(&touched[word], __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

void backing_reset(struct vm *vm)
{
	u64 bytes = backing_base(&vm->config) % GIB(1) + vm->config.memory;

	for (u64 word = 0; word * 64 * BLOCK_SIZE < bytes; word++)
		estate_store(&vm->s->touched[word], 0);
}

/* A word of a ring is one access, as the guest's own would be: others may change it meanwhile. */
static bool copy_word(void *to, const void *from, size_t bytes)
{
	if ((((uintptr_t)to | (uintptr_t)from) & (bytes - 1)) != 0)
		return false;
	switch (bytes) {
	case 2:
		__atomic_store_n((u16 *)to, __atomic_load_n((const u16 *)from, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
		return true;
	case 4:
		__atomic_store_n((u32 *)to, __atomic_load_n((const u32 *)from, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
		return true;
	case 8:
		__atomic_store_n((u64 *)to, __atomic_load_n((const u64 *)from, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
		return true;
	default:
		return false;
	}
}

/* Guest accesses go through window 1 of the hart: window 0 stays its caller's. */
#define WINDOW_GUEST 1

/* Copies one piece that does not cross a page. */
static int copy_piece(struct vm *vm, gpa_t at, void *own, size_t bytes, bool write)
{
	u64 run, offset = at.a % PAGE_SIZE;
	hpa_t host;
	u8 *page;
	int error;

	if (vm_is_confidential(vm)) {
		error = private_reach(vm, at, &host, &run);
	} else {
		error = backing_lookup(vm, at, &host, &run);
		if (!error)
			error = backing_touch(vm, at);
	}
	if (error)
		return error;
	if (write && vm->gstage.track)
		snapshot_before_write(vm, at, bytes, false);
	page = arch_window(WINDOW_GUEST, HPA(host.a - offset));
	if (write && !copy_word(page + offset, own, bytes))
		memcpy(page + offset, own, bytes);
	if (!write && !copy_word(own, page + offset, bytes))
		memcpy(own, page + offset, bytes);
	arch_window_close(WINDOW_GUEST);
	if (write)
		dirty_mark(&vm->gstage, &vm->dirty, at, bytes);
	return 0;
}

static int copy(struct vm *vm, gpa_t at, u8 *own, size_t bytes, bool write)
{
	int error = 0;

	while (bytes && !error) {
		size_t piece = PAGE_SIZE - at.a % PAGE_SIZE;

		if (piece > bytes)
			piece = bytes;
		error = copy_piece(vm, at, own, piece, write);
		at.a += piece;
		own += piece;
		bytes -= piece;
	}
	return error;
}

int guest_read(struct vm *vm, gpa_t from, void *to, size_t bytes)
{
	return copy(vm, from, to, bytes, false);
}

int guest_write(struct vm *vm, gpa_t to, const void *from, size_t bytes)
{
	return copy(vm, to, (u8 *)(uintptr_t)from, bytes, true);
}

/* Cuts *run, which begins at `at`, to the pages that a snapshot lets be written. -EAGAIN: not even the first. */
static int let_write(struct vm *vm, gpa_t at, u64 *run)
{
	u64 done = 0;

	while (done < *run) {
		u64 piece = PAGE_SIZE - (at.a + done) % PAGE_SIZE;

		if (snapshot_before_write(vm, GPA(at.a + done), 1, true))
			break;
		done += piece;
	}
	if (done < *run)
		*run = done;
	return done ? 0 : -EAGAIN;
}

void guest_dma_written(struct vm *vm, gpa_t at, u64 bytes)
{
	dirty_mark(&vm->gstage, &vm->dirty, at, bytes);
}

int guest_dma(struct vm *vm, gpa_t at, u64 bytes, bool write, hpa_t *host, u64 *run)
{
	u64 ready;
	int error;

	if (vm_is_confidential(vm)) {
		error = private_reach(vm, at, host, run);
		if (!error && *run > bytes)
			*run = bytes;
		return error;
	}
	error = backing_lookup(vm, at, host, run);
	if (!error && !range_inside(at.a, bytes, backing_base(&vm->config), vm->config.memory))
		error = -EFAULT;
	if (!error)
		error = backing_touch(vm, at);
	if (error)
		return error;
	if (*run > bytes)
		*run = bytes;
	/* Zeroing is bounded to the first block: behind it the run goes on as far as blocks have been touched. */
	ready = BLOCK_SIZE - at.a % BLOCK_SIZE;
	while (ready < *run && block_touched(vm, block_number(vm, at.a + ready)))
		ready += BLOCK_SIZE;
	if (*run > ready)
		*run = ready;
	return write && vm->gstage.track && *run ? let_write(vm, at, run) : 0;
}
