/*
 * Guest RAM: which host memory backs it, and access to it by guest physical address.
 *
 * A VM owns extents of host RAM, written down in its configuration record when it is created. A 2 MiB block of them is
 * zeroed when the guest touches it first (`touched` in the estate), so a start costs nothing and no VM sees what
 * another left. Guest RAM is not mapped in the hypervisor: access goes through a window of the calling hart.
 */
#ifndef CORE_MEMORY_BACKING_H
#define CORE_MEMORY_BACKING_H

#include "abi/estate.h"

struct vm;

/* Where RAM starts in every guest but the root VM, whose RAM, one piece, has its host's addresses. */
#define GUEST_RAM_BASE 0x80000000ull

static inline u64 backing_base(const struct vm_config *config)
{
	return config->flags & VM_ROOT ? config->extents[0].gpa : GUEST_RAM_BASE;
}

/* True if the VM has RAM at `at`. */
static inline bool backing_has(const struct vm_config *config, u64 at)
{
	return at - backing_base(config) < config->memory;
}

/*
 * Finds free host RAM for `config->memory` bytes and fills in its extents, as few and as aligned as it can.
 * Taken: all extents of existing VMs, estate, slots, warden, boot pack. -ENOMEM if there is too little; *have is then
 * what there is. Caller holds the host lock (VM creation is one at a time).
 */
int backing_assign(struct vm_config *config, u64 *have);

/* Bytes of host RAM that no VM has. */
u64 backing_free_bytes(void);

/* True if the extents are ones that backing_assign can have made for this machine: aligned, in RAM, disjoint. */
bool backing_valid(const struct vm_config *config);

/*
 * What vm->extent_check has for an extent: no change of a single word of it keeps this. backing_lookup compares, because a
 * damaged extent leads to another guest's memory.
 */
static inline u64 backing_check(const struct vm_extent *e)
{
	return ~(e->gpa ^ (e->hpa << 21 | e->hpa >> 43) ^ (e->size << 42 | e->size >> 22));
}

/*
 * Host address of guest RAM at `at`; *run: bytes from there on that are contiguous on the host (up to the end of the
 * extent). Does not touch. -EFAULT outside RAM.
 */
int backing_lookup(const struct vm *vm, gpa_t at, hpa_t *host, u64 *run);

/* Makes sure that the block of `at` is zeroed and marked. -EFAULT outside RAM. Any number of harts at once. */
int backing_touch(struct vm *vm, gpa_t at);

/*
 * True if the 1 GiB of guest RAM around `at` (inside RAM) is one piece of host RAM with the same alignment, at *host, and all
 * of it has been touched: one leaf can map it.
 */
bool backing_giant(const struct vm *vm, gpa_t at, hpa_t *host);

/* Forgets all blocks: the next touch zeroes again. The VM is stopped and its tables are zapped. */
void backing_reset(struct vm *vm);

/*
 * Copies between guest RAM and the hypervisor; touches what it needs. -EFAULT, and perhaps part done, outside RAM.
 * Of a confidential VM: what it shares, and its bounce buffers; -EFAULT for private memory.
 * 2, 4 and 8 bytes, aligned on both sides, are one access each, as indices of rings need it. Uses window 1 of the hart;
 * window 0 stays the caller's.
 */
int guest_read(struct vm *vm, gpa_t from, void *to, size_t bytes);
int guest_write(struct vm *vm, gpa_t to, const void *from, size_t bytes);

/*
 * Fills in the translation that a guest's access to its RAM at `at` lacks: the largest leaf that there is, or, while writes
 * are tracked (a dirty log, a snapshot), one that gets the right to write page by page. -EAGAIN: a write that has to wait
 * for the reader of a snapshot (snapshot_stall); -EFAULT outside RAM; otherwise as gstage_map. Any number of harts at once.
 */
int guest_ram_fault(struct vm *vm, gpa_t at, bool write);

/*
 * Looks at *count translations of the VM's RAM from `from` on, or at all up to its end, whether they lead to what backs it. *count
 * is 0 afterwards, and the result where to go on; or it is not, and the result is the address of one that does not, *leaf.
 * Some 50 instructions for each. Any number of harts at once.
 */
struct gstage_leaf;
u64 guest_ram_disagrees(const struct vm *vm, u64 from, u64 *count, struct gstage_leaf *leaf);

/* True if `touched`, a VM's words or a copy of them, has the bit for the block of `at` (inside RAM). */
bool backing_touched(const struct vm *vm, const u64 *touched, gpa_t at);

/*
 * Lends at most `limit` bytes of host RAM that no VM has, in one piece, to this life; returns how many. No VM gets it until
 * backing_return. One at a time; as backing_assign, of which there is none meanwhile.
 */
u64 backing_lend(u64 limit, hpa_t *at);
void backing_return(void);

/*
 * For DMA: the host address of guest RAM at `at`; *run as in backing_lookup but at most `bytes` and within touched
 * blocks: zeroes at most one block, so call again for the rest. -EFAULT if [at, at + bytes) is not all RAM.
 * With `write` the device will write there, and when it has guest_dma_written is called for all of it, before the guest
 * sees that it has; -EAGAIN then: not yet, a snapshot has no room (see virtio_wake).
 */
int guest_dma(struct vm *vm, gpa_t at, u64 bytes, bool write, hpa_t *host, u64 *run);
void guest_dma_written(struct vm *vm, gpa_t at, u64 bytes);

#endif
