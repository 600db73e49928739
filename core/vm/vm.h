/*
 * A VM of this life: the volatile side of a vm_record, rebuilt from it by an heir.
 */
#ifndef CORE_VM_VM_H
#define CORE_VM_VM_H

#include "abi/estate.h"
#include "core/estate/txn.h"
#include "core/gstage/dirty.h"
#include "core/gstage/gstage.h"
#include "core/lib/lock.h"
#include "core/vcpu/idmap.h"
#include "core/vcpu/vcpu.h"

struct confidential;
struct vdev;

struct vm {
	unsigned index;		 /* in the estate's table and in vms[] */
	struct vm_config config; /* validated copy */
	struct vm_state *s;	 /* in the estate */
	struct console_ring *console;
	struct gstage gstage;
	struct dirty_log dirty; /* of the G-stage, if it is on */
	struct idmap ids;
	struct vcpu *vcpu;    /* [config.vcpus] */
	struct lock dev_lock; /* PLIC, UART, virtio devices, console ring: their words in the estate */
	struct vdev *dev[VM_MAX_DEVICES]; /* NULL where the slot is empty */
	u64 held;	/* atomic: vm_freeze keeps its vCPUs and devices still, though it is VM_RUNNING */
	u64 end_wanted; /* enum vm_stop_reason + 1 of a guest that asked for its end, 0: none */
	struct confidential *confidential; /* core/private; NULL: it is an ordinary VM */
	u64 extent_check
		[VM_MAX_EXTENTS]; /* of config.extents: see backing_check. Last: offsets below 2 KiB cost less */
};

/* The root VM has the machine's own addresses and devices: see core/root/root.h. */
static inline bool vm_is_root(const struct vm *vm)
{
	return vm->config.flags & VM_ROOT;
}

/* The warden has its memory and registers: see core/private/private.h. */
static inline bool vm_is_confidential(const struct vm *vm)
{
	return vm->config.flags & VM_CONFIDENTIAL;
}

/* All VMs of the host by index; NULL where there is none. Set while a life starts, constant afterwards. */
extern struct vm *vms[MAX_VMS];

/* Addresses of a guest's machine: those of QEMU's virt, which every kernel knows. */
#define GUEST_PLIC_BASE	       0x0c000000ull
#define GUEST_PLIC_SIZE	       0x04000000ull
#define GUEST_UART_BASE	       0x10000000ull
#define GUEST_UART_SIZE	       0x100ull
#define GUEST_UART_IRQ	       10
#define GUEST_VIRTIO_BASE      0x10001000ull
#define GUEST_VIRTIO_STRIDE    0x1000ull
#define GUEST_VIRTIO_IRQ(slot) (1 + (slot))

/*
 * Makes the volatile side of VM `index` from `config`, which is valid and has its extents; vCPU records first_vcpu and on
 * are its. -ENOMEM, -ENODEV (a device that the host lacks), -EINVAL (its vCPU records disagree).
 */
int vm_create(unsigned index, const struct vm_config *config, u64 first_vcpu);

/*
 * Takes over the VMs of the boot pack that are not there yet, with memory and records for each: in the first life all, in an
 * heir, after adopt_vms, those that the first did not live to make. One that cannot be is left out, with a line in the log.
 */
void vm_create_all(void);

/* Starts what the host file says is to start by itself, and has never been started. */
void vm_autostart(void);

/*
 * Starts a VM from its boot items: memory forgotten, devices reset, kernel loaded, the vCPU with id 0 runnable.
 * -EBUSY if it runs; -EINVAL and others if the kernel does not load (VM_REASON_LOAD is recorded).
 */
int vm_start(struct vm *vm);

/* Stops it at once: every vCPU off its hart, state VM_STOPPED (or VM_CRASHED for error reasons). 0 if stopped already. */
int vm_stop(struct vm *vm, enum vm_stop_reason reason);

/* Stops and starts again. */
int vm_reset(struct vm *vm);

/* Takes its vCPUs off their harts, and puts them back. 0 also if it is so already; -EBUSY if it does not run. */
int vm_pause(struct vm *vm);
int vm_resume(struct vm *vm);

/*
 * Calls f(vm, context) at an instant at which the VM stands still: no vCPU is on a hart, all registers are in the records, no
 * device of it works, and dev_lock is held. Its run state does not change, so that it goes on if this life ends. With `keep`,
 * and if f returns 0, it stands still until vm_let_go; otherwise it goes on at once, and *pause is how long it stood still
 * (ticks; 0 if it did not run before). Returns what f does; -ENXIO: it has no guest; -EAGAIN: a vCPU of it is still in a hart
 * of the life before. Not nested. As vm_pause otherwise.
 */
int vm_freeze(struct vm *vm, bool keep, int (*f)(struct vm *vm, void *context), void *context, u64 *pause);
void vm_let_go(struct vm *vm);

/*
 * From an exit handler: the guest asked for the end (power-off, reboot), or can't go on. The request is carried out by
 * the hart's loop, outside of any exit; what follows is the host file's on_poweroff, on_reboot, on_crash.
 */
void vm_request_end(struct vm *vm, enum vm_stop_reason reason);

/* Why a VM ends one of whose vCPUs was parked for `reason`. */
enum vm_stop_reason vm_reason_of_park(u64 reason);

/* Opens the boot pack of the machine record. For each life, before VMs start. -EINVAL: there is none that can be used. */
int vm_open_pack(void);

/*
 * The next vm_do_requests has work: for an heir, because VMs that the dead life was starting are started again; for the
 * root VM's requests.
 */
void vm_look_for_requests(void);

/* Carries out what vm_request_end left, and starts again what a life began to start. From the hart loop. */
void vm_do_requests(void);

#endif
