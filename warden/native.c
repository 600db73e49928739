/*
 * Everything is checked before anything is changed; what follows the checks cannot fail. A hart that runs while others
 * are stopped meets nobody, so nothing here is locked but the phase, which the watchdog's interrupt of this hart cannot
 * change meanwhile either.
 */
#include "warden/native.h"

#include <sbi/riscv_asm.h>
#include <sbi/riscv_barrier.h>
#include <sbi/sbi_console.h>
#include <sbi/sbi_error.h>
#include <sbi/sbi_hart.h>
#include <sbi/sbi_hfence.h>
#include <sbi/sbi_hsm.h>

#include "warden/duty.h"
#include "warden/hart.h"
#include "warden/life.h"
#include "warden/watchdog.h"

#define CSR_VSTIMECMP_ 0x24d /* Sstc, section 1.1 */

#define STATUS_TAKEN                                                                                     \
	(SSTATUS_SIE | SSTATUS_SPIE | SSTATUS_SPP | SSTATUS_FS | SSTATUS_VS | SSTATUS_XS | SSTATUS_SUM | \
	 SSTATUS_MXR)

static bool others_are_stopped(void)
{
	const struct hart *me = hart_this();
	u32 i;

	for (i = 0; i < hart_count(); i++)
		if (hart_at(i) != me && __sbi_hsm_hart_get_state(i) != SBI_HSM_STATE_STOPPED)
			return false;
	return true;
}

/* satp keeps its value if it is given a mode that the hart lacks. M-mode does not use it. */
static bool has_translation(u64 satp)
{
	const unsigned long before = csr_swap(CSR_SATP, satp);
	const unsigned long after = csr_swap(CSR_SATP, before);

	return after == satp;
}

/* Under Smepmp M-mode reaches a slot for the moment only. */
static bool read_native(u64 address, struct warden_native *n)
{
	const volatile u64 *from = (const volatile u64 *)address;
	u64 *to = (u64 *)n, i;

	if (!hart_open(address, sizeof(*n)))
		return false;
	for (i = 0; i < sizeof(*n) / sizeof(u64); i++)
		to[i] = from[i];
	hart_close();
	return true;
}

/* What a hypervisor has set up, and an operating system does not expect. VSXL is what it is. */
static void clear_hypervisor_state(void)
{
	csr_write(CSR_HGATP, 0);
	csr_write(CSR_HSTATUS, csr_read(CSR_HSTATUS) & HSTATUS_VSXL);
	csr_write(CSR_HEDELEG, 0);
	csr_write(CSR_HIDELEG, 0);
	csr_write(CSR_HVIP, 0);
	csr_write(CSR_HIE, 0);
	csr_write(CSR_HGEIE, 0);
	csr_write(CSR_HCOUNTEREN, 0);
	csr_write(CSR_HTIMEDELTA, 0);
	csr_write(CSR_HTVAL, 0);
	csr_write(CSR_HTINST, 0);
	csr_write(CSR_VSSTATUS, 0);
	csr_write(CSR_VSTVEC, 0);
	csr_write(CSR_VSSCRATCH, 0);
	csr_write(CSR_VSEPC, 0);
	csr_write(CSR_VSCAUSE, 0);
	csr_write(CSR_VSTVAL, 0);
	csr_write(CSR_VSATP, 0);
	if (sbi_hart_has_extension(sbi_scratch_thishart_ptr(), SBI_HART_EXT_SSTC))
		csr_write(CSR_VSTIMECMP_, ~0ul);
	csr_write(CSR_HENVCFG, 0);
}

static void load_supervisor(const struct warden_native *n)
{
	csr_write(CSR_STVEC, n->stvec);
	csr_write(CSR_SSCRATCH, n->sscratch);
	csr_write(CSR_SEPC, n->sepc);
	csr_write(CSR_SCAUSE, n->scause);
	csr_write(CSR_STVAL, n->stval);
	csr_write(CSR_SATP, n->satp);
	csr_write(CSR_SIE, n->sie);
	if (n->sip & MIP_SSIP)
		csr_set(CSR_MIP, MIP_SSIP);
	else
		csr_clear(CSR_MIP, MIP_SSIP);
	if (sbi_hart_has_extension(sbi_scratch_thishart_ptr(), SBI_HART_EXT_SSTC))
		csr_write(CSR_STIMECMP, n->stimecmp);
}

/* What the return from the trap restores. */
static void rewrite(struct sbi_trap_regs *regs, const struct warden_native *n)
{
	const unsigned long taken = STATUS_TAKEN;
	const unsigned long cleared = taken | MSTATUS_MPP | MSTATUS_MPV | MSTATUS_GVA | MSTATUS_MPRV |
				      MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR;
	unsigned long *x = &regs->zero;
	u32 i;

	for (i = 1; i < 32; i++)
		x[i] = n->x[i];
	regs->mepc = n->pc;
	regs->mstatus = (regs->mstatus & ~cleared) | (n->sstatus & taken) |
			INSERT_FIELD(0, MSTATUS_MPP, PRV_S);
}

int native_enter(u64 address, u64 only_check, struct sbi_trap_regs *regs)
{
	const u64 slot = life_slot_address(life.slot);
	struct hart *me = hart_this();
	struct warden_native n;

	if (address < slot || address - slot > LAYOUT_SLOT_SIZE - sizeof(n) || address % sizeof(u64))
		return SBI_EINVALID_ADDR;
	if (!others_are_stopped())
		return SBI_EINVALID_STATE;
	if (!read_native(address, &n))
		return SBI_EFAIL;
	if (!has_translation(n.satp) || n.pc % 2)
		return SBI_EINVAL;
	if (only_check)
		return SBI_OK;

	spin_lock(&life.lock);
	life.phase = LIFE_IS_NATIVE;
	spin_unlock(&life.lock);
	me->where = HART_OUT;
	watchdog_retire();
	duty_is_over();
	sbi_printf("warden: the machine is given away, bare: a plain OpenSBI from here on\n");

	/* As duty_is_on has it for the harts that are started from now on. */
	csr_clear(CSR_MEDELEG, 1ul << CAUSE_ILLEGAL_INSTRUCTION);
	clear_hypervisor_state();
	load_supervisor(&n);
	rewrite(regs, &n);
	__asm__ __volatile__("sfence.vma" : : : "memory");
	__sbi_hfence_gvma_all();
	__sbi_hfence_vvma_all();
	RISCV_FENCE_I;
	return NATIVE_ENTERED;
}
