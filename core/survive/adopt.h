/*
 * Adoption: an heir makes the estate of the dead life its own.
 *
 * Every record is an enemy's until it has been checked. A record that does not validate costs its VM and nothing else:
 * the VM is VM_CRASHED with VM_REASON_RECORD, its memory is kept.
 */
#ifndef CORE_SURVIVE_ADOPT_H
#define CORE_SURVIVE_ADOPT_H

#include "abi/estate.h"

/*
 * Finishes what the dead life committed on each of its harts. First of all, before anything is read from the records.
 */
void adopt_redo(void);

/*
 * A hart's record names the vCPU whose registers are in it, and that vCPU's names the hart. Where they do not agree the hart has none.
 * Before anything is taken from a hart.
 */
void adopt_claims(void);

/* Makes the volatile side of all VMs. Their vCPUs do not run yet: those still in harts of the dead life are `away`. */
void adopt_vms(void);

/*
 * A hart has come from the dead life, its registers saved: the vCPU that was in it (record index, or NO_VCPU) may run.
 */
void adopt_vcpu_arrived(u64 index);

/* Everything is set up: devices take up their work, runnable vCPUs are queued. */
void adopt_resume(void);

#endif
