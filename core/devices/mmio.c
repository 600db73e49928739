/*
 * Dispatch of a guest's device accesses: which device it is, and in which order things happen around it.
 *
 * This is the path of every console byte and every register that a guest's driver polls, so it does no more than it must:
 * three comparisons, a lock, the device, one commit.
 */
#include "core/devices/mmio.h"
#include "core/devices/plic.h"
#include "core/devices/uart.h"
#include "core/devices/virtio.h"
#include "core/lib/errno.h"

/* The most used comes first. */
const struct mmio_region mmio_regions[] = {
	{ GUEST_UART_BASE, GUEST_UART_SIZE, 8, &uart_device },
	{ GUEST_PLIC_BASE, GUEST_PLIC_SIZE, 26, &plic_device },
	{ GUEST_VIRTIO_BASE, VM_MAX_DEVICES *GUEST_VIRTIO_STRIDE, 12, &virtio_device },
};

const unsigned mmio_region_count = ARRAY_SIZE(mmio_regions);

_Static_assert(GUEST_UART_SIZE == 1ull << 8, "one UART is one unit");
_Static_assert(GUEST_PLIC_SIZE == 1ull << 26, "one PLIC is one unit");
_Static_assert(GUEST_VIRTIO_STRIDE == 1ull << 12, "one slot is one unit");

/* What the root VM has for the same, at the machine's addresses (which root_check has found fit). */
static const struct mmio_region root_plic = { GUEST_PLIC_BASE, GUEST_PLIC_SIZE, 26, &plic_root_device };

/* The region of the root VM's `at`, which becomes the address that other VMs have for the same. */
static const struct mmio_region *mmio_find_root(u64 *at)
{
	const struct machine_record *m = &estate.machine;

	if (*at - m->uart.base < m->uart.size && *at - m->uart.base < GUEST_UART_SIZE) {
		*at = *at - m->uart.base + GUEST_UART_BASE;
		return &mmio_regions[0];
	}
	if (*at - m->plic.base < m->plic.size && *at - m->plic.base < GUEST_PLIC_SIZE) {
		*at = *at - m->plic.base + GUEST_PLIC_BASE;
		return &root_plic;
	}
	return NULL;
}

/* The region of `at`, or NULL. */
static const struct mmio_region *mmio_find(u64 at)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mmio_regions); i++)
		if (at - mmio_regions[i].base < mmio_regions[i].size)
			return &mmio_regions[i];
	return NULL;
}

int mmio_access(struct vcpu *v, struct txn *t, gpa_t at, unsigned bytes, bool write, u64 *value,
		void (*finish)(struct vcpu *v, struct txn *t, u64 value, void *cookie), void *cookie)
{
	struct vm *vm = v->vm;
	const struct mmio_region *r = vm_is_root(vm) ? mmio_find_root(&at.a) : mmio_find(at.a);
	const struct mmio_device *device;
	unsigned unit;
	u64 offset;
	bool changed;
	int error;

	/* Aligned accesses cannot reach over the end of a unit. */
	if (!r || (at.a & (bytes - 1)))
		return -EFAULT;
	device = r->device;
	unit = (unsigned)((at.a - r->base) >> r->shift);
	offset = (at.a - r->base) & ((1ull << r->shift) - 1);

	lock_take(&vm->dev_lock);
	if (write)
		error = device->write(vm, unit, t, offset, bytes, *value);
	else
		error = device->read(vm, unit, t, offset, bytes, value);
	if (!error) {
		changed = !txn_is_empty(t);
		finish(v, t, *value, cookie);
		txn_commit(t);
		/* A device that changed nothing has changed no interrupt line either. */
		if (changed)
			plic_update(vm);
		if (write && device->after)
			device->after(vm, unit, t, offset, *value);
	}
	lock_release(&vm->dev_lock);
	return error;
}
