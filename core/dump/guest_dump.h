/*
 * Dumps of VMs for the control channel: CTL_DUMP_BEGIN, _VCPU, _READ, _END of abi/control.h. One at a time for the host,
 * and all of it volatile: a life that ends takes it along.
 *
 * A guest that is dumped live stands still while its registers are copied and its memory is protected, which is a walk over
 * the leaves of its tables. From then on it runs; see snapshot.h.
 *
 * A request that the guest had with a device at the instant, and that was not completed, may show in the buffers of that
 * request: they have no defined contents for the guest either.
 */
#ifndef CORE_DUMP_GUEST_DUMP_H
#define CORE_DUMP_GUEST_DUMP_H

#include "abi/control.h"
#include "core/vm/vm.h"

/* A client that asks for nothing for so long has gone: its dump is forgotten, and its guest goes on. */
#define GUEST_DUMP_PATIENCE_S 30

/*
 * Begins a dump and describes it in *info; again with the same id: the same. -EINVAL; -EBUSY: another is under way; -ENXIO: no
 * guest; -ENOMEM; -EAGAIN: a vCPU is still in a hart of the life before; -EOPNOTSUPP: live, of a VM into whose memory a
 * device of the machine writes that is passed through to it; -EPERM: confidential, its memory is not ours to read. The calling hart has no vCPU afterwards.
 */
int guest_dump_begin(struct vm *vm, const struct ctl_dump_begin *begin, struct ctl_dump *info);

/* The rest: -ENOENT for an id that is not that of the VM's dump. */

/* vCPUs from the at->at-th on (struct ctl_dump_data), as many as fit into `room` bytes, at least a head. *used: bytes written. */
int guest_dump_vcpus(struct vm *vm, const struct ctl_dump_at *at, void *to, size_t room, size_t *used);

/*
 * Pages from at->at on (struct ctl_dump_data). -EINVAL: no page of the VM. Bounded to what fits and to some time. -ENOENT also:
 * the page has been forgotten, because what was read since was more than CTL_DUMP_WINDOW above.
 */
int guest_dump_read(struct vm *vm, const struct ctl_dump_at *at, void *to, size_t room, size_t *used);

/* The client is through; 0. */
int guest_dump_end(struct vm *vm, const struct ctl_dump_at *at);

/* The memory of the VM is about to become something else: a dump of it is forgotten. */
void guest_dump_forget(struct vm *vm);

/* Forgets the dump of a client that has gone, and tidies up behind a dump step by step. From the loop. True: there is more. */
bool guest_dump_poll(void);

/* Ticks at which guest_dump_poll has something to do; ~0: never. */
u64 guest_dump_next(void);

#endif
