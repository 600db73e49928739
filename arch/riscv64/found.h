/*
 * What the warden found of a hart when it stopped the dead life, applied to the vCPU that was in it.
 */
#ifndef ARCH_FOUND_H
#define ARCH_FOUND_H

#include "arch/riscv64/hart.h"

/*
 * Completes the record of the vCPU that hart->record names: a guest that exited without a hypervisor has its TRAP
 * registers in `found`; so have those of a trap entry that did not end. Then saves its SWITCH and LAZY registers, which are
 * still in the hart. Returns the vCPU's record index, or NO_VCPU. On the hart itself, before it does anything else.
 */
u64 found_collect(struct hart *hart);

#endif
