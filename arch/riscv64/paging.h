/*
 * The hypervisor's own address space: Sv39, VA = PA for what it may touch, nothing else.
 *
 * Mapped are: this life's image (text RX, rodata R, data RW), stacks (each over a guard page), heap, the estate, device
 * registers, and the boot pack (R). Not mapped: guest RAM, the other slot, the warden. Guest RAM shows up, a page or a
 * block at a time, in each hart's window.
 */
#ifndef ARCH_PAGING_H
#define ARCH_PAGING_H

#include "abi/types.h"

/* Builds the tables from the estate's machine record. Once a life, before any other hart runs. Ends the life if it cannot. */
void paging_build(void);

/* Loads them into the calling hart. */
void paging_load(void);

#endif
