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
 * The current vCPU takes an exception as if its kernel had run into it, wherever it is: a kernel like Linux gives up then,
 * and starts its crash kernel if it has one.
 */
void native_strike(struct hart *hart, struct vcpu *v);

#endif
