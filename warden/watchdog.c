#include "warden/watchdog.h"

#include <sbi/riscv_asm.h>
#include <sbi/sbi_error.h>
#include <sbi/sbi_hart.h>
#include <sbi/sbi_ipi.h>
#include <sbi/sbi_timer.h>
#include <sbi/sbi_unpriv.h>

#include "warden/found.h"
#include "warden/life.h"
#include "warden/pristine.h"

#define INSTRUCTION_WFI 0x10500073

/*
 * A hang is a period's ticks without a beat, and one more, since the first says nothing. Many short ticks rather than
 * one long: on an emulator the clock goes on while the hart's thread waits for a processor, but each tick that it takes
 * means that it ran, and had a moment for itself afterwards (see had_time). A starved hart collects few of them.
 */
#define TICKS_PER_PERIOD 10
#define MISSES		 (TICKS_PER_PERIOD + 1)

/* How far behind stvec a trap counts as one inside the trap entry. */
#define TRAP_ENTRY_SIZE 1024

/* OpenSBI's handler of M-mode's timer interrupt, and its name under the linker's --wrap. */
void __real_sbi_timer_process(void);
void __wrap_sbi_timer_process(void);

static volatile u64 period; /* ticks; 0: off */
static bool works;
static u32 arm_event;

static bool has_sstc(void)
{
	return sbi_hart_has_extension(sbi_scratch_thishart_ptr(), SBI_HART_EXT_SSTC);
}

void watchdog_disarm(void)
{
	if (!works)
		return;
	sbi_timer_get_device()->timer_event_stop();
	csr_clear(CSR_MIE, MIP_MTIP);
}

void watchdog_arm(struct hart *h)
{
	u64 next = h->deadline;

	if (!works)
		return;
	if (period)
		next = MIN(next, sbi_timer_value() + period / TICKS_PER_PERIOD);
	if (next == ~0ul) {
		watchdog_disarm();
		return;
	}
	sbi_timer_get_device()->timer_event_start(next);
	csr_set(CSR_MIE, MIP_MTIP);
}

void watchdog_retire(void)
{
	watchdog_disarm();
	period = 0;
	works = false;
}

/* Only while a life is ending: without Sstc the timer was its timer. */
void watchdog_doze(u64 time)
{
	const struct sbi_timer_device *timer = sbi_timer_get_device();

	if (!timer->timer_event_start)
		return;
	timer->timer_event_start(time);
	csr_set(CSR_MIE, MIP_MTIP);
	wfi();
	csr_clear(CSR_MIE, MIP_MTIP);
}

static bool waits_in_wfi(const struct sbi_trap_regs *regs)
{
	struct sbi_trap_info trap = { 0 };
	unsigned long instruction = sbi_get_insn(regs->mepc - 4, &trap);

	return !trap.cause && instruction == INSTRUCTION_WFI;
}

/*
 * A hart that says it is idle is believed only at its wfi, so that a stray write to `idle` does not blind the watchdog.
 * (A tick ends the wfi, too.)
 */
static bool shows_life(struct hart *h, const struct sbi_trap_regs *regs)
{
	volatile struct hart_record *record = found_record(h);
	u64 beat;

	if (!record || sbi_regs_from_virt(regs)) {
		h->misses = 0;
		return true;
	}
	beat = record->beat;
	if (beat != h->beat || (record->idle && waits_in_wfi(regs)))
		h->misses = 0;
	else
		h->misses++;
	h->beat = beat;
	return h->misses < MISSES;
}

/* A hart whose last trap came from its trap entry, where it also is now, does nothing but trap. */
static enum life_cause kind_of_hang(const struct sbi_trap_regs *regs)
{
	const u64 entry = csr_read(CSR_STVEC) & ~3ul, scause = csr_read(CSR_SCAUSE);

	if (!(scause >> 63) && csr_read(CSR_SEPC) - entry < TRAP_ENTRY_SIZE &&
	    regs->mepc - entry < TRAP_ENTRY_SIZE)
		return LIFE_TRAP_LOOP;
	return LIFE_HANG;
}

/*
 * A tick that comes soon after the last one has left does not count: an emulator or a host of many machines may have
 * stopped the hart inside the firmware, with the next tick due before its first instruction back in HS-mode.
 */
static void tick(struct hart *h, struct sbi_trap_regs *regs)
{
	const u64 now = sbi_timer_value();
	const bool had_time = now - h->left >= period / TICKS_PER_PERIOD / 2;

	if (h->where != HART_LIFE || h->life != life.number) {
		watchdog_disarm();
		return;
	}
	if (life.ready)
		h->deadline = ~0ul;
	if (now >= h->deadline) {
		life_end(LIFE_ADOPTION, 0, 0, regs);
		return;
	}
	if (period && had_time && !shows_life(h, regs)) {
		life_end(kind_of_hang(regs), 0, 0, regs);
		return;
	}
	pristine_check_a_slice(now);
	watchdog_arm(h);
	h->left = sbi_timer_value();
}

void __wrap_sbi_timer_process(void)
{
	if (works)
		tick(hart_this(), &sbi_trap_get_context(sbi_scratch_thishart_ptr())->regs);
	else
		__real_sbi_timer_process();
}

/* On each hart, after the period has changed. */
static void process(struct sbi_scratch *scratch)
{
	struct hart *h = hart_this();

	(void)scratch;
	if (h->where == HART_LIFE) {
		h->misses = 0;
		watchdog_arm(h);
	}
}

static struct sbi_ipi_event_ops arm_ops = {
	.name = "OUTLIVE_WATCHDOG",
	.process = process,
};

int watchdog_init(void)
{
	const struct sbi_timer_device *timer = sbi_timer_get_device();
	int rc = sbi_ipi_event_create(&arm_ops);

	if (rc < 0)
		return rc;
	arm_event = (u32)rc;
	works = has_sstc() && timer && timer->timer_event_start && timer->timer_event_stop;
	return 0;
}

void watchdog_set_period(u64 ticks)
{
	period = ticks;
}

int watchdog_start(u64 period_ms)
{
	if (!works)
		return SBI_ENOTSUPP;
	if (period_ms > WATCHDOG_MAX_MS)
		return SBI_EINVAL;
	watchdog_set_period(sbi_timer_get_device()->timer_freq / 1000 * period_ms);
	return sbi_ipi_send_many(0, -1UL, arm_event, NULL);
}
