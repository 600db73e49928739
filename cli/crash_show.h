/* One life, as `outlive crash show` and `outlive crash inject` print it. */
#ifndef CLI_CRASH_SHOW_H
#define CLI_CRASH_SHOW_H

#include "abi/control.h"

/* What the history has of it. */
void crash_print_life(const struct ctl_life *life, u64 timebase);

#endif
