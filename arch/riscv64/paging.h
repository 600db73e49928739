/*
 * The hypervisor's own address space: Sv39, VA = PA for what it may touch, nothing else.
 *
 * Mapped are: this life's image (text RX, rodata R, data RW), stacks (each over a guard page), heap, the estate, device
 * registers, and the boot pack (R). Not mapped: guest RAM, the other slot, the warden. Guest RAM shows up, a page or a
 * block at a time, in each hart's window. The tables themselves are read-only, but for those of the windows; what else is
 * constant once the life has begun becomes so by paging_seal.
 */
#ifndef ARCH_PAGING_H
#define ARCH_PAGING_H

#include "abi/types.h"

/* Builds the tables from the estate's machine record. Once a life, before any other hart runs. Ends the life if it cannot. */
void paging_build(void);

/* Loads them into the calling hart. */
void paging_load(void);

/* Takes away, or gives back, the right to write to mapped pages. Only while no hart translates with these tables. */
void paging_set_writable(u64 from, u64 bytes, bool writable);

/* Calls f(table, its bytes) for each table, but for those of the windows, which change all the time. */
void paging_each_table(void (*f)(const void *table, u64 bytes));

/*
 * Takes away the right to write to what is constant from now on (seal.c). The VMs exist, no other hart of this life runs yet.
 */
void paging_seal(void);

#endif
