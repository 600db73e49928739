/*
 * Ends this life on request, the way a fault would: for `outlive crash inject` and for tests of recovery.
 */
#ifndef CORE_SURVIVE_INJECT_H
#define CORE_SURVIVE_INJECT_H

#include "abi/control.h"

/* True if `kind` is one that inject_crash knows. */
bool inject_known(u32 kind);

/*
 * Really does it: nothing is tidied up before. Never returns; a fault that the machine lets pass (a wild address that turns
 * out to be mapped) ends in a panic that says so. `kind` is known. Any context.
 */
_Noreturn void inject_crash(enum ctl_crash kind);

#endif
