/* A vCPU's registers as its guest calls them: what a dump of a VM says of them. */
#ifndef CORE_DUMP_GUEST_REGISTERS_H
#define CORE_DUMP_GUEST_REGISTERS_H

#include "abi/control.h"
#include "core/vcpu/vcpu.h"

/* Fills *to from the record of a vCPU that is off every hart; `now`: ticks of the host. */
void guest_registers(const struct vcpu *v, u64 now, struct ctl_dump_vcpu *to);

#endif
