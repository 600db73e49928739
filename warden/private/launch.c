#include "warden/private/pool.h"

/* Measured from the page, not from where the caller could still change it. */
s64 launch_load(struct private_ask *a)
{
	const u64 bytes = a->arg[3];
	void *page = port_at(a->page);

	port_copy(page, a->host, bytes);
	measure_load(&a->vm->measure, a->at, page, bytes);
	return PRIVATE_OK;
}

s64 launch_vcpu(struct private_ask *a)
{
	pool_use_page(a->page, PRIVATE_PAGE_VCPU);
	vcpu_create(a->vm, (u32)a->arg[1], a->page);
	return PRIVATE_OK;
}

s64 launch_final(struct private_ask *a)
{
	struct private_vm *vm = a->vm;

	vm->entry = a->arg[1];
	vm->argument = a->arg[2];
	measure_end(&vm->measure, vm->entry, vm->argument, vm->measurement);
	vcpu_begin(vm, vm->entry, vm->argument);
	__atomic_store_n(&vm->state, PRIVATE_VM_ALIVE, __ATOMIC_RELEASE);
	return PRIVATE_OK;
}
