/* The machine's PLIC: which hart hears of which device, claim and completion. */
#ifndef DRIVERS_PLIC_H
#define DRIVERS_PLIC_H

#include "abi/types.h"

/*
 * Closes all sources for all harts of the machine record, and completes what a dead life may have claimed: a source
 * that is claimed and never completed would not be heard of again. From then on the calling hart receives interrupts.
 */
void host_plic_init(void);

/* Everything closed and completed, and the thresholds 0: for whoever gets the machine next. */
void host_plic_release(void);

/* Opens a source for the hart that called host_plic_init. Only while a life starts. */
void host_plic_enable(unsigned irq);

/* Closes it. Any hart, any time. */
void host_plic_disable(unsigned irq);

/*
 * For a hart that was interrupted (supervisor external): claims what is pending, lets drivers_interrupt quiet the device and
 * mark its work, completes. Bounded. `hart` is the index of the calling hart.
 */
void host_plic_handle(unsigned hart);

#endif
