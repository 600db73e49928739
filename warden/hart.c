#include "warden/hart.h"

#include <sbi/riscv_asm.h>
#include <sbi/riscv_barrier.h>
#include <sbi/sbi_error.h>
#include <sbi/sbi_hart.h>
#include <sbi/sbi_hartmask.h>
#include <sbi/sbi_hfence.h>
#include <sbi/sbi_ipi.h>
#include <sbi/sbi_irqchip.h>
#include <sbi/sbi_scratch.h>
#include <sbi/sbi_timer.h>

#include "warden/life.h"
#include "warden/watchdog.h"

static struct hart harts[SBI_HARTMASK_MAX_BITS];

void hart_init(void)
{
	u32 i;

	for (i = 0; i < hart_count(); i++) {
		harts[i].index = i;
		harts[i].id = sbi_hartindex_to_hartid(i);
		harts[i].deadline = ~0ul;
	}
}

u32 hart_count(void)
{
	return sbi_scratch_last_hartindex() + 1;
}

struct hart *hart_at(u32 index)
{
	return &harts[index];
}

struct hart *hart_this(void)
{
	return &harts[current_hartindex()];
}

struct hart *hart_with_id(u64 id)
{
	u32 index;

	if (id >= MAX_HARTS)
		return NULL;
	index = sbi_hartid_to_hartindex((u32)id);
	return sbi_hartindex_valid(index) ? &harts[index] : NULL;
}

bool hart_open(u64 address, u64 size)
{
	return sbi_hart_map_saddr(address, size) == SBI_OK;
}

void hart_close(void)
{
	sbi_hart_unmap_saddr();
}

void hart_poll(void)
{
	unsigned long pending = csr_read(CSR_MIP);

	if (pending & MIP_MSIP)
		sbi_ipi_process();
	if (pending & MIP_MEIP)
		sbi_irqchip_process();
}

static bool order_taken(struct hart *h, struct hart_order *order)
{
	spin_lock(&life.lock);
	*order = h->order;
	if (order->life) {
		h->order.life = 0;
		h->life = order->life;
		h->where = HART_LIFE;
	}
	spin_unlock(&life.lock);
	return order->life;
}

/* HS-mode's state as an heir, or a hart's first instruction in a life, may expect it. */
static void enter(struct hart *h, struct sbi_trap_regs *regs, const struct hart_order *order)
{
	const unsigned long kept_mstatus = MSTATUS_FS | MSTATUS_VS | MSTATUS_XS | MSTATUS_SD | MSTATUS_UXL |
					   MSTATUS_SXL | MSTATUS_MPIE | MSTATUS_MBE;
	unsigned long *x = &regs->zero, mstatus = regs->mstatus;
	u32 i;

	for (i = 0; i < 32; i++)
		x[i] = 0;
	regs->a0 = h->id;
	regs->a1 = order->argument;
	regs->mepc = order->entry;
	regs->mstatus = (mstatus & kept_mstatus) | INSERT_FIELD(0, MSTATUS_MPP, PRV_S);

	csr_write(CSR_SATP, 0);
	csr_write(CSR_SIE, 0);
	csr_write(CSR_SSCRATCH, 0);
	csr_write(CSR_STVEC, order->entry);
	csr_write(CSR_SEPC, 0);
	csr_write(CSR_SCAUSE, 0);
	csr_write(CSR_STVAL, 0);
	csr_write(CSR_HGATP, 0);
	csr_write(CSR_HTVAL, 0);
	csr_write(CSR_HTINST, 0);
	csr_write(CSR_HSTATUS, csr_read(CSR_HSTATUS) & HSTATUS_VSXL);
	csr_write(CSR_HIE, h->hie & (MIP_VSSIP | MIP_VSTIP | MIP_VSEIP));
	csr_clear(CSR_MIP, MIP_SSIP);
	if (sbi_hart_has_extension(sbi_scratch_thishart_ptr(), SBI_HART_EXT_SSTC))
		csr_write(CSR_STIMECMP, ~0ul);

	__asm__ __volatile__("sfence.vma" : : : "memory");
	__sbi_hfence_gvma_all();
	RISCV_FENCE_I;
}

void hart_hold(struct hart *h, struct sbi_trap_regs *regs)
{
	struct hart_order order;

	watchdog_disarm();
	/* What is pending for HS or VS must not end every wfi at once. */
	csr_write(CSR_SIE, 0);
	h->hie = csr_swap(CSR_HIE, 0);
	h->come_in = false;
	__smp_store_release(&h->where, HART_HELD);

	while (!order_taken(h, &order)) {
		wfi();
		hart_poll();
	}
	enter(h, regs, &order);
	h->misses = 0;
	h->deadline = order.heir ? sbi_timer_value() + life_heir_patience() : ~0ul;
	watchdog_arm(h);
}
