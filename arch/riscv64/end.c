/* The end of a life, and of the machine. */
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/hart.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/recorder/recorder.h"
#include "core/survive/life.h"
#include "drivers/ns16550.h"

void arch_serial_write(const char *text, size_t bytes)
{
	serial_write(text, bytes);
}

void arch_life_end(enum life_cause cause, const char *text)
{
	if (recorder_is_last())
		recorder_dying(text ? text : life_cause_text(cause));
	/*
	 * Whether there is a warden we may not know: not yet, in an heir that has not read its estate, or wrongly, since what we
	 * know is volatile. Firmware without one refuses.
	 */
	warden_call(WARDEN_CRASH, cause, (u64)(uintptr_t)text, text ? strlen(text) : 0, 0);
	/* It does not return, unless it finds fault with the text. */
	warden_call(WARDEN_CRASH, cause, 0, 0, 0);
	/* Nobody to call, or it would not: the policy that needs no heir. */
	log_last_words();
	log_line("no warden: this life ends without an heir");
	arch_machine_off(estate.machine.crash_policy != CRASH_HALT);
}

void arch_machine_off(bool reset)
{
	sbi_call(SBI_EXT_SRST, 0, reset ? 1 : 0, 0, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}
