/* Harts of a guest, and traps. */
#ifndef GUESTS_LIB_HART_H
#define GUESTS_LIB_HART_H

#include "abi/types.h"

#define GUEST_HARTS_MAX	 64
#define GUEST_STACK_SIZE 16384

/* One of this guest's harts; tp points to it. The first three words are known to start.S. */
struct hart {
	u64 id;
	u64 stack; /* its end */
	u64 guard; /* stack pointer to return to from an exception, 0: none is expected */
	void (*run)(void *);
	void *argument;
	u64 interrupts; /* that it has taken */
	u64 exceptions;
};

/* The boot hart is the first of them. */
extern struct hart harts[GUEST_HARTS_MAX];

static inline struct hart *hart_self(void)
{
	register struct hart *tp __asm__("tp");
	struct hart *self;

	__asm__ volatile("mv %0, %1" : "=r"(self) : "r"(tp));
	return self;
}

/*
 * Finds this guest's harts by asking SBI HSM for ids from 0 on and returns how many there are; harts[] then has their
 * ids, the calling one's first.
 */
unsigned hart_find(void);

/* Starts harts[n] in run(argument), on its own stack; when that returns the hart stops. False: SBI refused. */
bool hart_start(unsigned n, void (*run)(void *), void *argument);

/* True if the hart is stopped, by SBI's word. */
bool hart_stopped(unsigned n);

/* Where a hart begins, for those who call SBI themselves (start.S). */
extern char hart_entry[];

/* ---- Traps ---- */

struct trap {
	u64 x[32]; /* x[0] unused, x[2] is the stack pointer before the trap */
	u64 pc;
	u64 reserved;
};

_Static_assert(sizeof(struct trap) == 272, "start.S knows the size of the frame");

/*
 * What a guest does about interrupts: `cause` without its top bit. True ends the guarded call that is under way, as an
 * exception does. The default switches the interrupt off in sie.
 */
extern bool (*trap_interrupt)(u64 cause);

/* Called for an exception that no guard expects; default: says what it was and powers off. */
extern void (*trap_exception)(struct trap *t, u64 cause, u64 value);

/* Calls f(argument); returns the cause of the trap that ended it, or ~0. Not within another. */
u64 guard(void (*f)(u64), u64 argument);

#endif
