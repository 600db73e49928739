/*
 * For devices.h with DEVICES_CONFIDENTIAL: VMs whose rings go through the warden. For the rest they stay ordinary ones: how
 * memory of a confidential VM comes to be is not the devices' business, and core/private/pages.c is not in these programs.
 */
#ifndef TESTS_UNIT_DEVICES_PRIVATE_H
#define TESTS_UNIT_DEVICES_PRIVATE_H

#include "core/devices/vdev.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/private/inside.h"
#include "tests/lib/rings.h"

#define DEVICES_BOUNCE MIB(4)

/* Ordinary RAM of the machine that no extent of a VM is in: its last. */
static inline u64 devices_bounce(const struct vm *vm)
{
	return host->ram + host->ram_size - (vm->index + 1) * DEVICES_BOUNCE;
}

/* In this life. */
static inline void devices_hide(struct vm *vm)
{
	vm->config.flags |= VM_CONFIDENTIAL;
	vm->config.private_number = vm->index;
	vm->config.shared = (struct vm_extent){ .hpa = devices_bounce(vm), .size = DEVICES_BOUNCE };
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++)
		for (unsigned n = 0; vm->dev[slot] && n < VQUEUE_MAX; n++)
			vring_create(&vm->dev[slot]->ring[n], vm, slot, n);
	host->on_private = rings_host_call;
}

/* ---- In place of core/private/pages.c ---- */

int private_fault(struct vm *vm, gpa_t at)
{
	(void)vm;
	return rings_host_fault(at.a);
}

int private_reach(struct vm *vm, gpa_t at, hpa_t *host_at, u64 *run)
{
	const u64 offset = at.a - BOUNCE_BASE, all = bounce_bytes(&vm->config);

	if (offset >= all)
		return -EFAULT;
	*host_at = HPA(vm->config.shared.hpa + offset);
	*run = all - offset;
	return 0;
}

int private_convert(struct vcpu *v, gpa_t at, u64 bytes, bool to_shared)
{
	(void)v, (void)at, (void)bytes, (void)to_shared;
	return -EINVAL;
}

unsigned shared_word(const struct vm *vm, u64 page)
{
	(void)vm, (void)page;
	return VM_SHARED_PAGES;
}

#endif
