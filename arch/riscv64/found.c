/* Registers that the dead life had not saved yet; see found.h and entry.S. */
#include "arch/riscv64/found.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/vcpu_load.h"
#include "core/estate/estate.h"
#include "core/lib/log.h"
#include "core/survive/crash.h"

#define TP 4u
#define T0 5u
#define A0 10u

/* A set of x1 to x31. */
#define ALL_GENERAL (~1u)
#define BIT(n)	    (1u << (n))

static void take_general(struct vcpu_record *r, const struct hart_found *f, u32 which)
{
	for (unsigned n = 1; n < 32; n++) {
		if (which & BIT(n))
			estate_store(&r->x[n], f->x[n]);
	}
}

static void take_trap_registers(struct vcpu_record *r, const struct hart_found *f)
{
	estate_store(&r->pc, f->sepc);
	estate_store(&r->hstatus, f->hstatus);
	estate_store(&r->sstatus, f->sstatus);
}

/*
 * The trap entry of the life that had the hart when it was found: that may be an older one than the one before this, if an heir
 * died before it came to this hart. From the hart's own record: what is wrong there costs the vCPU in it, and no other.
 */
struct window {
	u64 begin, swapped, moved, saved;
};

static bool window_of(const struct hart_record *h, struct window *w)
{
	const u64 slots = estate.base - LAYOUT_ESTATE_OFFSET + LAYOUT_SLOT_OFFSET(0);
	u64 begin = estate_load(&h->entry_begin), ends = estate_load(&h->entry_ends);

	*w = (struct window){ begin, begin + (u16)ends, begin + (u16)(ends >> 16),
			      begin + (u16)(ends >> 32) };
	return ends >> 48 == HART_ENTRY && begin - slots < LAYOUT_SLOTS * LAYOUT_SLOT_SIZE &&
	       begin < w->swapped && w->swapped < w->moved && w->moved < w->saved;
}

/*
 * The hart was in the hypervisor: is the pc inside the trap entry, and how far did that come? False: the guest's registers
 * are lost, because a trap of the hypervisor's own has overwritten the guest's, or nobody knows where the trap entry is.
 */
static bool complete_entry(struct vcpu_record *r, const struct hart_record *h)
{
	const struct hart_found *f = &h->found;
	struct window w;
	bool is_caught, has_moved;

	if (!window_of(h, &w))
		return false;
	if (f->pc >= w.saved || f->pc < w.begin - LIFE_ENTRY_CAUGHT)
		return true;
	is_caught = f->pc < w.begin;
	has_moved = is_caught || f->pc >= w.moved;
	if (!is_caught && !(f->hstatus & HSTATUS_SPV))
		return false;
	take_general(r, f, has_moved ? ALL_GENERAL & ~(BIT(T0) | BIT(TP)) : ALL_GENERAL);
	if (has_moved || f->pc >= w.swapped)
		estate_store(&r->x[A0], f->sscratch);
	if (!is_caught)
		take_trap_registers(r, f);
	return true;
}

u64 found_collect(struct hart *hart)
{
	struct hart_record *h = hart->record;
	u64 index = h->vcpu;

	if (index < estate.vcpu_count) {
		struct vcpu_record *r = estate_vcpu(index);

		if (h->found.state == FOUND_HS) {
			if (!complete_entry(r, h)) {
				log_line("vCPU record %lu: its registers are lost in the trap entry", index);
				estate_store(&r->park_reason, PARK_RECORD);
				estate_store(&r->state, VCPU_PARKED);
			}
		} else if (h->found.state == FOUND_PARKED) {
			take_general(r, &h->found, ALL_GENERAL);
			take_trap_registers(r, &h->found);
		}
		vcpu_collect(hart);
	} else {
		index = NO_VCPU;
		estate_store(&h->lazy, NO_VCPU);
	}
	crash_hart_came(hart->index, h);
	estate_store(&h->found.state, FOUND_NOTHING);
	return index;
}
