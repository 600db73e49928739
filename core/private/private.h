/*
 * Confidential VMs, the hypervisor's side: which page of the pool goes where, and which pages the guest shares. The warden
 * keeps the pages, the tables that a hart uses and the registers (abi/private.h); this asks it for each change.
 *
 * A guest physical address with PRIVATE_SHARED_BIT is shared memory, without it private. Both kinds have a root here, in the
 * format of the hart's tables, and none of them is ever loaded into a hart: the *direct* root (vm->gstage) says what is shared,
 * the *mirror* (vm->confidential->mirror) what is private. Each change of a present entry of theirs goes to the warden
 * first, through one hook (core/gstage/gstage.h), and is made only if it agrees.
 *
 * What must hold, whenever a life ends:
 *  1. Private memory is backed one to one by the VM's extents, which lie in the pool. No record says more of it than those.
 *  2. vm_state.shared has a word for each page that is shared: which page of the VM's shared extent backs it. A leaf of the
 *     direct root has a word. The word is there before the leaf and goes after it.
 *  3. vm_state.converting names the vCPU whose conversion has been checked and begun, until its answer is committed: the heir
 *     goes on with it where it stopped.
 */
#ifndef CORE_PRIVATE_PRIVATE_H
#define CORE_PRIVATE_PRIVATE_H

#include "abi/private.h"
#include "core/vm/vm.h"

/* What the warden calls the VM: first argument of the calls. */
static inline u64 private_number(const struct vm *vm)
{
	return vm->config.private_number;
}

/*
 * The vCPU has no leaf at `at` (the argument of PRIVATE_EXIT_FAULT). 0: enter it again. -EFAULT: outside of its RAM, or private
 * where the page is shared or the other way round: the guest's mistake. -ENOMEM. -EEXIST, -EIO: our tables and the warden's
 * do not agree. Any number of harts at once.
 */
int private_fault(struct vm *vm, gpa_t at);

/*
 * The vCPU asks that [at, at + bytes), private addresses, become shared, or private (PRIVATE_EXIT_CONVERT). 0: done; what it
 * has staged in the hart's transaction is committed together with the answer (by who had it from arch_txn before). -EINVAL: no such range, or not in the other state
 * throughout; -ENOMEM: no page for it; nothing has changed then. -EAGAIN: not done yet, come back with the same (the
 * hart does other work in between). -EIO: the warden refuses what it should not. Any number of harts at once.
 */
int private_convert(struct vcpu *v, gpa_t at, u64 bytes, bool to_shared);

/*
 * Host address of what host and devices may reach of a confidential VM's memory: a shared page, a bounce buffer. *run: bytes
 * from there on that are contiguous. -EFAULT: private, or nothing.
 */
int private_reach(struct vm *vm, gpa_t at, hpa_t *host, u64 *run);

/* Bytes of its private memory that the guest has touched. */
u64 private_used(const struct vm *vm);

/* ---- Its life as a VM ---- */

/* The pool of this machine; size 0: there is none, and the text says why and what would do. */
struct machine_range private_pool(const char **why);

/* True if no VM has the pool's block at that address, nor the warden. */
bool private_block_free(u64 block);

/* Bytes of vm_config.kept and .shared. */
u64 private_kept_size(const struct vm_config *config);
u64 private_shared_size(const struct vm_config *config);

/*
 * Fills in what a configuration wants beside its memory: private_number, the sizes of `kept` and `shared`. Not 0: it cannot be
 * a confidential VM of this machine; `why` says so, and what would do.
 */
int private_plan(struct vm_config *config, char *why, size_t size);

/* The volatile side: vm->confidential. -ENOMEM. */
int private_create(struct vm *vm);

/*
 * A start: what was is taken from the warden, and the VM made anew there, empty; no vCPU of it runs. Then private_load fills
 * private memory from ordinary RAM, in whole pages; what it leaves out of the last is zero. A page that it comes to again keeps
 * what the new piece does not cover. All is measured, in the order of the calls. Then it is final: vCPU 0 is to start.
 */
int private_launch(struct vm *vm);
int private_load(struct vm *vm, gpa_t to, const void *from, u64 bytes);
int private_final(struct vm *vm, gpa_t pc, u64 a1);

/* No vCPU of it will be entered any more; its memory stays with the warden until the next start. */
void private_end(struct vm *vm);

/*
 * The warden's report on a VM that runs or is paused, signed: to be handed on to who asked. -EOPNOTSUPP: an ordinary VM; -ENXIO: it
 * does not run; -ENOSYS: the warden has no key. Takes some milliseconds. One caller at a time.
 */
int private_report(const struct vm *vm, const struct private_request *request, struct private_report *report);

/* An heir: what the warden says of the VM agrees with its records, or `why` says what does not. */
int private_adopt(struct vm *vm, char *why, size_t size);

/*
 * arch_private, again and again while another hart is in a call for the VM, which a guest can keep busy: it beats meanwhile. 0 or a
 * negative errno, never -EAGAIN. Any hart, with or without locks.
 */
int private_ask(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 *value);

#endif
