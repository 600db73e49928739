/*
 * The warden's reading of rings (warden/private/rings.c) for the VMs of a fake machine: tests of devices run with VMs
 * whose rings the hypervisor may not look at.
 */
#ifndef TESTS_LIB_RINGS_H
#define TESTS_LIB_RINGS_H

#include "abi/private.h"
#include "core/vm/vm.h"

/* The VMs that a warden can know: those with the lowest indexes. */
#define RINGS_VMS 4

/* A warden that knows this VM, by its index, whose devices have been reset. */
void rings_host_start(struct vm *vm);

/* For host->on_private. A life may end before and after a call, as at a store to the estate. */
int rings_host_call(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value);

/* The guest stores to a device: the warden sees it first. */
void rings_host_store(unsigned vm, u64 at, unsigned bytes, u64 value);

/* The page of every guest's RAM at `page` has no leaf until the next rings_host_fault. 0: none. */
void rings_host_lose(u64 page);

/* In place of private_fault: 0, or -EFAULT if it was not missing. */
int rings_host_fault(u64 page);

#endif
