/* The root VM's addresses, harts, devices and interrupts: see root.h. */
#include "core/root/root.h"
#include "core/arch.h"
#include "core/devices/backend.h"
#include "core/devices/plic.h"
#include "core/estate/estate.h"
#include "core/estate/txn.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"

u32 root_windows(const struct vm_config *config)
{
	u32 windows = 0;

	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
		const struct vm_device_config *d = &config->devices[slot];

		if (d->kind == VM_DEV_PASS && d->host_unit < MACHINE_MAX_VIRTIO)
			windows |= 1u << d->host_unit;
	}
	return windows;
}

struct vm *root_vm(void)
{
	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (vms[n] && vm_is_root(vms[n]))
			return vms[n];
	}
	return NULL;
}

/* ---- What a machine must have ---- */

/* A failed check: its text, and the error, in one expression. */
#define BAD(...) (format(why, size, __VA_ARGS__), -ENODEV)

/* PLIC and UART are emulated where the machine has them. */
static int check_platform(char *why, size_t size)
{
	const struct machine_record *m = &estate.machine;

	if (!m->dtb.size)
		return BAD("its device tree was not kept");
	if (m->plic.base % PAGE_SIZE || m->plic.size > GUEST_PLIC_SIZE)
		return BAD("its PLIC has %lu KiB at 0x%lx; at most %llu KiB at whole pages are supported",
			   (unsigned long)(m->plic.size >> 10), (unsigned long)m->plic.base,
			   GUEST_PLIC_SIZE >> 10);
	if (!m->uart.size || m->uart.base % PAGE_SIZE || m->uart_shift || m->uart_irq != GUEST_UART_IRQ)
		return BAD("it has no UART of the kind that guests have (ns16550a, interrupt %u)",
			   GUEST_UART_IRQ);
	return 0;
}

static int check_window(unsigned n, char *why, size_t size)
{
	const struct machine_record *m = &estate.machine;

	if (n >= m->virtio_count)
		return BAD("it has %u virtio windows, number %u is passed through", m->virtio_count, n);
	if (m->virtio[n].base % PAGE_SIZE || m->virtio[n].size % PAGE_SIZE || !m->virtio[n].size)
		return BAD("virtio window %u at 0x%lx is not in whole pages", n,
			   (unsigned long)m->virtio[n].base);
	if (!m->virtio_irq[n] || m->virtio_irq[n] >= PLIC_SOURCES || m->virtio_irq[n] == GUEST_UART_IRQ)
		return BAD("virtio window %u has interrupt %u", n, m->virtio_irq[n]);
	return 0;
}

int root_check(const struct vm_config *config, char *why, size_t size)
{
	const struct machine_record *m = &estate.machine;
	u32 windows = root_windows(config);
	int error = check_platform(why, size);

	if (error)
		return error;
	if (config->vcpus != m->hart_count)
		return BAD("it has %u harts, the root VM %u vCPUs", m->hart_count, config->vcpus);
	for (unsigned n = 0; !error && n < MACHINE_MAX_VIRTIO; n++) {
		if (windows >> n & 1)
			error = check_window(n, why, size);
	}
	return error;
}

void root_bind(struct vcpu_record *r, u32 n)
{
	r->id = estate.machine.hart_ids[n];
	r->affinity = 1ull << n;
}

bool root_valid(const struct vm *vm)
{
	const struct machine_record *m = &estate.machine;
	char why[120];

	for (unsigned n = 0; n < vm->index; n++) {
		if (vms[n] && vm_is_root(vms[n]))
			return false;
	}
	if (root_check(&vm->config, why, sizeof(why)) || root_windows(&vm->config) != m->root_windows)
		return false;
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		const struct vcpu_record *r = vm->vcpu[n].r;

		if (r->id != m->hart_ids[n] || r->affinity != 1ull << n)
			return false;
	}
	return true;
}

struct vcpu *root_context(const struct vm *vm, u64 context)
{
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		if (estate.machine.plic_context[n] == context)
			return &vm->vcpu[n];
	}
	return NULL;
}

/* ---- Devices ---- */

u64 root_sources(void)
{
	const struct machine_record *m = &estate.machine;
	u64 sources = 0;

	for (unsigned n = 0; n < m->virtio_count; n++) {
		if ((m->root_windows >> n & 1) && m->virtio_irq[n] < PLIC_SOURCES)
			sources |= 1ull << m->virtio_irq[n];
	}
	return sources & ~1ull;
}

int root_map(struct vm *vm, gpa_t at)
{
	const struct machine_record *m = &estate.machine;

	for (unsigned n = 0; n < m->virtio_count; n++) {
		if ((m->root_windows >> n & 1) && range_inside(at.a, 1, m->virtio[n].base, m->virtio[n].size))
			return gstage_map(&vm->gstage, at, 0, HPA(ALIGN_DOWN(at.a, PAGE_SIZE)),
					  GSTAGE_READ | GSTAGE_WRITE);
	}
	return -EFAULT;
}

bool root_interrupt(unsigned irq)
{
	struct vm *vm;
	struct txn *t;

	if (irq >= PLIC_SOURCES || !(root_sources() >> irq & 1))
		return false;
	vm = root_vm();
	if (!vm)
		return false;
	t = arch_txn();
	lock_take(&vm->dev_lock);
	plic_stage_line(vm, t, irq, true);
	txn_commit(t);
	plic_update(vm);
	lock_release(&vm->dev_lock);
	return true;
}

int root_reset_devices(struct vm *vm)
{
	const struct machine_record *m = &estate.machine;
	int result = 0;

	for (unsigned n = 0; n < m->virtio_count; n++) {
		if (!(m->root_windows >> n & 1))
			continue;
		arch_beat();
		if (host_window_reset(n)) {
			log_line("%s: the device at 0x%lx does not come out of its reset", vm->config.name,
				 m->virtio[n].base);
			result = -EIO;
		}
		lock_take(&vm->dev_lock);
		plic_restore_line(vm, m->virtio_irq[n], false);
		host_irq_complete(m->virtio_irq[n]);
		lock_release(&vm->dev_lock);
	}
	return result;
}

void root_resume(struct vm *vm)
{
	u64 sources = root_sources();

	for (unsigned irq = 1; irq < PLIC_SOURCES; irq++) {
		if (sources >> irq & 1)
			plic_restore_line(vm, irq, true);
	}
}
