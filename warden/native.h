/*
 * The end of all lives: the machine is given, bare, to the supervisor of the root VM (WARDEN_DEVIRTUALISE).
 */
#ifndef WARDEN_NATIVE_H
#define WARDEN_NATIVE_H

#include <sbi/sbi_trap.h>

#include "warden/contract.h"

/* Not an SBI error: the trap's registers are those of the supervisor that goes on. */
#define NATIVE_ENTERED 1

/*
 * `address` of a struct warden_native in the caller's slot. NATIVE_ENTERED: the return from the trap goes on there, and
 * the warden is a plain OpenSBI. SBI_OK with `only_check`: it would. SBI error: nothing has changed.
 */
int native_enter(u64 address, u64 only_check, struct sbi_trap_regs *regs);

#endif
