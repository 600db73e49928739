/* What an exit handler does to a guest. Each ends in a transaction or leaves the guest where it was, to try again. */
#ifndef ARCH_GUEST_H
#define ARCH_GUEST_H

#include "arch/riscv64/hart.h"

struct call;

/* An SBI extension that guests have. Functions that it has no number for are SBI_ERR_NOT_SUPPORTED; tests call all others. */
struct guest_extension {
	u64 id;
	u64 functions; /* its function numbers are 0 .. functions-1 */
	void (*handle)(struct call *c);
};

extern const struct guest_extension guest_extensions[];
extern const unsigned guest_extension_count;

/* An ecall from VS-mode: SBI. */
void guest_sbi(struct hart *hart, struct vcpu *v);

/* A guest page fault: RAM that has not been mapped yet, or a device. */
void guest_page_fault(struct hart *hart, struct vcpu *v, u64 cause);

/* Lets the guest take an exception, as if its hart had: cause and value as in scause and stval. */
void guest_inject(struct hart *hart, struct vcpu *v, u64 cause, u64 value);

/* Stops a vCPU that cannot go on, and with it its VM, with the reason recorded. */
void guest_give_up(struct hart *hart, struct vcpu *v, enum vcpu_park_reason reason, const char *text);

#endif
