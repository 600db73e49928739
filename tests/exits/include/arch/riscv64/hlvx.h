/* Fetch from the guest of the fake harts, found before the real file. */
#ifndef EXITS_HLVX_H
#define EXITS_HLVX_H

#include "arch/riscv64/hart.h"

/* tests/exits/exits.c: the guest runs without VS-stage translation; what is no RAM fails. */
u32 hlvx_hu(u64 at, struct hart *hart, bool *failed);
u32 hlvx_wu(u64 at, struct hart *hart, bool *failed);

#endif
