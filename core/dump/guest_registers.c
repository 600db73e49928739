/* See guest_registers.h. Bits are those of the RISC-V privileged specification, sections 12.1 and 15.2. */
#include "core/dump/guest_registers.h"
#include "core/estate/estate.h"
#include "core/lib/string.h"
#include "core/vm/vm.h"

#define SSTATUS_SPP (1ull << 8) /* of the trap out of the guest: it was in supervisor mode */

/* Supervisor interrupts pending; those of a guest stand one bit higher in hvip. */
#define SIP_SOFTWARE (1ull << 1)
#define SIP_TIMER    (1ull << 5)
#define SIP_EXTERNAL (1ull << 9)

static u64 pending(const struct vcpu_record *r, u64 guest_now)
{
	u64 sip = r->hvip >> 1 & (SIP_SOFTWARE | SIP_TIMER | SIP_EXTERNAL);

	if (guest_now >= r->vstimecmp)
		sip |= SIP_TIMER;
	if (estate_load(&r->ipi))
		sip |= SIP_SOFTWARE;
	if (estate_load(&r->irq))
		sip |= SIP_EXTERNAL;
	return sip;
}

void guest_registers(const struct vcpu *v, u64 now, struct ctl_dump_vcpu *to)
{
	const struct vcpu_record *r = v->r;
	u64 guest_now = now + estate_load(&v->vm->s->guest_offset);

	*to = (struct ctl_dump_vcpu){
		.id = r->id,
		.state = estate_load(&r->state),
		.pc = r->pc,
		.mode = r->sstatus & SSTATUS_SPP ? 1 : 0,
		.sstatus = r->vsstatus,
		.sie = r->vsie,
		.sip = pending(r, guest_now),
		.stvec = r->vstvec,
		.sscratch = r->vsscratch,
		.sepc = r->vsepc,
		.scause = r->vscause,
		.stval = r->vstval,
		.satp = r->vsatp,
		.stimecmp = r->vstimecmp,
		.time = guest_now,
		.fcsr = r->fcsr,
	};
	memcpy(to->x, r->x, sizeof(to->x));
	to->x[0] = 0;
	memcpy(to->f, r->f, sizeof(to->f));
}
