#include "warden/private/pool.h"

static struct private_vm vms[PRIVATE_VMS];

struct private_vm *private_vm(u64 n)
{
	return &vms[n];
}

u64 private_vm_number(const struct private_vm *vm)
{
	return (u64)(vm - vms);
}

static void set_state(struct private_vm *vm, enum private_vm_state state)
{
	__atomic_store_n(&vm->state, state, __ATOMIC_RELEASE);
}

/* The configuration is in vm->config already, and good. */
s64 vm_create(struct private_ask *a)
{
	struct private_vm *vm = a->vm;
	const u64 n = private_vm_number(vm);
	u32 i;

	if (!pool_take(a->block, n))
		return PRIVATE_INVALID_STATE;
	for (i = 0; i < PRIVATE_FIRST_PAGES; i++)
		pool_use_page(a->block + i * PAGE_SIZE, PRIVATE_PAGE_OWN);
	for (i = 0; i < PRIVATE_VCPUS; i++) {
		vm->vcpu[i] = NULL;
		vm->conversion[i] = (struct private_conversion){ 0 };
	}
	vm->vmid = pool_vmid(n);
	vm->blocks = 1;
	vm->running = 0;
	vm->fenced = false;
	vm->root = a->block;
	vm->entry = vm->argument = 0;
	rings_create(vm, port_at(a->block + PRIVATE_ROOT_PAGES * PAGE_SIZE));
	measure_begin(&vm->measure, &vm->config);
	set_state(vm, PRIVATE_VM_LAUNCH);
	return PRIVATE_OK;
}

s64 vm_donate(struct private_ask *a)
{
	if (!pool_take(a->block, private_vm_number(a->vm)))
		return PRIVATE_INVALID_STATE;
	a->vm->blocks++;
	return PRIVATE_OK;
}

/* What a VM that ends had in a TLB goes before its first page does. */
s64 vm_reclaim(struct private_ask *a)
{
	struct private_vm *vm = a->vm;

	if (vm->state == PRIVATE_VM_ENDING && !vm->fenced) {
		port_fence(vm->vmid);
		vm->fenced = true;
	}
	pool_give_back(a->block);
	if (--vm->blocks == 0)
		set_state(vm, PRIVATE_VM_NONE);
	return PRIVATE_OK;
}

s64 vm_end(struct private_ask *a)
{
	set_state(a->vm, PRIVATE_VM_ENDING);
	return PRIVATE_OK;
}
