/* What the files of core/private share. */
#ifndef CORE_PRIVATE_INSIDE_H
#define CORE_PRIVATE_INSIDE_H

#include "core/lib/lock.h"
#include "core/private/bounce.h"
#include "core/private/private.h"

/* RAM of a confidential VM lies in that many pieces of 1 GiB at most, the first of which is that of GUEST_RAM_BASE. */
#define PRIVATE_PIECES (VM_MEMORY_MAX / GIB(1))

/* The volatile side of a confidential VM. */
struct confidential {
	struct vm *vm;
	struct gstage mirror;
	/* Pages of config.kept: those in use. All of them are taken in turn. */
	struct lock kept_lock;
	u64 kept_next; /* number of the page to look at first */
	u64 *kept_used;
	/* Conversions: one at a time. Outermost. */
	struct lock converting;
	/* Bit n: both roots know what the warden's tables say of the n-th GiB. Under `rebuilding` it gets set. */
	struct lock rebuilding;
	u64 known[PRIVATE_PIECES / 64];
	/* Of a launch, one at a time: a page that the warden reads, and that of the guest which it has; ~0: none. */
	u8 *staged;
	u64 loading;
};

/* The hooks of both roots: see gstage.h. */
gstage_hook private_mirror_hook, private_direct_hook;

static inline u64 kept_pages(const struct vm *vm)
{
	return vm->config.kept.size / PAGE_SIZE;
}

/* An unused page of config.kept, or 0: there are enough for all tables that can be, so that is a mistake of ours. */
u64 kept_take(struct confidential *c);
void kept_give(struct confidential *c, u64 page);

/* Page `page` of RAM as the guest reaches it when it is shared. */
static inline gpa_t shared_address(gpa_t page)
{
	return GPA(page.a | PRIVATE_SHARED_BIT);
}

/* Host page that word n of vm_state.shared stands for. */
static inline hpa_t shared_page(const struct vm *vm, unsigned n)
{
	return HPA(vm->config.shared.hpa + bounce_bytes(&vm->config) + n * PAGE_SIZE);
}

/* Word of vm_state.shared with that page, or VM_SHARED_PAGES. */
unsigned shared_word(const struct vm *vm, u64 page);

/* Sees to it that both roots know the GiB of `at` (without PRIVATE_SHARED_BIT, in RAM). -ENOMEM; -EIO: contradictions. */
int private_know(struct vm *vm, gpa_t at);

/* Both roots know all that there is: the VM is new. Or nothing: it has been adopted. */
void private_know_all(struct confidential *c, bool all);

#endif
