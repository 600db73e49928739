/*
 * What must not change while a life lasts is looked at all the time: the image up to its data, and the hypervisor's own
 * page tables, by check words; translations of guests' RAM, by what backs it. A piece of it in each round of the hart loop, more
 * when a hart has nothing else to do. What differs ends the life: the heir has its own image, and makes its own tables.
 *
 * Before a guest is told of an error, all of it is compared: the error may be one of this life's.
 */
#ifndef CORE_SURVIVE_SCRUB_H
#define CORE_SURVIVE_SCRUB_H

#include "abi/types.h"

struct vm;

/* Bytes that are compared at a time. */
#define SCRUB_PIECE 512u

/*
 * [from, from + bytes), multiples of SCRUB_PIECE, stays as it is when scrub_begin is called. At most SCRUB_REGIONS; one
 * more is left out. Before the life's other harts come.
 */
#define SCRUB_REGIONS 48u
void scrub_add(const void *from, u64 bytes);

/* From now on it is looked at. Without memory for the check words nothing is. */
void scrub_begin(void);

/*
 * Compares the next `count` pieces, some 150 instructions each, and a few translations of `vm`, unless NULL, and of the
 * VMs in turns, because one whose guest makes no exit is looked at by none of its harts. Any hart.
 */
void scrub_some(unsigned hart, unsigned count, const struct vm *vm);

/*
 * A guest of `vm` is about to be told of an error, or stopped for one. Compares everything, unless that was done a moment ago:
 * a guest can make errors all the time. Some 100,000 instructions.
 */
void scrub_doubt(const struct vm *vm);

/*
 * Compares all translations of the VM's RAM. True if they lead to what backs it; false if one leads to nothing. Ends the life if one
 * leads to other RAM, and leaves word to the heir that the VM is not to go on.
 */
bool scrub_translations(const struct vm *vm);

/* Ends the life with this text, because the tables of the VM are not what they must be at `at`. */
#define SCRUB_TABLES_CONTRADICT "tables contradict the memory"
_Noreturn void scrub_tables_contradict(const struct vm *vm, u64 at);

#endif
