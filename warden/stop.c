#include "warden/stop.h"

#include <sbi/riscv_asm.h>
#include <sbi/riscv_barrier.h>
#include <sbi/sbi_console.h>
#include <sbi/sbi_ecall_interface.h>
#include <sbi/sbi_hsm.h>
#include <sbi/sbi_ipi.h>
#include <sbi/sbi_timer.h>

#include "warden/found.h"
#include "warden/guest.h"
#include "warden/life.h"
#include "warden/watchdog.h"

/* A hart that takes longer has no way back: its firmware or the hart itself is broken. */
#define TIME_LIMIT_MS 1000
/* An interrupt can get lost when it meets a hart that is being started: they are sent again after this long. */
#define RESEND_US 200

static u32 stop_event;

/* OpenSBI index of the hart that waits for the others; ~0: none does. */
static volatile u32 executor = ~0u;
static volatile u32 records_kept;

/* A hart is where it was wanted: the executor may be in wfi. */
static void answer(struct hart *h)
{
	const u32 who = executor;

	if (who != ~0u && who != h->index)
		sbi_ipi_raw_send(who);
}

void stop_this(struct hart *h, const struct sbi_trap_regs *regs)
{
	if (sbi_regs_from_virt(regs))
		found_interrupted(h, regs);
	else if (!found_hs(h, regs))
		__atomic_fetch_add(&records_kept, 1, __ATOMIC_RELAXED);
	__smp_store_release(&h->where, HART_HELD);
	answer(h);
}

/* The interrupt's work on the hart that it reaches. Held harts, and those of the present life, are not meant. */
static void process(struct sbi_scratch *scratch)
{
	struct sbi_trap_context *context = sbi_trap_get_context(scratch);
	struct hart *h = hart_this();
	struct sbi_trap_regs *regs;

	/* A hart that is on its way out or in takes interrupts, but has no state that counts. */
	if (!context || __sbi_hsm_hart_get_state(h->index) != SBI_HSM_STATE_STARTED)
		return;
	regs = &context->regs;

	switch (h->where) {
	case HART_LIFE:
		if (h->life == life.number)
			return;
		if (sbi_regs_from_virt(regs) && life.phase == LIFE_IS_ENDING) {
			guest_run_on(h);
			watchdog_disarm();
			answer(h);
			return;
		}
		break;
	case HART_GUEST:
		/* Out of the guest already, inside the stub: it comes by itself. */
		if (!h->come_in || !sbi_regs_from_virt(regs))
			return;
		break;
	default:
		return;
	}
	stop_this(h, regs);
	hart_hold(h, regs);
}

static struct sbi_ipi_event_ops stop_ops = {
	.name = "OUTLIVE_STOP",
	.process = process,
};

int stop_init(void)
{
	int rc = sbi_ipi_event_create(&stop_ops);

	if (rc < 0)
		return rc;
	stop_event = (u32)rc;
	return 0;
}

void stop_kick(struct hart *h)
{
	sbi_ipi_send_many(1, h->id, stop_event, NULL);
}

static bool hart_is_accounted_for(struct hart *h, u32 doomed)
{
	switch (h->where) {
	case HART_HELD:
		return true;
	case HART_GUEST:
		if (!(doomed & (1u << h->guest_slot)))
			return true;
		h->come_in = true;
		return false;
	default:
		/* Starting or stopping harts are waited for: they end up here, or in HS-mode. */
		return __sbi_hsm_hart_get_state(h->index) == SBI_HSM_STATE_STOPPED;
	}
}

/* Looks at every hart once; interrupts those who are not there yet if `send`. Returns how many these are. */
static u32 look_round(struct hart *me, u32 doomed, bool send)
{
	u32 i, missing = 0;

	for (i = 0; i < hart_count(); i++) {
		struct hart *h = hart_at(i);

		if (h == me || hart_is_accounted_for(h, doomed))
			continue;
		missing++;
		if (send)
			stop_kick(h);
	}
	return missing;
}

/*
 * All harts have done what they will: fills the records of those who have not done it themselves. False if one of them
 * is still in a doomed guest.
 */
static bool account(struct hart *me, u32 doomed)
{
	bool safe = true;
	u32 i;

	for (i = 0; i < hart_count(); i++) {
		struct hart *h = hart_at(i);
		const bool answered = hart_is_accounted_for(h, doomed);

		if (h == me || h->where == HART_HELD)
			continue;
		if (h->where == HART_GUEST) {
			safe = safe && answered;
		} else if (answered) {
			found_nothing(h);
		} else {
			found_no_show(h);
			sbi_printf("warden: hart %u does not answer\n", h->id);
		}
	}
	if (records_kept)
		sbi_printf("warden: %u harts keep the record of the stop before, which nobody took over\n",
			   records_kept);
	records_kept = 0;
	return safe;
}

bool stop_life(struct hart *me, u32 doomed)
{
	const u64 hz = sbi_timer_get_device()->timer_freq;
	const u64 begin = sbi_timer_value(), resend = hz / 1000000 * RESEND_US;
	u64 now = begin, sent = begin - resend;
	bool send;

	executor = me->index;
	mb();
	/*
	 * The last round counts: once no hart of the dead life executes, nobody starts another. A hart that was started
	 * meanwhile is START_PENDING or further in that round.
	 */
	while (now - begin <= hz / 1000 * TIME_LIMIT_MS) {
		send = now - sent >= resend;
		if (!look_round(me, doomed, send))
			break;
		if (send)
			sent = now;
		watchdog_doze(sent + resend);
		/* Others may also wait for this hart's share in a remote fence before they can answer. */
		hart_poll();
		now = sbi_timer_value();
	}
	executor = ~0u;
	watchdog_disarm();
	return account(me, doomed);
}
