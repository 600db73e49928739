/*
 * Inside a slot: where image, stacks and heap of one life are. Offsets from the slot's start.
 *
 *   0 .. 1M    image: text (RX), rodata (R), data and bss (RW)
 *   1M .. 2M   stacks: 16 KiB a hart, whose lowest page is a guard and never mapped
 *   2M .. 8M   pages for tables and heap objects (RW)
 */
#ifndef ARCH_SLOT_H
#define ARCH_SLOT_H

#include "abi/layout.h"

#define SLOT_IMAGE_MAX	  MIB(1)
#define SLOT_STACKS	  MIB(1)
#define SLOT_STACK_STRIDE KIB(16)
#define SLOT_STACK_GUARD  PAGE_SIZE
#define SLOT_EMERGENCY	  KIB(4) /* the top page of each stack serves traps out of the hypervisor itself */
#define SLOT_HEAP	  MIB(2)

_Static_assert(SLOT_STACKS + MAX_HARTS * SLOT_STACK_STRIDE <= SLOT_HEAP, "stacks fit");

/* The slot that this life runs in. */
u64 slot_base(void);

#endif
