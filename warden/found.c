#include "warden/found.h"

#include <sbi/riscv_asm.h>
#include <sbi/riscv_barrier.h>
#include <sbi/sbi_timer.h>

#include "warden/life.h"

volatile struct hart_record *found_record(const struct hart *h)
{
	if (h->id >= MAX_HARTS)
		return NULL;
	return (struct hart_record *)(life.estate + ESTATE_HARTS_OFFSET) + h->id;
}

/* The record, marked as not written yet; NULL if there is none. */
static volatile struct hart_found *begin(const struct hart *h)
{
	volatile struct hart_record *record = found_record(h);

	if (!record)
		return NULL;
	record->found.state = FOUND_NOTHING;
	smp_wmb();
	return &record->found;
}

static void commit(volatile struct hart_found *f, enum found_state state)
{
	smp_wmb();
	f->state = state;
}

static void write_x(volatile struct hart_found *f, const struct sbi_trap_regs *regs)
{
	const unsigned long *x = &regs->zero;
	u32 i;

	for (i = 0; i < 32; i++)
		f->x[i] = x[i];
}

static void write_trap_csrs(volatile struct hart_found *f)
{
	f->sstatus = csr_read(CSR_SSTATUS);
	f->hstatus = csr_read(CSR_HSTATUS);
	f->sepc = csr_read(CSR_SEPC);
	f->scause = csr_read(CSR_SCAUSE);
	f->stval = csr_read(CSR_STVAL);
	f->htval = csr_read(CSR_HTVAL);
	f->htinst = csr_read(CSR_HTINST);
}

/* What the dead life had set up; the parking stub replaces some of it, so it is written at the stop. */
static void write_setup(volatile struct hart_found *f)
{
	f->sscratch = csr_read(CSR_SSCRATCH);
	f->stvec = csr_read(CSR_STVEC);
	f->satp = csr_read(CSR_SATP);
	f->hgatp = csr_read(CSR_HGATP);
	f->sie = csr_read(CSR_SIE);
	f->sip = csr_read(CSR_SIP);
	f->time = sbi_timer_value();
}

static bool is_not_taken_over(const struct hart *h)
{
	volatile struct hart_record *record = found_record(h);

	return record && (record->found.state == FOUND_HS || record->found.state == FOUND_PARKED);
}

bool found_hs(struct hart *h, const struct sbi_trap_regs *regs)
{
	volatile struct hart_found *f;

	if (is_not_taken_over(h))
		return false;
	f = begin(h);
	if (!f)
		return true;
	write_x(f, regs);
	f->pc = regs->mepc;
	f->mstatus = regs->mstatus;
	write_trap_csrs(f);
	write_setup(f);
	commit(f, FOUND_HS);
	return true;
}

void found_guest(struct hart *h)
{
	volatile struct hart_found *f = begin(h);

	if (!f)
		return;
	write_setup(f);
	commit(f, FOUND_GUEST);
}

void found_parked(struct hart *h, const struct sbi_trap_regs *regs)
{
	volatile struct hart_found *f = begin(h);

	if (!f)
		return;
	write_x(f, regs);
	f->x[17] = csr_read(CSR_SSCRATCH); /* the stub saved a7 there */
	f->pc = csr_read(CSR_SEPC);
	f->mstatus = regs->mstatus;
	write_trap_csrs(f);
	commit(f, FOUND_PARKED);
}

void found_interrupted(struct hart *h, const struct sbi_trap_regs *regs)
{
	const bool was_guest = h->where == HART_GUEST;
	const bool supervisor = sbi_mstatus_prev_mode(regs->mstatus) == PRV_S;
	volatile struct hart_found *f = begin(h);
	u64 sstatus = csr_read(CSR_SSTATUS), hstatus = csr_read(CSR_HSTATUS);

	if (!f)
		return;
	write_x(f, regs);
	f->pc = regs->mepc;
	f->mstatus = regs->mstatus;
	/* As the trap to HS-mode would have left them (privileged specification, 10.5.1 and 3.1.6.1). */
	f->sstatus = (sstatus & ~(SSTATUS_SIE | SSTATUS_SPIE | SSTATUS_SPP)) |
		     ((sstatus & SSTATUS_SIE) ? SSTATUS_SPIE : 0) | (supervisor ? SSTATUS_SPP : 0);
	f->hstatus = (hstatus & ~HSTATUS_SPVP) | HSTATUS_SPV | (supervisor ? HSTATUS_SPVP : 0);
	f->sepc = regs->mepc;
	f->scause = WARDEN_EXIT_NONE;
	f->stval = 0;
	f->htval = 0;
	f->htinst = 0;
	if (!was_guest)
		write_setup(f);
	commit(f, FOUND_PARKED);
}

void found_nothing(struct hart *h)
{
	begin(h);
}

void found_no_show(struct hart *h)
{
	volatile struct hart_found *f;

	if (is_not_taken_over(h))
		return;
	f = begin(h);
	if (!f)
		return;
	f->time = sbi_timer_value();
	commit(f, FOUND_NO_SHOW);
}
