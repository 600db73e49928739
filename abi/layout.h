/*
 * Where things lie in the host's RAM.  Warden and hypervisor compute the same addresses from the start of RAM,
 * so that a life needs no argument to find its estate.
 *
 *   base + 0     warden (OpenSBI and our extension, closed by PMP)
 *   base + 2M    slot A: one life whole (image, heap, tables, stacks)
 *   base + 10M   slot B: the other life
 *   base + 18M   estate (its size stands in its header)
 *   behind it    guest RAM and the boot pack, in 2 MiB blocks
 */
#ifndef ABI_LAYOUT_H
#define ABI_LAYOUT_H

#include "abi/types.h"

#define LAYOUT_WARDEN_SIZE    MIB(2)
#define LAYOUT_SLOT_SIZE      MIB(8)
#define LAYOUT_SLOTS	      2
#define LAYOUT_SLOT_OFFSET(n) (LAYOUT_WARDEN_SIZE + (u64)(n)*LAYOUT_SLOT_SIZE)
#define LAYOUT_ESTATE_OFFSET  LAYOUT_SLOT_OFFSET(LAYOUT_SLOTS)

/* Where the machine's loader leaves a seed for the warden's key: a page (struct private_seed, abi/private.h). */
#define LAYOUT_SEED_OFFSET (LAYOUT_WARDEN_SIZE - PAGE_SIZE)

/* Least RAM that a host needs before any guest: what stands above, an estate, and room for the boot pack. */
#define LAYOUT_MIN_RAM MIB(64)

/* Harts that one life can use.  Bounds every per-hart table. */
#define MAX_HARTS 64

#endif
