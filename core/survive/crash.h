/*
 * The records of the last crashes in the estate (abi/crash.h): what the warden found in each hart, the tops of the stacks,
 * the end of the log.
 *
 * An heir writes the record of the life before it first of all, because what follows changes its sources: transactions
 * are finished, the found registers are taken over, the log goes on. Harts that were in a guest are found later, when
 * they have exited, and complete their part then.
 */
#ifndef CORE_SURVIVE_CRASH_H
#define CORE_SURVIVE_CRASH_H

#include "abi/crash.h"
#include "abi/estate.h"

/* Where a life has its stacks: `bytes` from `from` on, relative to the slot, in pieces of `stride`. */
struct crash_stacks {
	u64 from;
	u64 bytes;
	u64 stride;
};

/*
 * Writes the record of the life that has ended, behind life_begin and before anything else that an heir does with the
 * estate. Nothing if the history does not know that life, or if it ended on purpose.
 */
void crash_write(const struct crash_stacks *stacks);

/*
 * Hart `n` of the machine has come from the dead life. If it was in a guest at the stop, and has been found since, its
 * registers are now in `h`.
 */
void crash_hart_came(unsigned n, const struct hart_record *h);

/* The record of the end of `life` (0: of the last that has one) and its size in bytes; NULL if there is none. */
const struct crash_record *crash_find(u64 life, size_t *bytes);

#endif
