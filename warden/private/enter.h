/*
 * A vCPU in the hart that calls. But for enter_run, all this is for a vCPU that is in there: its supervisor's CSRs are the
 * hart's, and what the record says of them is old.
 */
#ifndef WARDEN_PRIVATE_ENTER_H
#define WARDEN_PRIVATE_ENTER_H

#include "warden/private/vcpu.h"

/* True: the hart can have one. */
bool enter_init(void);

/*
 * Puts the vCPU into the hart, lets it run until an exit that the hypervisor is told of, and takes it out: nothing of it is
 * left in the hart then. The caller's VS CSRs, and its floating point and vectors if the guest used them, are lost: zeroes.
 * `wait_exits`: a wfi is an exit.
 */
void enter_run(struct private_vm *vm, struct private_vcpu *v, bool wait_exits, struct vcpu_exit *exit);

/* The instruction at its pc, fetched as it would be by the guest. False: that faults. */
bool enter_fetch(const struct private_vcpu *v, u32 *instruction);

/* The guest takes this exception at its pc, as its hart would have it take it. */
void enter_inject(struct private_vcpu *v, u64 cause, u64 value);

/* If its floating point and vectors are not in the hart though the guest has switched them on: puts them in. */
bool enter_load_units(struct private_vcpu *v);

/* An interrupt is pending for it, and enabled: a wfi ends. */
bool enter_is_awaited(void);

/* When its timer is due: ticks of the guest; ~0 never. */
u64 enter_timer(void);
void enter_set_timer(u64 when);

/* As after a non-retentive suspend: translation and interrupts off. */
void enter_reset_supervisor(void);

/* The host's time, in ticks. */
u64 enter_now(void);

enum enter_fence {
	ENTER_FENCE_I,
	ENTER_FENCE_VMA,
	ENTER_FENCE_VMA_ASID,
};

/*
 * Fences in this hart if `self`, and in the harts with the ids of the set `others`, before it returns: the guest's own
 * addresses [from, from + bytes), all of them if both are 0 or bytes is ~0.
 */
void enter_remote_fence(const struct private_vm *vm, enum enter_fence kind, bool self, u64 others, u64 from,
			u64 bytes, u64 asid);

#endif
