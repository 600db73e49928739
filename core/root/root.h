/*
 * The root VM: a VM that was given the machine. Its RAM has the machine's addresses (guest physical = host physical), its
 * vCPUs are the machine's harts, its PLIC and UART are ours but stand where the machine's do, and the devices that its
 * configuration passes through (VM_DEV_PASS: virtio windows of the machine) are the machine's own, with their interrupts.
 * So a kernel that runs on its device tree could run on the bare machine with the same one (docs/root-vm.md).
 *
 * There is no IOMMU: what a passed-through device is told to do, it does to any RAM. The root VM is trusted.
 *
 * Interrupts of passed-through devices. The machine's PLIC hands a source to the hypervisor, which raises the line of the
 * same number in the root's own PLIC and does not complete the source: the machine's gateway stays closed, so a device
 * that asserts for long costs one interrupt. The root's claim takes the line down, and its completion then completes the
 * source at the machine's PLIC, which says so again if the device still asserts. If the line is up again by then, because an
 * heir has opened the source while the root was at it, the root claims once more first.
 *
 * That needs no state of its own in the estate. A life that ends anywhere in between leaves a source that is closed, open
 * or (on machines whose PLIC forgets a level that it has handed out, as QEMU's) lost. Its heir completes all sources
 * (host_plic_init) and raises the lines of all devices that are passed through (root_resume): the root finds nothing to do
 * for those that did not assert, which a driver can bear, and no interrupt is lost.
 */
#ifndef CORE_ROOT_ROOT_H
#define CORE_ROOT_ROOT_H

#include "core/vm/guest_fdt.h"
#include "core/vm/vm.h"

/* The virtio windows of the machine that a VM's configuration passes through: bit n for the n-th by ascending address. */
u32 root_windows(const struct vm_config *config);

/* The root VM of this life, NULL if there is none. */
struct vm *root_vm(void);

/*
 * Whether this machine can have the root VM that `config` asks for. -ENODEV: not, and `why` (of `size` bytes) says what is
 * in the way. For the first life, before anything is made.
 */
int root_check(const struct vm_config *config, char *why, size_t size);

/* Makes the root's n-th vCPU record that of the machine's n-th hart: its id, and nowhere else to run. */
void root_bind(struct vcpu_record *r, u32 n);

/* For an heir: true if what root_check and root_bind saw to still holds, and no VM before this one is the root. */
bool root_valid(const struct vm *vm);

/* The vCPU that has context `context` of the machine's PLIC as its supervisor's, or NULL. */
struct vcpu *root_context(const struct vm *vm, u64 context);

/* Bit n: source n of the PLIC is that of a device that is passed through. */
u64 root_sources(void);

/* Maps the page of a passed-through device's registers. -EFAULT: there is none at `at`; -ENOMEM: no page for tables. */
int root_map(struct vm *vm, gpa_t at);

/*
 * From the machine's PLIC: source `irq` has been claimed. True: it is the root's, which will complete it
 * (host_irq_complete); false: it is not, or there is no root any more. Takes the root's dev_lock; no locks held.
 */
bool root_interrupt(unsigned irq);

/*
 * Resets the devices that are passed through, and their interrupts: afterwards none of them touches memory. The root does
 * not run. -EIO: one does not come out of its reset.
 */
int root_reset_devices(struct vm *vm);

/* For an heir, before the root runs: see above. dev_lock held. */
void root_resume(struct vm *vm);

/*
 * The root's device tree: the machine's own, as the firmware left it, but that devices which the root does not have are out
 * of use, RAM that is not the root's is reserved memory, and harts do not have what the hypervisor keeps from guests
 * (core/root/root_fdt.c). Written to `size` bytes at `to`, 8-byte aligned. -EINVAL, -ENOSPC: it cannot be made, as `why`
 * says.
 */
int root_fdt_build(const struct vm *vm, const struct guest_boot *boot, void *to, u64 size, char *why,
		   size_t why_size);

/* Bytes that root_fdt_build needs at most. */
u64 root_fdt_bound(void);

#endif
