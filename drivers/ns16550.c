/* Polled output to an ns16550a. The firmware has set its line; we leave that as it is. */
#include "drivers/ns16550.h"
#include "core/estate/estate.h"
#include "drivers/io.h"

/* Registers, in units of 1 << uart_shift bytes (PC16550D data sheet, table II). */
#define UART_THR      0
#define UART_LSR      5
#define UART_LSR_THRE 0x20u

/* Reads of the line status before a byte is given up: a UART that is stuck must not turn a panic into a hang. */
#define UART_PATIENCE 200000u

static void put(u64 base, u32 shift, char c)
{
	u32 patience = UART_PATIENCE;

	while (!(io_read8(base + ((u64)UART_LSR << shift)) & UART_LSR_THRE))
		if (!--patience)
			return;
	io_write8(base + ((u64)UART_THR << shift), (u8)c);
}

void serial_write(const char *text, size_t bytes)
{
	u64 base = estate.machine.uart.base;
	u32 shift = estate.machine.uart_shift & 7;

	if (!base)
		return;
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\n')
			put(base, shift, '\r');
		put(base, shift, text[i]);
	}
}
