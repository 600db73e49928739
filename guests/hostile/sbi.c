/* SBI calls with arguments that make no sense; all extensions and functions but those that end the VM or a hart. */
#include "guests/lib/sbi.h"
#include "guests/hostile/hostile.h"
#include "guests/lib/csr.h"

/* Known ones (SBI specification 2.0 and 3.0) beside legacy, firmware-specific and unknown ones. */
static const u64 extensions[] = {
	SBI_BASE, SBI_TIME, SBI_IPI, SBI_RFENCE, SBI_HSM,      SBI_PMU,	     SBI_DBCN,	   SBI_SUSP,
	SBI_CPPC, SBI_NACL, SBI_STA, 0x535345ul, 0x46574654ul, 0x44425452ul, 0x4d505859ul, 0x0a4f4c56ul,
};

static bool ends_something(u64 extension, u64 function)
{
	/* HSM start at a random address, stop and suspend lose the hart: attack_harts does them properly. */
	return extension == SBI_SRST || extension == SBI_LEGACY_SHUTDOWN || extension == SBI_SUSP ||
	       (extension == SBI_HSM && function != SBI_HSM_STATUS && function < 4);
}

static u64 rnd_extension(void)
{
	switch (rnd_below(8)) {
	case 0: /* legacy; 1 would print: most of the output then is noise */
		return rnd_below(16);
	case 1:
		return 0x08000000ul + rnd_below(0x08000000ul);
	case 2:
		return rnd();
	default:
		return extensions[rnd_below(ARRAY_SIZE(extensions))];
	}
}

/* Legacy calls take a hart mask by virtual address, and set_timer needs none: all take rnd_value as it comes. */
void attack_sbi(u64 unused)
{
	u64 extension = rnd_extension();
	u64 function = rnd_one_in(8) ? rnd_value() : rnd_below(16);

	(void)unused;
	if (ends_something(extension, function) || (extension == SBI_LEGACY_PUTCHAR && !rnd_one_in(64)))
		return;
	/* A suspend with an unknown sleep type, and the ends of a hart with a hart that does not exist, are fair. */
	sbi(extension, function, rnd_value(), rnd_value(), rnd_value(), rnd_value(), rnd_value());
	if (rnd_one_in(8))
		sbi(SBI_HSM, SBI_HSM_START, 64 + rnd(), rnd_value(), rnd_value(), 0, 0);
	if (rnd_one_in(8))
		sbi(SBI_HSM, SBI_HSM_SUSPEND, 1 + rnd_below(0x7fffffff), rnd_value(), rnd_value(), 0, 0);
	if (rnd_one_in(8))
		sbi(SBI_SUSP, 0, 1 + rnd(), rnd_value(), rnd_value(), 0, 0);
}

/* Storms of interrupts and fences between harts. */
void attack_ipi(u64 unused)
{
	u64 times = 1 + rnd_below(32);

	(void)unused;
	csr_set(sie, IRQ_BIT(IRQ_SOFTWARE));
	csr_set(sstatus, SSTATUS_SIE);
	while (times--) {
		u64 mask = rnd_one_in(4) ? rnd() : rnd_below(1ull << 16);
		u64 base = rnd_one_in(4) ? rnd_value() : rnd_one_in(2) ? 0 : ~0ull;

		if (rnd_one_in(2))
			sbi_send_ipi(mask, base);
		else
			sbi(SBI_RFENCE, rnd_below(8), mask, base, rnd_value(), rnd_value(), rnd());
	}
	csr_clear(sstatus, SSTATUS_SIE);
}

/*
 * Sleeps with a timer near or due. Interrupts are taken only afterwards: one that is taken before the wfi would leave
 * nothing to wake it.
 */
void attack_wfi(u64 unused)
{
	(void)unused;
	csr_set(sie, IRQ_BIT(IRQ_TIMER) | IRQ_BIT(IRQ_SOFTWARE));
	sbi_set_timer(time_now() + rnd_below(2000));
	wfi();
	if (rnd_one_in(2))
		csr_set(sstatus, SSTATUS_SIE);
	if (rnd_one_in(4))
		sbi_set_timer(rnd_one_in(2) ? 0 : ~0ull);
	csr_clear(sstatus, SSTATUS_SIE);
}

/* ---- Harts that come and go ---- */

static void suspend_retentive(void)
{
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	sbi_set_timer(time_now() + rnd_below(1000));
	sbi(SBI_HSM, SBI_HSM_SUSPEND, 0, rnd_value(), rnd_value(), 0, 0);
	csr_clear(sip, IRQ_BIT(IRQ_SOFTWARE));
}

/* Comes back in hart_entry, on a fresh stack. */
static void suspend_for_good(void)
{
	struct hart *hart = hart_self();

	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	sbi_set_timer(time_now() + rnd_below(1000));
	hart->guard = 0;
	sbi(SBI_HSM, SBI_HSM_SUSPEND, 0x80000000ul, (u64)hart_entry, (u64)hart, 0, 0);
}

void attack_harts(u64 unused)
{
	unsigned n = hostile_harts > 1 ? 1 + (unsigned)rnd_below(hostile_harts - 1) : 0;
	bool first = hart_self() == harts;

	(void)unused;
	/* Two may start the same hart at a time; one of them is refused. */
	if (n && rnd_one_in(2) && hart_stopped(n))
		sbi(SBI_HSM, SBI_HSM_START, harts[n].id, (u64)hart_entry, (u64)&harts[n], 0, 0);
	else if (rnd_one_in(2))
		suspend_retentive();
	else if (!first && rnd_one_in(2))
		suspend_for_good();
	else if (!first)
		sbi(SBI_HSM, SBI_HSM_STOP, 0, 0, 0, 0, 0);
}
