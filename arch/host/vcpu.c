/* The fake machine's vCPUs: registers that nobody runs. */
#include "core/vcpu/vcpu.h"
#include "arch/host/host.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/vcpu/sched.h"
#include "core/vm/vm.h"

struct txn *arch_txn(void)
{
	static _Thread_local struct txn t;

	txn_begin(&t, &estate.harts[arch_hart()].redo);
	return &t;
}

bool arch_vcpu_loaded(void)
{
	return host->current[arch_hart()];
}

void arch_vcpu_drop(void)
{
	struct vcpu *v = host->current[arch_hart()];

	host->current[arch_hart()] = NULL;
	if (v)
		sched_put(v, arch_vcpu_wake_time(v));
}

void arch_vcpu_reset(struct vcpu *v, u64 pc, u64 a1)
{
	struct vcpu_record *r = v->r;

	for (unsigned n = 0; n < ARRAY_SIZE(r->x); n++)
		estate_store(&r->x[n], 0);
#define X(field, reset, what) estate_store(&r->field, reset);
	VCPU_TRAP_CSRS(X)
#undef X
#define X(field, csr, reset, what) estate_store(&r->field, reset);
	VCPU_SWITCH_CSRS(X)
#undef X
	estate_store(&r->pc, pc);
	estate_store(&r->x[10], r->id);
	estate_store(&r->x[11], a1);
}

u64 arch_vcpu_wake_time(const struct vcpu *v)
{
	u64 when = v->r->vstimecmp, offset = v->vm->s->guest_offset;

	if (when == ~0ull)
		return when;
	return when < offset ? 0 : when - offset;
}

bool arch_vcpu_valid(const struct vcpu_record *r)
{
	return (r->pc & 1) == 0;
}
