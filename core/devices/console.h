/*
 * A VM's console output: UART, SBI debug console and virtio-console write into one ring in the estate, the control
 * channel takes it from there. When the ring is full the oldest bytes that nobody has fetched are lost, and counted.
 */
#ifndef CORE_DEVICES_CONSOLE_H
#define CORE_DEVICES_CONSOLE_H

#include "core/vm/vm.h"

/*
 * Puts bytes behind the ring's head and stages the new head, so that they count when the transaction does.
 * dev_lock held. At most CONSOLE_DATA_SIZE / 2 bytes at a time; several calls in one transaction add up.
 */
void console_stage(struct vm *vm, struct txn *t, const void *bytes, size_t count);

/* Copies output from *offset on (raised to the oldest byte there) without consuming it; returns the number of bytes. */
size_t console_peek(struct vm *vm, u64 *offset, void *to, size_t size);

/* The receiver has everything below `offset`. Takes dev_lock. */
void console_sent(struct vm *vm, u64 offset);

#endif
