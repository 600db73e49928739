/*
 * What the fake machine inlines, for the exit handlers. hart.c defines some of it as a function, which it does under another
 * name here (mk/tests.mk) and nobody calls.
 */
#ifndef EXITS_INLINE_H
#define EXITS_INLINE_H

#include "arch/host/include/arch/inline.h"
#ifdef EXITS_RENAMED
#define arch_doze hart_doze
void hart_doze(void);
#endif

#endif
