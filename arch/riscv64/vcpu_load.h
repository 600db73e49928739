/*
 * The registers of a vCPU that live in the hart while it is loaded there (rules SWITCH and LAZY of abi/vcpu_regs.h).
 */
#ifndef ARCH_VCPU_LOAD_H
#define ARCH_VCPU_LOAD_H

#include "arch/riscv64/hart.h"

/* Makes `v` the current vCPU of the hart, which has none. */
void vcpu_load(struct hart *hart, struct vcpu *v);

/* Saves the current vCPU's registers into its record; the hart then has none. */
void vcpu_unload(struct hart *hart);

/*
 * For a hart that this life has got from the one before: saves the SWITCH and LAZY registers of the vCPU that the hart
 * record names (a valid index), and the TRAP registers are in its record already.
 */
void vcpu_collect(struct hart *hart);

/* The guest used floating point (or vectors) while the unit was off: gives it its registers. */
void lazy_load(struct hart *hart, struct vcpu *v);

/* Register values of a vCPU that has never run. */
void vcpu_reset_registers(struct vcpu_record *r);

#endif
