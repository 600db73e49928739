/* Names of the numbers that the control channel carries, as people and JSON see them. */
#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include "abi/types.h"

/* "unknown" for a number that this command does not know: the host may be newer. Constant texts. */
const char *name_of_run_state(u64 state);    /* enum vm_run_state */
const char *name_of_stop_reason(u64 reason); /* enum vm_stop_reason; "" for none */
const char *name_of_vcpu_state(u64 state);   /* enum vcpu_state */
const char *name_of_park_reason(u64 reason); /* enum vcpu_park_reason; "" for none */
const char *name_of_vm_kind(u64 flags);	     /* vm_config.flags; "" for an ordinary VM */
const char *name_of_life_cause(u64 cause);   /* enum life_cause */

/* Number of a kind of crash ("wild-write"), enum ctl_crash; -1 if there is none of that name. */
int crash_kind(const char *name);

#endif
