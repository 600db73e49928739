/*
 * This life: its record in the history, and the end of the one before it.
 */
#ifndef CORE_SURVIVE_LIFE_H
#define CORE_SURVIVE_LIFE_H

#include "abi/estate.h"
#include "core/vcpu/vcpu.h"

/* Number of this life, 1 for the first. */
u64 life_number(void);

/*
 * Begins the record of this life. An heir first completes the record of the life before it with what the warden says of
 * its end. `entered`: ticks. `window`: the four labels of the trap entry (struct life_record), or NULL.
 */
void life_begin(bool heir, u64 slot, u64 boot_hart, u64 entered, const u64 window[4]);

/*
 * Where this life ends, before it tells the warden: pc (an address in the slot) and what was wrong with it (a trap's stval).
 * Any context. What a life says of itself counts more than where the warden found its hart.
 */
void life_ends_at(u64 pc, u64 value);

/*
 * This life's image: the first 8 bytes of its build id. Behind life_begin.
 */
void life_set_build(u64 build);

/* What this life has to do with an update; only once life_begin has been. */
enum warden_update_role life_update_role(void);

/* True if the life ended by a crash that counts: an update does not, nor what ends one that is on trial. */
bool life_has_crashed(const struct life_record *life);

/* The record of the life before this one; NULL for the first. */
const struct life_record *life_before(void);

/* Where the life before this one lay whole: the other slot. Not what its record says, which may be damaged. */
u64 life_dead_slot(void);

/* The estate is adopted: so many VMs go on, so many are lost, so many vCPUs have to come back to complete the recovery. */
void life_adopted(u64 vms, u64 lost, u64 vcpus);

/* The vCPU is about to run in this life for the first time (v->expected). Records when the recovery is complete. */
void life_vcpu_back(struct vcpu *v);

/* From a hart's loop: says so in the log, once. Not on the way back of the last vCPU, which waits for a line that long. */
void life_poll(void);

/* When this life began, ticks; and whether all vCPUs that ran in the life before it have run again. */
u64 life_started(void);
bool life_recovered(void);

/* Number of the slot in which a life ran. */
u64 life_slot(const struct life_record *life);

/* For people: "panic", "hang", ... */
const char *life_cause_text(u64 cause);

#endif
