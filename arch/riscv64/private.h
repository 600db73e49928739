/*
 * Confidential vCPUs on this hart. The warden has their registers and enters them (abi/private.h); the hart's own loop and
 * the handlers of exits are those of all guests.
 *
 * An exit is a transaction here, too: what needs an answer is a question with a number, which the warden asks until it gets
 * the answer. The vCPU's record in the estate says how far the one that waits has come:
 *
 *   pc         4 n while question n has no answer, 4 (n + 1) once it has, so that a handler commits it as it does the
 *              result of an ecall
 *   x[10], [11] the answer, then; before, x[10] to x[17] are the arguments of an SBI call
 *   hvip       VSSI: a software interrupt that the warden has not been told of
 *   vstimecmp  of one that waits: when its timer is due, in ticks of the host
 *
 * A life that ends before the commit has done nothing: its heir has no answer, and is asked the same again. One that ends
 * behind it leaves an answer, which the heir gives. The warden takes none for another question than the one that waits.
 */
#ifndef ARCH_PRIVATE_H
#define ARCH_PRIVATE_H

#include "arch/riscv64/hart.h"
#include "core/vm/vm.h"

/* The number of the first question, and what a record has before it. */
#define PRIVATE_FIRST_PC 4u

static inline bool vcpu_is_private(const struct vcpu *v)
{
	return v->vm && vm_is_confidential(v->vm);
}

/* As vcpu_load and vcpu_unload, which call these: nothing of such a vCPU is in the hart while hypervisor code runs there. */
void private_vcpu_load(struct hart *hart, struct vcpu *v);
void private_vcpu_unload(struct hart *hart);

/* Lets the current vCPU of the hart run, and answers what it asks, until the hart's loop is wanted. */
void private_vcpu_run(struct hart *hart, struct vcpu *v);

/* Does what an exit of the hart's current vCPU asks for; hart->kicked if the loop is wanted. */
void private_exit(struct hart *hart, struct vcpu *v, const struct private_run *run);

#endif
