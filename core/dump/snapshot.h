/*
 * The memory of a VM as of one instant, while the VM runs on.
 *
 * From the instant on the G-stage is tracked (GSTAGE_SAVED): whoever is about to write a page, the guest by a fault or the
 * hypervisor for a device, first has its contents copied into the pool. Reading takes a page from there or, as long as
 * it has not been written, from where it is. Pages are read in ascending order; what has been read is forgotten, and
 * those blocks get huge leaves again. If the pool is full the writer waits.
 *
 * One at a time for the host. All volatile.
 */
#ifndef CORE_DUMP_SNAPSHOT_H
#define CORE_DUMP_SNAPSHOT_H

#include "core/vm/vm.h"

/*
 * The instant. No vCPU of the VM is on a hart, and the caller has its dev_lock. With `track` the guest will run on.
 * -ENOMEM; -EBUSY: there is one already.
 */
int snapshot_begin(struct vm *vm, bool track);

/*
 * It is over, and who waited goes on. Leaves of the guest that had not been read may be small and stay so: gstage_zap makes
 * room for huge ones.
 */
void snapshot_end(void);

/*
 * [at, at + bytes) of guest RAM is about to be written. -EAGAIN: not yet, the pool is full (see snapshot_full). For one who
 * must not wait the snapshot is given up instead: 0 always. Nothing if there is none of this VM.
 */
int snapshot_before_write(struct vm *vm, gpa_t at, u64 bytes, bool may_wait);

/* True if the leaf over the 2 MiB around `at` may be written as a whole: it has been read, or was empty. */
bool snapshot_through(struct vm *vm, gpa_t at);

/* True if vCPUs and devices of the VM should not begin to write what is not saved yet. */
bool snapshot_full(const struct vm *vm);

/*
 * The vCPU, which the calling hart runs, was to write what snapshot_before_write did not let it: it leaves its hart (see
 * sched_keep) until there may be room, and tries again.
 */
void snapshot_stall(struct vcpu *v);

enum snapshot_page {
	SNAPSHOT_UNTOUCHED = 1, /* it was not the guest's yet */
};

/*
 * Copies the page at `at` as of the instant. 0; SNAPSHOT_UNTOUCHED: nothing is copied, and it holds up to the end of the
 * block; -ENOENT: no longer there (forgotten, or given up); -EFAULT: no RAM.
 */
int snapshot_read(gpa_t at, void *to);

/* All below `at` has been read and is not asked for again. Lets go on who waited. Takes as long as that is much. */
void snapshot_forget_below(gpa_t at);

#endif
