/* Loading and unloading of vCPUs; see vcpu_load.h. */
#include "arch/riscv64/vcpu_load.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/private.h"
#include "core/lib/check.h"
#include "core/lib/string.h"
#include "core/vm/vm.h"

/* entry.S: where traps go while guest_enter loads the guest's registers. */
void entry_going_in(void);

/* lazy.S; the unit is on. */
void fp_save(struct vcpu_record *r);
void fp_load(const struct vcpu_record *r);
void vector_save(struct vcpu_record *r);
void vector_load(const struct vcpu_record *r);

/*
 * While the unit is off its instructions are illegal, and we must see that; while it is on, illegal instructions are
 * the guest's own business.
 */
static void delegate_illegal(bool delegate)
{
	csr_write(hedeleg, HART_HEDELEG | (delegate ? 1ull << CAUSE_ILLEGAL : 0));
}

static void save_switch_registers(struct vcpu_record *r)
{
#define X(field, csr, reset, what) estate_store(&r->field, csr_read(csr));
	VCPU_SWITCH_CSRS(X)
#undef X
}

static void load_switch_registers(const struct vcpu_record *r)
{
#define X(field, csr, reset, what) csr_write(csr, r->field);
	VCPU_SWITCH_CSRS(X)
#undef X
}

#define UNITS	    (SSTATUS_FS | SSTATUS_VS)
#define UNITS_CLEAN (SSTATUS_FS_CLEAN | SSTATUS_VS_CLEAN)

/* The state of both units as the guest will find it. Bits of a unit that the hart lacks read 0 whatever is written. */
static void set_units(struct vcpu_record *r, u64 state)
{
	estate_store(&r->sstatus, (r->sstatus & ~UNITS) | state);
}

void vcpu_load(struct hart *hart, struct vcpu *v)
{
	struct vcpu_record *r = v->r;
	u64 hgatp = (u64)v->vm->gstage.format->mode << HGATP_MODE_SHIFT |
		    (u64)v->vm->gstage.vmid << HGATP_VMID_SHIFT | (u64)(uintptr_t)v->vm->gstage.root >> 12;

	if (vcpu_is_private(v)) {
		private_vcpu_load(hart, v);
		return;
	}
	ASSERT(!hart->current);
	/*
	 * The scheduler's lists, and what they lead to, lie in memory that a wild store may have hit. With another's record or
	 * tables one guest would go on as another.
	 */
	ASSERT(v->vm->index < MAX_VMS && vms[v->vm->index] == v->vm && v->r == estate_vcpu(v->index) &&
	       v->r->vm == v->vm->index && gstage_intact(&v->vm->gstage));
	__atomic_fetch_or(&v->vm->gstage.harts, 1ull << hart->index, __ATOMIC_SEQ_CST);
	load_switch_registers(r);
	if (hart->hgatp != hgatp) {
		csr_write(hgatp, hgatp);
		hart->hgatp = hgatp;
		if (!hart->vmids)
			hfence_gvma_all();
	}
	csr_write(htimedelta, v->vm->s->guest_offset);
	/* vCPUs of one VM share its VMID, so what another one, or this one long ago, left in the TLB is not ours. */
	if (hart->last_vcpu != v->index || v->r->last_hart != hart->index)
		hfence_vvma_all();
	hart->last_vcpu = v->index;
	estate_store(&r->last_hart, hart->index);
	if (hart->record->lazy == v->index && v->lazy_hart == hart->index + 1) {
		/* Another hart may have had it since, with its units off. */
		set_units(r, UNITS_CLEAN);
		delegate_illegal(true);
	} else {
		set_units(r, 0);
		delegate_illegal(false);
	}
	estate_store(&r->volatile_entry, (u64)(uintptr_t)entry_going_in);
	/* The registers are in the hart when both say so; until then, and from where one does not any more, the record counts. */
	estate_store(&hart->record->vcpu, v->index);
	estate_store(&r->volatile_hart, (u64)(uintptr_t)hart);
	hart->current = v;
	v->loaded_at = arch_time();
}

/* Saves floating point and vectors if the guest changed them since they were loaded. */
static void lazy_save(struct vcpu_record *r)
{
	u64 dirty = r->sstatus & UNITS;
	bool fp = (dirty & SSTATUS_FS) == SSTATUS_FS;
	bool vector = (dirty & SSTATUS_VS) == SSTATUS_VS;

	if (!fp && !vector)
		return;
	csr_set(sstatus, UNITS);
	if (fp)
		fp_save(r);
	if (vector)
		vector_save(r);
	csr_clear(sstatus, UNITS);
	set_units(r, UNITS_CLEAN);
}

void vcpu_unload(struct hart *hart)
{
	struct vcpu *v = hart->current;

	if (vcpu_is_private(v)) {
		private_vcpu_unload(hart);
		return;
	}
	save_switch_registers(v->r);
	lazy_save(v->r);
	estate_store(&v->r->volatile_hart, 0);
	estate_store(&hart->record->vcpu, NO_VCPU);
	/* What is in the hart is nobody's now: the guest's timer, or an interrupt of its, must not keep the hart out of wfi. */
	csr_write(vsie, 0);
	estate_store(&v->r->run_ticks, vcpu_run_ticks(v, arch_time()));
	v->loaded_at = 0;
	hart->current = NULL;
}

void vcpu_collect(struct hart *hart)
{
	u64 index = hart->record->vcpu;
	struct vcpu_record *r = estate_vcpu(index);

	/* The life before may have died because this had changed, and what is not delegated reads as 0. */
	csr_write(hideleg, HART_HIDELEG);
	save_switch_registers(r);
	if (hart->record->lazy == index)
		lazy_save(r);
	estate_store(&r->volatile_hart, 0);
	estate_store(&hart->record->vcpu, NO_VCPU);
	estate_store(&hart->record->lazy, NO_VCPU);
}

void lazy_load(struct hart *hart, struct vcpu *v)
{
	/* Until the record says whose the registers are, they are nobody's: the heir must not save half of them. */
	estate_store(&hart->record->lazy, NO_VCPU);
	csr_set(sstatus, UNITS);
	fp_load(v->r);
	if (estate.machine.isa & MACHINE_ISA_V)
		vector_load(v->r);
	csr_clear(sstatus, UNITS);
	set_units(v->r, UNITS_CLEAN);
	estate_store(&hart->record->lazy, v->index);
	v->lazy_hart = hart->index + 1;
	delegate_illegal(true);
}

/* Beyond what the list of registers says: supervisor mode of the guest; HS's own bits. */
static u64 reset_value(u64 offset, u64 listed)
{
	switch (offset) {
	case offsetof(struct vcpu_record, hstatus):
		return HSTATUS_VSXL_64 | HSTATUS_SPV | HSTATUS_SPVP;
	case offsetof(struct vcpu_record, sstatus):
		return SSTATUS_SPP | (2ull << 32);
	case offsetof(struct vcpu_record, vsstatus):
		return 2ull << 32;
	case offsetof(struct vcpu_record, scounteren):
		return 7;
	default:
		return listed;
	}
}

/* Each word once, because an heir may find the record at any instant, and refuses one that no vCPU can have. */
void vcpu_reset_registers(struct vcpu_record *r)
{
	for (unsigned n = 0; n < 32; n++) {
		estate_store(&r->x[n], 0);
		estate_store(&r->f[n], 0);
	}
	estate_store(&r->fcsr, 0);
#define X(field, reset, what) \
	estate_store(&r->field, reset_value(offsetof(struct vcpu_record, field), reset));
	VCPU_TRAP_CSRS(X)
#undef X
#define X(field, csr, reset, what) \
	estate_store(&r->field, reset_value(offsetof(struct vcpu_record, field), reset));
	VCPU_SWITCH_CSRS(X)
#undef X
}

void arch_vcpu_reset(struct vcpu *v, u64 pc, u64 a1)
{
	struct vcpu_record *r = v->r;

	vcpu_reset_registers(r);
	/* The warden has the registers of a confidential one; its record is about questions. */
	estate_store(&r->pc, vcpu_is_private(v) ? PRIVATE_FIRST_PC : pc);
	estate_store(&r->x[10], r->id);
	estate_store(&r->x[11], a1);
	v->lazy_hart = 0;
}

u64 arch_vcpu_wake_time(const struct vcpu *v)
{
	u64 offset = v->vm->s->guest_offset;
	u64 when = v->r->vstimecmp;

	/* The warden has told it in our time. */
	if (vcpu_is_private(v))
		return when;
	/* The guest compares with time + htimedelta. */
	if (when == ~0ull || when < offset)
		return when == ~0ull ? when : 0;
	return when - offset;
}

bool arch_vcpu_valid(const struct vcpu_record *r)
{
	const u64 hstatus_known = HSTATUS_VSXL_64 | HSTATUS_SPV | HSTATUS_SPVP | HSTATUS_VTW | HSTATUS_GVA;

	return !(r->hstatus & ~hstatus_known) && (r->hstatus & HSTATUS_SPV) && !(r->sstatus & SSTATUS_SIE);
}
