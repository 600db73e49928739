/*
 * The last step of devirtualisation: this life ends, and the root VM's supervisor goes on in HS-mode with the machine to
 * itself. And the exception that makes it want to.
 */
#ifndef ARCH_NATIVE_H
#define ARCH_NATIVE_H

#include "arch/riscv64/hart.h"

/*
 * From the exit of the root VM's boot vCPU, which is the only one of the host that runs (core/root/takeover.h): gives it the
 * machine. Does not return then. An error has changed nothing: -EIO, and the log says why. What fails behind the point of
 * no return resets the machine. Takes up to NATIVE_PATIENCE_MS.
 */
int native_devirtualise(struct hart *hart, struct vcpu *v);

/* From the top of the hart's loop, if `hart->leave` is set: the hart goes back to the firmware, stopped. */
void native_leave(struct hart *hart);

/*
 * v->strike is set: the current vCPU takes an exception as if its kernel had run into it, wherever that is: a kernel like Linux
 * gives up then, and starts its crash kernel if it has one. Not at the beginning of its trap handler, where a kernel
 * cannot bear another trap: the vCPU goes on first. Returns when to try again (ticks); ~0: it is done.
 */
u64 native_strike(struct hart *hart, struct vcpu *v);

#endif
