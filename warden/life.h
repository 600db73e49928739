/*
 * Lives: what the warden knows of the present one, and what it does when it ends.
 */
#ifndef WARDEN_LIFE_H
#define WARDEN_LIFE_H

#include <sbi/riscv_locks.h>

#include "warden/contract.h"
#include "warden/hart.h"

enum life_phase {
	LIFE_IS_OFF = 0,
	LIFE_IS_ON = 1,
	LIFE_IS_ENDING = 2, /* one hart, the executor, stops the others and starts the heir */
	LIFE_IS_OVER = 3,   /* the policy was to halt */
	LIFE_IS_NATIVE = 4, /* the machine was given away (native.h): there are no lives any more */
};

/*
 * `lock` guards phase, number and harts' orders against each other; the rest is written by the executor while the life
 * is ending, or by a call of the life itself (each word for itself).
 */
struct life {
	spinlock_t lock;
	volatile u32 phase; /* enum life_phase */
	volatile u64
		number; /* of the present life since power-on; goes up when its predecessor's end is declared */
	u32 slot;	/* the present life's; while one is ending, the dead one's */
	u64 base;	/* of RAM */
	u64 estate;
	volatile bool trial; /* it runs from an image that it was updated to, which is not in force yet */
	volatile bool ready; /* it has reported for duty; what follows is what it asked for */
	u64 entry;	     /* where collected harts go */
	u64 limit;	     /* crashes within `window` seconds that are recovered */
	u64 window;
	u32 policy; /* enum crash_policy, for those that are not */
};

extern struct life life;

/* The boot hart is about to start the first life in slot A. */
void life_init(u64 base);

/* Host physical address of a slot. */
u64 life_slot_address(u32 slot);

/* How long an heir may take to report for duty, in ticks. */
u64 life_heir_patience(void);

/*
 * Ends the life that the calling hart is in, and starts its heir. Who comes second joins: his hart is found and held.
 * `regs` is the trap that the hart is in; when this returns they are rewritten for whatever the hart does next.
 * `text` is a physical address of `text_size` readable bytes, at most what warden_record holds; 0: none.
 */
void life_end(enum life_cause cause, u64 text, u64 text_size, struct sbi_trap_regs *regs);

/*
 * The same for an update: the heir is started from the spare image (pristine.h), which is sealed. `begun`: ticks at which
 * the life began to come to rest.
 */
void life_update(u64 begun, struct sbi_trap_regs *regs);

/* WARDEN_READY: the life reports for duty. SBI error. */
int life_report_ready(u64 entry, u64 limit, u64 window, u64 policy);

/* WARDEN_COLLECT: sends the hart to the life's entry. SBI error. */
int life_collect(u64 hart_id, u64 opaque);

#endif
