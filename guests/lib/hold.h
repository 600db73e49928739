/* Registers held over something: see hold.S, which knows the offsets. */
#ifndef GUESTS_LIB_HOLD_H
#define GUESTS_LIB_HOLD_H

#include "abi/types.h"

struct held {
	u64 x[32]; /* to be held; x[0] is ignored */
	u64 f[32];
	u64 x_after[32]; /* but for the one that the function needs for itself */
	u64 f_after[32];
	u64 stack; /* the function's own */
	u64 fcsr, fcsr_after;
};

_Static_assert(offsetof(struct held, f) == 256 && offsetof(struct held, x_after) == 512 &&
		       offsetof(struct held, f_after) == 768 && offsetof(struct held, stack) == 1024 &&
		       offsetof(struct held, fcsr) == 1032 && offsetof(struct held, fcsr_after) == 1040,
	       "hold.S");

/*
 * Load all x and f registers, do something, store them. hold_loop counts x[31] down to 0, without an exit; hold_call makes
 * an SBI call, which is what x has in a0 to a7, and uses t0; hold_wait sleeps until an interrupt, and uses t1.
 */
void hold_loop(struct held *h);
void hold_call(struct held *h);
void hold_wait(struct held *h);

/* 32 vector registers at `to` after `turns` of a loop; before it they are those at `from`. vl of bytes, without LMUL. */
void hold_vectors(const void *from, void *to, u64 turns);

/* Four CSRs that belong to S-mode, the same way, with interrupts off: sscratch, sepc, scause, stval. */
void hold_csrs(const u64 from[4], u64 to[4], u64 turns);

#endif
