/*
 * Into a hart and out of it.
 *
 * While the guest runs, PMP lets lower modes reach the pool in this hart, and the guest's tables decide what of it. So
 * nothing of HS-mode may run then: mideleg is 0, and of exceptions only those are delegated that go on to the guest itself.
 * Every other trap comes here, and the pool is closed, and what a TLB might have kept of it is fenced, before anything else
 * happens. The firmware's own interrupts too: they are taken after the return to HS-mode, in a hart that has no vCPU in it.
 *
 * What the hypervisor finds in the hart afterwards is its own registers, and zeroes.
 */
#include "warden/private/enter.h"

#include <sbi/riscv_barrier.h>
#include <sbi/sbi_domain.h>
#include <sbi/sbi_hart.h>
#include <sbi/sbi_hfence.h>
#include <sbi/sbi_scratch.h>
#include <sbi/sbi_timer.h>
#include <sbi/sbi_tlb.h>
#include <sbi/sbi_trap.h>
#include <sbi/sbi_unpriv.h>

#include "warden/hart.h"
#include "warden/private/offsets.h"
#include "warden/private/pool.h"

#ifndef CSR_VSTIMECMP
#define CSR_VSTIMECMP 0x24d
#endif

#define OFFSET_IS(field, offset) \
	_Static_assert(__builtin_offsetof(struct private_vcpu, field) == (offset), #field)
OFFSET_IS(x, VCPU_X);
OFFSET_IS(pc, VCPU_PC);
OFFSET_IS(mstatus, VCPU_MSTATUS);
OFFSET_IS(cause, VCPU_CAUSE);
OFFSET_IS(value, VCPU_VALUE);
OFFSET_IS(value2, VCPU_VALUE2);
OFFSET_IS(instruction, VCPU_INSTRUCTION);
OFFSET_IS(stack, VCPU_STACK);
OFFSET_IS(f, VCPU_F);
OFFSET_IS(fcsr, VCPU_FCSR);
OFFSET_IS(vstart, VCPU_VSTART);
OFFSET_IS(vcsr, VCPU_VCSR);
OFFSET_IS(vl, VCPU_VL);
OFFSET_IS(vtype, VCPU_VTYPE);
OFFSET_IS(v, VCPU_V);

/* switch.S */
void enter_guest(struct private_vcpu *v);
void enter_save_f(struct private_vcpu *v);
void enter_load_f(const struct private_vcpu *v);
void enter_clear_f(void);
void enter_save_v(struct private_vcpu *v);
void enter_load_v(const struct private_vcpu *v);
void enter_clear_v(void);

#define UNITS	 (MSTATUS_FS | MSTATUS_VS)
#define FS_CLEAN (2ul << 13)
#define VS_CLEAN (2ul << 9)

#define GUEST_INTERRUPTS  (MIP_VSSIP | MIP_VSTIP | MIP_VSEIP)
#define GUEST_COUNTERS	  7 /* cycle, time, instret */
#define GUEST_ENVIRONMENT (ENVCFG_STCE | ENVCFG_CBCFE | ENVCFG_CBZE)
#define ILLEGAL		  (1ul << CAUSE_ILLEGAL_INSTRUCTION)

/* Exceptions that are the guest's own; illegal instructions are beside them as long as its units are in the hart. */
#define GUEST_EXCEPTIONS                                                                           \
	(1ul << CAUSE_MISALIGNED_FETCH | 1ul << CAUSE_BREAKPOINT | 1ul << CAUSE_MISALIGNED_LOAD |  \
	 1ul << CAUSE_MISALIGNED_STORE | 1ul << CAUSE_USER_ECALL | 1ul << CAUSE_FETCH_PAGE_FAULT | \
	 1ul << CAUSE_LOAD_PAGE_FAULT | 1ul << CAUSE_STORE_PAGE_FAULT | 1ul << CAUSE_SW_CHECK_EXCP)

/* The hart's CSRs, of its life, while a vCPU is in it. */
struct host {
	unsigned long mstatus, medeleg, mideleg, hstatus, hedeleg, hideleg, hie, hcounteren, henvcfg,
		htimedelta, hgatp, scounteren, senvcfg, hstateen0, hvien, hvictl, hviprio1, hviprio2;
};

/* Set once, by enter_init. */
static u32 pmp_index;
static u32 pmp_order;
static bool has_vectors, has_stateen, has_aia;

bool enter_init(void)
{
	struct sbi_scratch *scratch = sbi_scratch_thishart_ptr();
	struct sbi_domain *domain = sbi_hartindex_to_domain(hart_this()->index);
	struct sbi_domain_memregion *region;
	u32 index = 0;

	has_stateen = sbi_hart_has_extension(scratch, SBI_HART_EXT_SMSTATEEN);
	has_aia = sbi_hart_has_extension(scratch, SBI_HART_EXT_SMAIA);
	has_vectors = misa_extension('V') && csr_read(CSR_VLENB) <= VCPU_ROOM_FOR_V / 32;
	sbi_domain_for_each_memregion(domain, region)
	{
		if (region->base == pool_base() && 1ul << region->order == pool_size()) {
			pmp_index = index;
			pmp_order = (u32)region->order;
			return index < sbi_hart_pmp_count(scratch);
		}
		index++;
	}
	return false;
}

/* ---- The pool's door ---- */

/* Only the rights change, which are one byte of a CSR: the address is what OpenSBI has put there. */
static inline void set_rights(unsigned long rights)
{
	const unsigned long shift = pmp_index % 8 * 8, all = PMP_R | PMP_W | PMP_X;

	switch (pmp_index / 8) {
	case 0:
		if (rights)
			csr_set(CSR_PMPCFG0, all << shift);
		else
			csr_clear(CSR_PMPCFG0, all << shift);
		break;
	case 1:
		if (rights)
			csr_set(CSR_PMPCFG2, all << shift);
		else
			csr_clear(CSR_PMPCFG2, all << shift);
		break;
	default:
		pmp_set(pmp_index, rights, pool_base(), pmp_order);
		break;
	}
}

static void fence_vmid(u32 vmid)
{
	__asm__ __volatile__("sfence.vma" : : : "memory"); /* what it knows of PMP */
	__sbi_hfence_gvma_vmid(vmid);
	__sbi_hfence_vvma_all(); /* of the VMID in hgatp */
}

/* ---- Floating point and vectors ---- */

bool enter_load_units(struct private_vcpu *v)
{
	if (v->mstatus & MSTATUS_FS || !(csr_read(CSR_VSSTATUS) & UNITS))
		return false;
	csr_set(CSR_MSTATUS, UNITS);
	enter_load_f(v);
	v->mstatus |= FS_CLEAN;
	if (has_vectors) {
		enter_load_v(v);
		v->mstatus |= VS_CLEAN;
	}
	csr_clear(CSR_MSTATUS, UNITS);
	csr_set(CSR_MEDELEG, ILLEGAL);
	csr_set(CSR_HEDELEG, ILLEGAL);
	return true;
}

/* What the guest has changed is saved; nothing is left. */
static void save_units(struct private_vcpu *v)
{
	const unsigned long status = v->mstatus;

	if (!(status & MSTATUS_FS))
		return;
	csr_set(CSR_MSTATUS, UNITS);
	if ((status & MSTATUS_FS) == MSTATUS_FS)
		enter_save_f(v);
	enter_clear_f();
	if (has_vectors) {
		if ((status & MSTATUS_VS) == MSTATUS_VS)
			enter_save_v(v);
		enter_clear_v();
	}
}

/* ---- In and out ---- */

/* What few harts have: nothing of it for the guest, who could otherwise be told of interrupts, or read what is not its own. */
static void put_in_rare(struct host *host)
{
	if (has_stateen)
		host->hstateen0 = csr_swap(CSR_HSTATEEN0, SMSTATEEN0_HSENVCFG);
	if (has_aia) {
		host->hvien = csr_swap(CSR_HVIEN, 0);
		host->hvictl = csr_swap(CSR_HVICTL, 0);
		host->hviprio1 = csr_swap(CSR_HVIPRIO1, 0);
		host->hviprio2 = csr_swap(CSR_HVIPRIO2, 0);
	}
}

static void take_out_rare(const struct host *host)
{
	if (has_stateen)
		csr_write(CSR_HSTATEEN0, host->hstateen0);
	if (has_aia) {
		csr_write(CSR_HVIEN, host->hvien);
		csr_write(CSR_HVICTL, host->hvictl);
		csr_write(CSR_HVIPRIO1, host->hviprio1);
		csr_write(CSR_HVIPRIO2, host->hviprio2);
	}
}

static void put_in(const struct private_vm *vm, struct private_vcpu *v, bool wait_exits, struct host *host)
{
	host->mstatus = csr_read(CSR_MSTATUS);
	v->mstatus = (v->mstatus & MSTATUS_MPP) | MSTATUS_MPV | (host->mstatus & (MSTATUS_UXL | MSTATUS_SXL));
	host->medeleg = csr_swap(CSR_MEDELEG, GUEST_EXCEPTIONS);
	host->mideleg = csr_swap(CSR_MIDELEG, 0);
	host->hstatus = csr_swap(CSR_HSTATUS, 2ul << HSTATUS_VSXL_SHIFT | (wait_exits ? HSTATUS_VTW : 0));
	host->hedeleg = csr_swap(CSR_HEDELEG, GUEST_EXCEPTIONS);
	host->hie = csr_swap(CSR_HIE, 0);
	host->hideleg = csr_swap(CSR_HIDELEG, GUEST_INTERRUPTS);
	host->hcounteren = csr_swap(CSR_HCOUNTEREN, GUEST_COUNTERS);
	host->henvcfg = csr_swap(CSR_HENVCFG, GUEST_ENVIRONMENT);
	host->htimedelta = csr_swap(CSR_HTIMEDELTA, vm->time_offset);
	host->hgatp = csr_swap(CSR_HGATP, HGATP_MODE_SV39X4 << HGATP_MODE_SHIFT |
						  (unsigned long)vm->vmid << HGATP_VMID_SHIFT |
						  vm->root >> PAGE_SHIFT);
	put_in_rare(host);
#define X(field, csr, reset) csr_write(csr, v->field);
	VCPU_CSRS(X)
#undef X
#define X(field, csr, reset) host->field = csr_swap(csr, v->field);
	VCPU_SHARED_CSRS(X)
#undef X
	set_rights(PMP_R | PMP_W | PMP_X);
	/* Whoever has fenced this vCPU's addresses before it saw it here is heard now. */
	__atomic_store_n(&v->hart, hart_this()->id + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	fence_vmid(vm->vmid);
	RISCV_FENCE_I;
}

static void take_out(const struct private_vm *vm, struct private_vcpu *v, const struct host *host)
{
	set_rights(0);
	fence_vmid(vm->vmid);
	__atomic_store_n(&v->hart, 0, __ATOMIC_RELAXED);
	save_units(v);
	v->mstatus &= MSTATUS_MPP;
#define X(field, csr, reset) v->field = csr_swap(csr, reset);
	VCPU_CSRS(X)
#undef X
#define X(field, csr, reset) v->field = csr_swap(csr, host->field);
	VCPU_SHARED_CSRS(X)
#undef X
	take_out_rare(host);
	csr_write(CSR_HGATP, host->hgatp);
	csr_write(CSR_HTIMEDELTA, host->htimedelta);
	csr_write(CSR_HENVCFG, host->henvcfg);
	csr_write(CSR_HCOUNTEREN, host->hcounteren);
	csr_write(CSR_HIDELEG, host->hideleg);
	csr_write(CSR_HIE, host->hie);
	csr_write(CSR_HEDELEG, host->hedeleg);
	csr_write(CSR_HSTATUS, host->hstatus);
	csr_write(CSR_MIDELEG, host->mideleg);
	csr_write(CSR_MEDELEG, host->medeleg);
	csr_write(CSR_MSTATUS, host->mstatus);
}

void enter_run(struct private_vm *vm, struct private_vcpu *v, bool wait_exits, struct vcpu_exit *exit)
{
	struct host host;

	put_in(vm, v, wait_exits, &host);
	do
		enter_guest(v);
	while (!exit_is_told(vm, v, exit));
	take_out(vm, v, &host);
}

/* ---- A vCPU that is in this hart ---- */

bool enter_fetch(const struct private_vcpu *v, u32 *instruction)
{
	struct sbi_trap_info trap = { 0 };

	/* With the rights of whom mstatus says that the trap came from. */
	*instruction = (u32)sbi_get_insn(v->pc, &trap);
	return !trap.cause;
}

void enter_inject(struct private_vcpu *v, u64 cause, u64 value)
{
	v->vsstatus = csr_read(CSR_VSSTATUS);
	v->vstvec = csr_read(CSR_VSTVEC);
	vcpu_inject(v, cause, value);
	csr_write(CSR_VSSTATUS, v->vsstatus);
	csr_write(CSR_VSEPC, v->vsepc);
	csr_write(CSR_VSCAUSE, v->vscause);
	csr_write(CSR_VSTVAL, v->vstval);
}

bool enter_is_awaited(void)
{
	return csr_read(CSR_VSIP) & csr_read(CSR_VSIE);
}

u64 enter_timer(void)
{
	return csr_read(CSR_VSTIMECMP);
}

void enter_set_timer(u64 when)
{
	csr_write(CSR_VSTIMECMP, when);
}

void enter_reset_supervisor(void)
{
	csr_write(CSR_VSATP, 0);
	csr_clear(CSR_VSSTATUS, SSTATUS_SIE);
}

u64 enter_now(void)
{
	return sbi_timer_value();
}

/* ---- Fences ---- */

static void fence_here(enum enter_fence kind, u64 asid)
{
	switch (kind) {
	case ENTER_FENCE_I:
		RISCV_FENCE_I;
		break;
	case ENTER_FENCE_VMA:
		__sbi_hfence_vvma_all();
		break;
	case ENTER_FENCE_VMA_ASID:
		__sbi_hfence_vvma_asid(asid);
		break;
	}
}

/*
 * The other harts take it in M-mode, out of the guest: what is fenced there is said with the VMID, and whoever comes back
 * to the guest fences anyway.
 */
void enter_remote_fence(const struct private_vm *vm, enum enter_fence kind, bool self, u64 others, u64 from,
			u64 bytes, u64 asid)
{
	static const enum sbi_tlb_type types[] = { [ENTER_FENCE_I] = SBI_TLB_FENCE_I,
						   [ENTER_FENCE_VMA] = SBI_TLB_HFENCE_VVMA,
						   [ENTER_FENCE_VMA_ASID] = SBI_TLB_HFENCE_VVMA_ASID };
	struct sbi_tlb_info info = {
		.start = from, .size = bytes, .asid = (u16)asid, .vmid = (u16)vm->vmid, .type = types[kind]
	};

	if (self)
		fence_here(kind, asid);
	if (!others)
		return;
	sbi_hartmask_clear_all(&info.smask);
	sbi_hartmask_set_hartindex(hart_this()->index, &info.smask);
	sbi_tlb_request(others, 0, &info);
}
