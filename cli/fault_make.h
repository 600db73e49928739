/* Makes the fault of a plan in a machine that stands still. */
#ifndef CLI_FAULT_MAKE_H
#define CLI_FAULT_MAKE_H

#include "cli/fault_machine.h"

#define FAULT_NO_HART FAULT_HARTS_MAX

/*
 * Makes it, and says in the result what was done: `fault`, `hart`, `place`, `symbol`, `address`, `bit`. The machine has been
 * looked at. `at`: the hart that has come to the place of the fault, FAULT_NO_HART if it is for one of those in the hypervisor.
 *
 * 1: done. 0: there is nothing of the kind now (no hart is in the hypervisor, or where it is it has nothing that is its own).
 * A negative errno of the stub's.
 */
int fault_make(struct fault_machine *m, const struct fault *f, u32 at, struct campaign_result *result);

#endif
