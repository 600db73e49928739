/* The machine's clock: goldfish RTC, as QEMU's virt has it (its documentation: "Goldfish RTC", registers). */
#include "core/devices/backend.h"
#include "core/estate/estate.h"
#include "drivers/io.h"

/* Nanoseconds since 1970; reading the low half latches the high one. */
#define TIME_LOW  0x00
#define TIME_HIGH 0x04

u64 clock_read(void)
{
	u64 base = estate.machine.rtc.base;
	u64 low;

	if (!base)
		return 0;
	low = io_read32(base + TIME_LOW);
	return (u64)io_read32(base + TIME_HIGH) << 32 | low;
}
