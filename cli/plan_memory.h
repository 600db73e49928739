/* How much RAM the machine of a plan has, and how much of it confidential VMs: for host_plan.c. */
#ifndef CLI_PLAN_MEMORY_H
#define CLI_PLAN_MEMORY_H

#include "cli/host_plan.h"

/* Sets memory, pack_size and pool of a plan whose VMs and items are known; adds to `d` what does not fit. */
void plan_memory(struct host_plan *plan, struct diagnostics *d);

#endif
