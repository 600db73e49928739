/* The machine's own serial line (ns16550a): output only, for the log and for last words. */
#ifndef DRIVERS_NS16550_H
#define DRIVERS_NS16550_H

#include "abi/types.h"

/*
 * Writes text, polled; a newline becomes carriage return and newline. Silent before the machine record names a UART.
 *
 * For any context, a panic in the middle of another serial_write included: it has no lock and no state. Lines of several
 * harts at once may mix, which the caller prevents (the log has a lock) or accepts (a panic).
 */
void serial_write(const char *text, size_t bytes);

#endif
