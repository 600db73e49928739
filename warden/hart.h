/*
 * The warden's view of a hart: where it is, how it is held in M-mode, and how it is sent on.
 */
#ifndef WARDEN_HART_H
#define WARDEN_HART_H

#include <sbi/sbi_trap.h>

#include "warden/contract.h"

enum hart_where {
	HART_OUT = 0,	/* stopped by HSM, or on its way through the firmware's start and stop */
	HART_LIFE = 1,	/* has been given to a life */
	HART_GUEST = 2, /* in a guest that goes on without a hypervisor */
	HART_HELD = 3,	/* in M-mode, waits for an order */
};

/* Where a held hart goes. */
struct hart_order {
	u64 life; /* number of the life that gets the hart; 0: no order */
	u64 entry;
	u64 argument; /* a1 */
	bool heir;    /* it is the first hart of an heir, which has a deadline to report for duty */
};

/*
 * `where` and `life` are written by the hart itself, read by all. `order` belongs to who holds life.lock. The rest is
 * the hart's own, except `come_in`.
 */
struct hart {
	u32 index; /* OpenSBI's */
	u32 id;
	volatile u32 where;    /* enum hart_where */
	volatile u64 life;     /* the last life that had it */
	u32 guest_slot;	       /* HART_GUEST: the slot that has the guest's G-stage tables */
	volatile bool come_in; /* HART_GUEST: has to be interrupted and held */
	struct hart_order order;
	unsigned long hie; /* while it is held */
	/* watchdog.c */
	u64 deadline; /* by when the heir that began here must have reported for duty; ~0: none */
	u64 beat;
	u64 left; /* when the last tick was done */
	u32 misses;
};

/* Makes the table. Boot hart. */
void hart_init(void);

/* Harts of the machine, and the one with an OpenSBI index below that. */
u32 hart_count(void);
struct hart *hart_at(u32 index);

/* The hart that calls. */
struct hart *hart_this(void);

/* The hart with this id, or NULL if there is none that an Outlive could use. */
struct hart *hart_with_id(u64 id);

/*
 * Holds the calling hart until there is an order, then rewrites `regs` so that the return from the trap enters HS-mode
 * there: a0 = hart id, a1 = argument, everything else that belongs to HS-mode clean. What belongs to the hart's last
 * guest stays: VS CSRs, hvip, the VS bits of hie (vsie is an alias of them), htimedelta, floating point and vector
 * registers; so do hideleg and hedeleg.
 */
void hart_hold(struct hart *h, struct sbi_trap_regs *regs);

/* Takes what is pending of M-mode's interrupts between harts: a hart that waits in M-mode must do so. */
void hart_poll(void);

/* Lets M-mode reach HS-mode's memory under Smepmp until hart_close; without it, these do nothing. */
bool hart_open(u64 address, u64 size);
void hart_close(void);

#endif
