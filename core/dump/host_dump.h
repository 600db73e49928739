/*
 * Vmcores of the host: an heir writes what is left of the life before it to the host's dump region (abi/dump.h), in the
 * background.
 *
 * The work is done in steps, from the hart loop, by one hart at a time: freely by a hart that has nothing else to do, and by
 * the hart that began the life for at most a twentieth of its time if all harts are busy. What the disk does to it, or the
 * region, is a line in the log and nothing more.
 */
#ifndef CORE_DUMP_HOST_DUMP_H
#define CORE_DUMP_HOST_DUMP_H

#include "abi/types.h"

/* Looks whether there is a region and something to write. By the hart that begins the life, when drivers and history are there. */
void host_dump_init(void);

/*
 * Does a step of the work, if it is this hart's turn. `idle`: it has no vCPU to run. True: it may go on at once, else it can
 * wait. With no vCPU's lock held; takes some hundred microseconds.
 */
bool host_dump_work(bool idle);

/* Ticks at which the calling hart should call host_dump_work again; ~0: need not. */
u64 host_dump_next(void);

/* True while there may be something to be written, from a slot that has to stay as it is until then. */
bool host_dump_is_busy(void);

#endif
