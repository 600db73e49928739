/* struct hart of the fake harts, found before the real file: tp is the calling thread's hart number. */
#ifndef EXITS_HART_H
#define EXITS_HART_H

#define this_hart real_this_hart
/* A path that only the root of the repository has. */
#include "arch/host/../riscv64/hart.h"
#undef this_hart

#include "core/arch.h"

static inline struct hart *this_hart(void)
{
	return &harts[arch_hart()];
}

#endif
