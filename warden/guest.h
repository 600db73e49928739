/*
 * Guests that go on without a hypervisor.
 *
 * A hart that is inside a guest when a life ends stays there, with its next exit led to a stub: a page of the firmware
 * that HS-mode may execute and nothing else. The stub hands the hart to the warden with the guest's registers intact.
 * The guest's own timer and interrupts go on meanwhile.
 */
#ifndef WARDEN_GUEST_H
#define WARDEN_GUEST_H

#include "warden/hart.h"

/* Prepares the hart for its next exit and marks it as running a guest; the return from the trap goes on with it. */
void guest_run_on(struct hart *h);

/* Physical address of the stub's page, 4 KiB. */
unsigned long guest_stub_page(void);

/* True for the address of the stub's ecall, its only one. */
bool guest_stub_calls_from(unsigned long pc);

#endif
