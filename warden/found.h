/*
 * What the warden writes into the estate about a hart: `found` of its hart record (abi/estate.h).
 *
 * All but found_nothing and found_no_show are called on the hart itself, inside the trap that `regs` belongs to.
 */
#ifndef WARDEN_FOUND_H
#define WARDEN_FOUND_H

#include "warden/hart.h"

/* The hart's record, or NULL if the estate has none for it. */
volatile struct hart_record *found_record(const struct hart *h);

/*
 * The hart was in HS-mode. If the heir has not yet taken over what the last stop found here, that stays: it may be
 * all there is of a guest's registers. Returns false then.
 */
bool found_hs(struct hart *h, const struct sbi_trap_regs *regs);

/* The hart is in a guest and is left there; x and the trap CSRs come with the exit. */
void found_guest(struct hart *h);

/* The guest has exited to the parking stub, whose ecall this is. */
void found_parked(struct hart *h, const struct sbi_trap_regs *regs);

/* The guest was interrupted: as if it had exited, with cause WARDEN_EXIT_NONE. */
void found_interrupted(struct hart *h, const struct sbi_trap_regs *regs);

/* The life did not have this hart. */
void found_nothing(struct hart *h);

/* The hart did not answer. */
void found_no_show(struct hart *h);

#endif
