/*
 * A guest that writes lines to the host's black box, with the call of abi/guest.h.
 *
 * Command line: lines=N and gap=US (microseconds between lines) write N of them, "steady 0", "steady 1"...; flood=S writes
 * as fast as it can for S seconds. It prints "PMSG done: N taken, M refused", or "PMSG error E", and then waits.
 */
#include "abi/guest.h"
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/hart.h"
#include "guests/lib/sbi.h"

static u64 taken, refused;
static s64 error;

static bool write_line(const char *text)
{
	struct sbi_result r = sbi(GUEST_EXT, GUEST_PMSG_WRITE, strlen(text), (u64)(uintptr_t)text, 0, 0, 0);

	if (r.error)
		error = r.error;
	else if (r.value)
		taken++;
	else
		refused++;
	return !r.error && r.value;
}

static u64 now(void)
{
	u64 time;

	__asm__ volatile("csrr %0, time" : "=r"(time));
	return time;
}

static void wait_us(u64 us)
{
	u64 end = now() + us * guest_timebase / 1000000;

	while (now() < end)
		;
}

void guest_main(void)
{
	u64 lines = guest_option("lines", 0), gap = guest_option("gap", 0);
	u64 end = now() + guest_option("flood", 0) * guest_timebase;
	char text[64];

	for (u64 n = 0; now() < end && !error; n++) {
		format(text, sizeof(text), "flood %lu\n", (unsigned long)n);
		write_line(text);
	}
	for (u64 n = 0; n < lines && !error; n++) {
		format(text, sizeof(text), "steady %lu\n", (unsigned long)n);
		while (!write_line(text) && !error)
			wait_us(1000);
		wait_us(gap);
	}
	if (error)
		print("PMSG error %ld\n", (long)error);
	print("PMSG done: %lu taken, %lu refused\n", (unsigned long)taken, (unsigned long)refused);
	for (;;)
		wait_us(1000000);
}
