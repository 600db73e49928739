/* What confidential VMs' vCPUs answer as long as that file is not there. */
#include "warden/private/private.h"

#define LATER __attribute__((weak))

LATER void vcpu_create(struct private_vm *vm, u32 id, u64 page)
{
	vm->vcpu[id] = port_at(page);
}

LATER void vcpu_begin(struct private_vm *vm, u64 pc, u64 a1)
{
	(void)vm, (void)pc, (void)a1;
}

LATER s64 vcpu_enter(struct private_ask *a)
{
	(void)a;
	return PRIVATE_NOT_SUPPORTED;
}

LATER s64 vcpu_state(struct private_ask *a)
{
	(void)a;
	return PRIVATE_NOT_SUPPORTED;
}
