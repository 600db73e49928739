/*
 * The root VM's way to the bare machine (devirtualisation): its three requests (abi/guest.h), and what a crash of the
 * hypervisor leads to when that is the policy.
 *
 * How far it has come is in the estate (enum root_step of the VM), so that a crash in the middle forgets nothing that the
 * guest has been told. From ROOT_SUSPENDED on one vCPU of all the host's runs. The last step is arch/riscv64/native.c's.
 */
#ifndef CORE_ROOT_TAKEOVER_H
#define CORE_ROOT_TAKEOVER_H

#include "core/estate/txn.h"
#include "core/vm/vm.h"

/* Why the machine could not be given to a root VM, for people; NULL: it could. */
const char *takeover_missing(void);

/* What a crash of this life leads to: the host file's policy, or the next one if the machine cannot have that. */
enum crash_policy takeover_policy(void);

/* So many crashes within the window get an heir, be it to recover or to hand over to the root VM. */
u64 takeover_heirs(void);

/*
 * The requests, from the exit of vCPU `v`, whose result the caller commits with what is staged in `t`. The caller holds
 * v->vm->dev_lock. -EPERM: not this VM's, or not this vCPU's, to ask for; *value is the hart id of the vCPU that may.
 * -EINVAL: not after the requests that come before. -EAGAIN (suspend): under way; the vCPU's hart goes round its loop,
 * and then it asks again.
 */
int takeover_prepare(struct vcpu *v, struct txn *t, u64 *value);
int takeover_suspend(struct vcpu *v, struct txn *t);
int takeover_permitted(struct vcpu *v, u64 *value);

/* True from the root VM's first step towards the machine on, until it has ended. */
bool takeover_is_under_way(void);

/* Counts, and says now and then, that a VM asks for what is the root VM's. */
void takeover_refuse(const struct vm *vm);

/* Takes vCPUs off their harts for a suspend that was asked for. Holds the lock on operations, and no vCPU (vm.c). */
void takeover_work(void);

/* From the hart's loop: resets the machine if the time for it has come; takeover_due is when it comes, ~0: never. */
void takeover_poll(void);
u64 takeover_due(void);

/*
 * The root VM stops or starts anew without having taken the machine over. Everybody else goes on; or, if a crash of the
 * hypervisor had handed over to it, nobody does, and the machine is reset.
 */
void takeover_ends(struct vm *vm);

/*
 * An heir, between adopt_vms and adopt_resume: goes on with what the dead life had begun; and if the policy is to
 * devirtualise, nobody but the root VM runs from now on, and its boot vCPU is marked to be struck (vcpu.strike). If that
 * fails nobody runs, and the next policy follows when its reason has had time to get out: a reset.
 */
void takeover_adopt(void);

#endif
