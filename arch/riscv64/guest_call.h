/*
 * A guest's SBI call while it is handled, between the files that have extensions (guest_sbi.c, guest_ext.c).
 *
 * A handler stages its effects in `t`; result and pc are committed with them.
 */
#ifndef ARCH_GUEST_CALL_H
#define ARCH_GUEST_CALL_H

#include "arch/riscv64/guest.h"
#include "arch/riscv64/sbi.h"

/* The call: arguments in (the registers as the guest left them), result out. */
struct call {
	struct hart *hart;
	struct vcpu *v;
	struct txn *t;
	u64 function;
	const u64 *a; /* a0 .. a5 */
	s64 error;
	u64 value;
	bool no_return; /* the handler has committed, or the call does not return, or it happens again */
};

/* Commits what is staged in `t` together with the result of the call and the pc behind it. */
static inline void guest_call_commit(const struct call *c, struct txn *t)
{
	struct vcpu_record *r = c->v->r;

	txn_set(t, &r->x[10], (u64)c->error);
	txn_set(t, &r->x[11], c->value);
	txn_set(t, &r->pc, r->pc + 4);
	txn_commit(t);
}

/* The extension of abi/guest.h. */
void guest_ext(struct call *c);

#endif
