/* The guest's ns16550a: output to the VM's console ring, input from the control channel. */
#ifndef CORE_DEVICES_UART_H
#define CORE_DEVICES_UART_H

#include "core/devices/mmio.h"

extern const struct mmio_device uart_device;

/* Puts input into the receive queue, as much as fits; returns how many bytes. Takes dev_lock. `t`: of the calling hart. */
size_t uart_input(struct vm *vm, struct txn *t, const void *bytes, size_t count);

/* Reset values. VM stopped. */
void uart_reset(struct vm *vm);

/* True if an heir may go on with these words. */
bool uart_valid(const struct vm *vm);

/* For an heir, before the VM runs: makes the interrupt line agree with the registers. Takes dev_lock. */
void uart_resume(struct vm *vm);

#endif
