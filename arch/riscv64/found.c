/* Registers that the dead life had not saved yet; see found.h and entry.S. */
#include "arch/riscv64/found.h"
#include "arch/riscv64/vcpu_load.h"
#include "core/estate/estate.h"
#include "core/survive/crash.h"

static void take_general(struct vcpu_record *r, const struct hart_found *f, u64 a0)
{
	for (unsigned n = 1; n < 32; n++)
		estate_store(&r->x[n], f->x[n]);
	estate_store(&r->x[10], a0);
}

static void take_trap_registers(struct vcpu_record *r, const struct hart_found *f)
{
	estate_store(&r->pc, f->sepc);
	estate_store(&r->hstatus, f->hstatus);
	estate_store(&r->sstatus, f->sstatus);
}

/*
 * The life that had the hart when it was found; NULL if the history says nothing of it. That may be an older one than the
 * one before this: an heir that died before it came to this hart has left it as it was.
 */
static const struct life_record *life_of(const struct hart_record *h)
{
	u64 number = estate_load(&h->life);
	const struct life_record *life = estate_life(number);

	return number && life->number == number ? life : NULL;
}

/* The hart was in the hypervisor: is the pc inside the trap entry, and how far did that come? */
static void complete_entry(struct vcpu_record *r, const struct hart_record *h)
{
	const struct hart_found *f = &h->found;
	const struct life_record *dead = life_of(h);

	if (!dead || f->pc < dead->entry_begin || f->pc >= dead->entry_saved)
		return;
	if (f->pc < dead->entry_moved)
		take_general(r, f, f->pc < dead->entry_swapped ? f->x[10] : f->sscratch);
	else
		estate_store(&r->x[10], f->sscratch);
	take_trap_registers(r, f);
}

u64 found_collect(struct hart *hart)
{
	struct hart_record *h = hart->record;
	u64 index = h->vcpu;

	if (index < estate.vcpu_count) {
		struct vcpu_record *r = estate_vcpu(index);

		if (h->found.state == FOUND_HS) {
			complete_entry(r, h);
		} else if (h->found.state == FOUND_PARKED) {
			take_general(r, &h->found, h->found.x[10]);
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
