/*
 * Access of a guest to its devices.
 */
#ifndef CORE_DEVICES_MMIO_H
#define CORE_DEVICES_MMIO_H

#include "core/vm/vm.h"

/*
 * Carries out one access of a guest: finds the device at `at`, takes vm->dev_lock, lets the device stage its effects in
 * `t`, and lets `finish` stage those of the instruction (destination register, pc), so that both commit together; then
 * does what follows outside the estate (interrupt lines, kicks, requests to host devices).
 *
 * bytes: 1, 2, 4, 8. For a read *value receives the result, zero-extended. `t` is the calling hart's, with nothing staged.
 * -EFAULT: no device there or one that does not take such an access; nothing was staged, the guest gets an access fault.
 * -EAGAIN: not now (a reset waits for requests that the host's devices have under way); nothing was staged, the caller goes
 * round its loop, where the host's devices get on, and lets the guest execute the instruction again.
 */
int mmio_access(struct vcpu *v, struct txn *t, gpa_t at, unsigned bytes, bool write, u64 *value,
		void (*finish)(struct vcpu *v, struct txn *t, u64 value, void *cookie), void *cookie);

/* What a device is to the dispatcher. Called with vm->dev_lock held. */
struct mmio_device {
	/* -EFAULT, -EAGAIN refuse, with nothing staged. Stage their effects; external ones happen in `after`. */
	int (*read)(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 *value);
	int (*write)(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 value);
	/* After the commit of a write, dev_lock still held: its external effects. `t` is empty and may be used. NULL: none. */
	void (*after)(struct vm *vm, unsigned unit, struct txn *t, u64 offset, u64 value);
};

/* A part of the guest's bus: units of 2^shift bytes each, all of one kind. */
struct mmio_region {
	u64 base;
	u64 size;
	unsigned shift;
	const struct mmio_device *device;
};

/* All of it, for tests that go through it; the root VM has the same devices elsewhere. */
extern const struct mmio_region mmio_regions[];
extern const unsigned mmio_region_count;

#endif
