/* The firmware of the fake harts, found before the real file. */
#ifndef EXITS_ECALL_H
#define EXITS_ECALL_H

#include "arch/riscv64/sbi.h"

/* tests/exits/exits.c: IPIs reach fake harts, fences are counted, WARDEN_COLLECT brings a hart. */
struct sbi_result sbi_call(u64 extension, u64 function, u64 arg0, u64 arg1, u64 arg2, u64 arg3, u64 arg4);

#endif
