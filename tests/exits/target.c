/* What the target has in assembler, and in files that fake harts do not run. */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/hlvx.h"
#include "arch/riscv64/paging.h"
#include "arch/riscv64/slot.h"
#include "core/memory/backing.h"
#include "drivers/drivers.h"
#include "drivers/plic.h"
#include "tests/exits/exits.h"
#include <string.h>

void hs_trap(void);
void hs_trap(void)
{
}

void entry_going_in(void);
void entry_going_in(void)
{
}

void secondary_entry(void);
void secondary_entry(void)
{
}

void paging_load(void)
{
}

u64 slot_base(void)
{
	return host_slot(fixture_life);
}

void host_plic_handle(unsigned hart)
{
	(void)hart;
}

void drivers_quiesce(void)
{
}

void fp_save(struct vcpu_record *r);
void fp_save(struct vcpu_record *r)
{
	const struct exits_hart *h = exits_hart();

	if (!(h->csr.sstatus & SSTATUS_FS))
		host_fail("floating point registers are saved with the unit off");
	for (unsigned n = 0; n < 32; n++)
		estate_store(&r->f[n], h->f[n]);
	estate_store(&r->fcsr, h->fcsr);
}

void fp_load(const struct vcpu_record *r);
void fp_load(const struct vcpu_record *r)
{
	struct exits_hart *h = exits_hart();

	if (!(h->csr.sstatus & SSTATUS_FS))
		host_fail("floating point registers are loaded with the unit off");
	for (unsigned n = 0; n < 32; n++) {
		/* Half-way through, what is in the hart is nobody's. */
		arch_estate_point();
		h->f[n] = r->f[n];
	}
	h->fcsr = r->fcsr;
}

/* Of the vector registers as much as a record has room for. */
_Static_assert(sizeof(((struct exits_hart *)0)->v) == VCPU_VECTOR_BYTES, "vector registers fit");

void vector_save(struct vcpu_record *r);
void vector_save(struct vcpu_record *r)
{
	const struct exits_hart *h = exits_hart();
	u64 *to = (u64 *)(void *)r->v;

	if (!(h->csr.sstatus & SSTATUS_VS))
		host_fail("vector registers are saved with the unit off");
	estate_store(&r->vl, h->vl);
	estate_store(&r->vtype, h->vtype);
	for (unsigned n = 0; n < ARRAY_SIZE(h->v); n++)
		estate_store(&to[n], h->v[n]);
}

void vector_load(const struct vcpu_record *r);
void vector_load(const struct vcpu_record *r)
{
	struct exits_hart *h = exits_hart();

	if (!(h->csr.sstatus & SSTATUS_VS))
		host_fail("vector registers are loaded with the unit off");
	h->vl = r->vl;
	h->vtype = r->vtype;
	arch_estate_point();
	memcpy(h->v, r->v, sizeof(h->v));
}

static u32 fetch(u64 at, struct hart *hart, bool *failed, size_t bytes)
{
	struct vm *vm = hart->current->vm;
	u32 value = 0;
	hpa_t ram;
	u64 run;

	if (backing_lookup(vm, GPA(at), &ram, &run) || run < bytes)
		*failed = true;
	else
		memcpy(&value, (void *)(uintptr_t)ram.a, bytes);
	return value;
}

u32 hlvx_hu(u64 at, struct hart *hart, bool *failed)
{
	return fetch(at, hart, failed, 2);
}

u32 hlvx_wu(u64 at, struct hart *hart, bool *failed)
{
	return fetch(at, hart, failed, 4);
}
