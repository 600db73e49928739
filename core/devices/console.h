/*
 * A VM's console output: UART, SBI debug console and virtio-console write into one ring in the estate, the control
 * channel takes it from there. When the ring is full the oldest bytes that nobody has fetched are lost, and counted.
 */
#ifndef CORE_DEVICES_CONSOLE_H
#define CORE_DEVICES_CONSOLE_H

#include "core/vm/vm.h"

/* Bytes that one transaction can put into the ring. */
#define CONSOLE_STAGE_MAX KIB(4)

/*
 * Puts bytes behind the ring's head and stages the new head, so that they count when the transaction does. Several calls
 * in one transaction add up. Returns how many were taken: all, unless the transaction would get CONSOLE_STAGE_MAX with
 * them. dev_lock held.
 */
size_t console_stage(struct vm *vm, struct txn *t, const void *bytes, size_t count);

/*
 * Copies output from *offset on (raised to the oldest byte there: what it is raised by is lost) without consuming it;
 * returns the number of bytes. Takes dev_lock.
 */
size_t console_peek(struct vm *vm, u64 *offset, void *to, size_t size);

/* The receiver has everything below `offset`. Takes dev_lock. */
void console_sent(struct vm *vm, u64 offset);

#endif
