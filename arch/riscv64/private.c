/* Confidential vCPUs in a hart; see private.h. */
#include "arch/riscv64/private.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/guest.h"
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/private/private.h"

void private_vcpu_load(struct hart *hart, struct vcpu *v)
{
	ASSERT(!hart->current);
	ASSERT(v->vm->index < MAX_VMS && vms[v->vm->index] == v->vm && v->r->vm == v->vm->index);
	/* The warden leaves nothing in the units: what an ordinary vCPU has there is in its record, and only there from now on. */
	estate_store(&hart->record->lazy, NO_VCPU);
	estate_store(&v->r->last_hart, hart->index);
	hart->current = v;
	v->loaded_at = arch_time();
}

void private_vcpu_unload(struct hart *hart)
{
	struct vcpu *v = hart->current;

	estate_store(&v->r->run_ticks, vcpu_run_ticks(v, arch_time()));
	v->loaded_at = 0;
	hart->current = NULL;
}

/* What is pending for the vCPU, as the warden is to be told it. See deliver() in hart.c, which this is for them. */
static u64 lines(struct vcpu_record *r)
{
	u64 lines = 0;

	/* Who sends something stores the word first and then looks where the vCPU is; we took it first and look now. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Each entry fences. */
	if (estate_load(&r->fence))
		estate_store(&r->fence, 0);
	if (estate_load(&r->ipi)) {
		/* A life that ends in between delivers twice, which a guest can bear. */
		estate_store(&r->hvip, IRQ_VSSI);
		estate_store(&r->ipi, 0);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	if (estate_load(&r->hvip))
		lines |= PRIVATE_RAISE_SOFTWARE;
	if (estate_load(&r->irq))
		lines |= PRIVATE_LINE_EXTERNAL;
	if (r->hstatus & HSTATUS_VTW)
		lines |= PRIVATE_WAIT_EXITS;
	return lines;
}

static void prepare(const struct vcpu *v, struct private_run *run)
{
	struct vcpu_record *r = v->r;

	run->answered = r->pc / 4 - 1;
	run->result[0] = r->x[10];
	run->result[1] = r->x[11];
	run->lines = lines(r);
	run->exit = PRIVATE_EXIT_NONE;
}

/* Times in a row that a vCPU may not be entered for the moment: some hundred milliseconds. */
#define REFUSALS_MAX 10000

static void stay(struct hart *hart, struct vcpu *v, struct private_run *run, unsigned *refusals)
{
	int error =
		arch_private(PRIVATE_ENTER, private_number(v->vm), v->id, (u64)(uintptr_t)run, 0, 0, NULL);

	hart->where = HART_IN_HS;
	estate_store(&hart->record->beat, hart->record->beat + 1);
	estate_store(&v->r->exits, v->r->exits + 1);
	/* A kick; what it wants is in hart->kicked. */
	if (csr_read(sip) & IRQ_SSI)
		csr_clear(sip, IRQ_SSI);
	/* Another hart is in a call for this VM, or another vCPU starts this one. */
	if ((error == -EAGAIN || error == -EBUSY) && ++*refusals < REFUSALS_MAX) {
		arch_doze();
		return;
	}
	if (error) {
		log_line("%s: the warden does not enter vCPU %lu: error %d", v->vm->config.name, v->id,
			 -error);
		guest_give_up(hart, v, PARK_UNHANDLED, "the warden does not enter it");
		return;
	}
	*refusals = 0;
	/* It has been told. */
	if (estate_load(&v->r->hvip))
		estate_store(&v->r->hvip, 0);
	private_exit(hart, v, run);
}

/* True if the loop has something to do: it was asked for, or an interrupt of the host waits. */
static bool loop_wanted(struct hart *hart)
{
	return __atomic_exchange_n(&hart->kicked, 0, __ATOMIC_SEQ_CST) & KICK_LOOP ||
	       csr_read(sip) & (IRQ_STI | IRQ_SEI);
}

void private_vcpu_run(struct hart *hart, struct vcpu *v)
{
	struct private_run run;
	unsigned refusals = 0;

	do {
		prepare(v, &run);
		hart->where = HART_IN_GUEST;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		/* Whoever kicks this hart sets kicked before it looks at where: one of the two sees the other. */
		if (hart->kicked)
			hart->where = HART_IN_HS;
		else
			stay(hart, v, &run, &refusals);
	} while (!loop_wanted(hart));
}
