/*
 * Stopping a life: every hart that it has is interrupted in M-mode, which HS-mode cannot mask, and held or left to its
 * guest.
 */
#ifndef WARDEN_STOP_H
#define WARDEN_STOP_H

#include "warden/hart.h"

/* Creates the event by which harts are interrupted. Boot hart. */
int stop_init(void);

/*
 * The hart that calls, inside the trap of `regs`, is written to its record and counts as held from here on; the caller
 * sees to it that it gets to hart_hold.
 */
void stop_this(struct hart *h, const struct sbi_trap_regs *regs);

/*
 * Stops all harts of the life that has ended but the one that calls, and returns when each is held, off, or in a guest
 * that goes on; or after the time limit, with those that did not answer marked so. Guests whose G-stage tables are in
 * one of the slots of `doomed` (bit n: slot n) are interrupted and held as well; false if one of those did not answer,
 * so that its slot must not be written.
 */
bool stop_life(struct hart *me, u32 doomed);

/* Interrupts a hart that has been given an order, or has to come in, out of its guest or out of its wait. */
void stop_kick(struct hart *h);

#endif
