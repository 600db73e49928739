/* VMs as a whole: made, started, stopped. Operations are carried out by a hart's loop, one at a time. */
#include "core/vm/vm.h"
#include "core/arch.h"
#include "core/devices/plic.h"
#include "core/devices/uart.h"
#include "core/devices/virtio.h"
#include "core/dump/guest_dump.h"
#include "core/estate/cold.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/sealed.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "core/private/private.h"
#include "core/recorder/recorder.h"
#include "core/root/root.h"
#include "core/root/takeover.h"
#include "core/vcpu/sched.h"
#include "core/vm/load.h"
#include "core/vm/pack.h"

SEALED struct vm *vms[MAX_VMS];

static struct lock operations; /* one operation on VMs at a time */
static u64 requests;	       /* some VM has end_wanted, or is VM_STARTING */
static SEALED struct pack pack;

int vm_open_pack(void)
{
	char why[160];
	const void *at = (const void *)(uintptr_t)estate.machine.pack.base;
	int error = -EINVAL;

	format(why, sizeof(why), "the machine was started without one");
	if (estate.machine.pack.size)
		error = pack_open(&pack, at, estate.machine.pack.size, why, sizeof(why));
	if (error)
		log_line("boot pack: %s", why);
	return error;
}

/* ---- Making ---- */

static u64 identity_crc(const struct vcpu_record *r)
{
	u32 crc = crc32c(0, &r->magic, sizeof(r->magic));

	crc = crc32c(crc, &r->vm, sizeof(r->vm));
	return crc32c(crc, &r->id, sizeof(r->id));
}

/* The volatile side of one vCPU; its record says who it is. */
static int create_vcpu(struct vm *vm, u32 n, u64 index)
{
	struct vcpu *v = &vm->vcpu[n];

	v->r = estate_vcpu(index);
	v->vm = vm;
	v->index = index;
	v->id = VCPU_NO_ID;
	v->wake_at = ~0ull;
	if (v->r->magic != VCPU_MAGIC || v->r->vm != vm->index || v->r->identity_crc != identity_crc(v->r) ||
	    v->r->state < VCPU_STOPPED || v->r->state > VCPU_PARKED || !arch_vcpu_valid(v->r))
		return -EINVAL;
	return idmap_set(&vm->ids, v, &v->id, v->r->id);
}

int vm_create(unsigned index, const struct vm_config *config, u64 first_vcpu)
{
	struct vm *vm = object_alloc(sizeof(*vm));
	int error;

	if (!vm)
		return -ENOMEM;
	vm->index = index;
	vm->config = *config;
	for (u32 i = 0; i < VM_MAX_EXTENTS; i++)
		vm->extent_check[i] = backing_check(&config->extents[i]);
	vm->s = &estate_vm(index)->state;
	vm->console = &estate.consoles[index];
	vm->vcpu = object_alloc(config->vcpus * sizeof(struct vcpu));
	if (!vm->vcpu)
		return -ENOMEM;
	if (vm_is_confidential(vm))
		error = private_create(vm);
	else
		error = gstage_create(&vm->gstage, gstage_format_for(backing_base(config) + config->memory),
				      index + 1);
	for (u32 n = 0; !error && n < config->vcpus; n++)
		error = create_vcpu(vm, n, first_vcpu + n);
	for (unsigned slot = 0; !error && slot < VM_MAX_DEVICES; slot++)
		error = virtio_create(vm, slot);
	if (!error)
		vms[index] = vm;
	return error;
}

/* A VM of the pack gets its records in the estate: configuration with extents, and vCPUs with ids 0, 1, 2... */
static int create_records(unsigned index, struct vm_config *config, u64 first_vcpu)
{
	struct vm_state *s = &estate_vm(index)->state;
	u64 have;
	int error;

	if (config->vcpus > estate.vcpu_count - first_vcpu) {
		log_line("%s: %u vCPUs wanted, the host has records for %lu more", config->name,
			 config->vcpus, estate.vcpu_count - first_vcpu);
		return -ENOMEM;
	}
	if (config->flags & VM_ROOT) {
		char why[120];

		error = root_check(config, why, sizeof(why));
		if (error) {
			log_line("%s: this machine can have no root VM: %s", config->name, why);
			return error;
		}
	}
	if (config->flags & VM_CONFIDENTIAL) {
		char why[160];

		error = private_plan(config, why, sizeof(why));
		if (error) {
			log_line("%s: cannot be confidential: %s", config->name, why);
			return error;
		}
	}
	error = backing_assign(config, &have);
	if (error) {
		log_line("%s: %lu MiB of memory wanted, %lu MiB left%s", config->name, config->memory >> 20,
			 have >> 20,
			 config->flags & VM_ROOT	   ? " (the root VM needs one piece)"
			 : config->flags & VM_CONFIDENTIAL ? " of the pool (machine.confidential)"
							   : "");
		return error;
	}
	for (u32 n = 0; n < config->vcpus; n++) {
		struct vcpu_record *r = estate_vcpu(first_vcpu + n);

		*r = (struct vcpu_record){ .magic = VCPU_MAGIC, .vm = index, .id = n, .state = VCPU_STOPPED };
		r->affinity = config->affinity ? config->affinity : ~0ull;
		if (config->flags & VM_ROOT)
			root_bind(r, n);
		r->identity_crc = identity_crc(r);
		arch_vcpu_reset(&(struct vcpu){ .r = r }, 0, 0);
	}
	estate_store(&s->first_vcpu, first_vcpu);
	cold_write_both(estate_vm(index)->config, COLD_VM, config, sizeof(*config));
	/* From here on an heir knows it. */
	estate_store(&s->run_state, VM_STOPPED);
	return 0;
}

/* vCPU records from here on belong to nobody. All do if a VM that is lost does not say which were its. */
static u64 first_free_vcpu(void)
{
	u64 end = 0;

	for (unsigned n = 0; n < MAX_VMS; n++) {
		const struct vm_state *s = &estate_vm(n)->state;
		u64 vcpus, own_end;

		if (s->run_state == VM_UNUSED)
			continue;
		vcpus = vms[n] ? vms[n]->config.vcpus : n < pack.header->vm_count ? pack.vms[n].vcpus : 0;
		if (!vcpus || s->first_vcpu >= estate.vcpu_count)
			return estate.vcpu_count;
		own_end = s->first_vcpu + vcpus;
		end = own_end > end ? own_end : end;
	}
	return end < estate.vcpu_count ? end : estate.vcpu_count;
}

/* Makes the pack's n-th VM, unless it is there: a life before made it. */
static void create_from_pack(unsigned n)
{
	struct vm_config config = pack.vms[n];
	struct vm_state *s = &estate_vm(n)->state;
	u64 first_vcpu = first_free_vcpu();
	int error;

	if (s->run_state != VM_UNUSED || create_records(n, &config, first_vcpu))
		return;
	error = vm_create(n, &config, first_vcpu);
	if (error) {
		log_line("%s: cannot be made: error %d%s", config.name, -error,
			 error == -ENODEV ? " (a device that this machine lacks)" : "");
		estate_store(&s->run_state, VM_UNUSED);
	}
}

void vm_create_all(void)
{
	if (!pack.header)
		return;
	/* The root VM first: it needs its RAM in one piece, the others take what is left. */
	for (unsigned n = 0; n < pack.header->vm_count; n++)
		if (pack.vms[n].flags & VM_ROOT)
			create_from_pack(n);
	for (unsigned n = 0; n < pack.header->vm_count; n++)
		if (!(pack.vms[n].flags & VM_ROOT))
			create_from_pack(n);
}

/* True if it has never been started, nor stopped. */
static bool is_new(const struct vm *vm)
{
	return vm->s->run_state == VM_STOPPED && !vm->s->boots && vm->s->reason == VM_REASON_NONE;
}

void vm_autostart(void)
{
	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (vms[n] && vms[n]->config.autostart && is_new(vms[n]))
			vm_start(vms[n]);
	}
}

/* ---- Operations ---- */

/* A hart that waits here has no vCPU, so that the operation it waits for can stop all of them. */
static void operation_begin(void)
{
	arch_vcpu_drop();
	while (!lock_try(&operations)) {
		arch_beat();
		arch_doze();
	}
}

static void operation_end(void)
{
	lock_release(&operations);
}

static void set_state(struct vm *vm, enum vm_run_state state, enum vm_stop_reason reason)
{
	struct txn *t = arch_txn();

	txn_set(t, &vm->s->reason, reason);
	txn_set(t, &vm->s->run_state, state);
	txn_commit(t);
}

static void remove_vcpus(struct vm *vm)
{
	for (u32 n = 0; n < vm->config.vcpus; n++)
		sched_remove(&vm->vcpu[n]);
}

/* For good. Only when they are off their harts is their request done with: a call for a reset repeats itself until then. */
static void end_vcpus(struct vm *vm)
{
	remove_vcpus(vm);
	vm->end_wanted = 0;
}

static void reset_vcpu(struct vcpu *v)
{
	struct vcpu_record *r = v->r;

	estate_store(&r->state, VCPU_STOPPED);
	estate_store(&r->park_reason, PARK_NONE);
	estate_store(&r->ipi, 0);
	estate_store(&r->fence, 1);
	estate_store(&r->irq, 0);
	estate_store(&r->suspend_resume_pc, 0);
	estate_store(&r->plic_enable, 0);
	estate_store(&r->plic_threshold, 0);
	estate_store(&r->plic_claimed, 0);
	arch_vcpu_reset(v, 0, 0);
}

static void reset_devices(struct vm *vm)
{
	lock_take(&vm->dev_lock);
	plic_reset(vm);
	uart_reset(vm);
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++)
		virtio_reset(vm, slot);
	lock_release(&vm->dev_lock);
}

#define DEVICES_PATIENCE_S 5

/* The host's devices may still write into the VM's memory for requests of its last boot. */
static int wait_for_devices(const struct vm *vm)
{
	u64 begin = arch_time();

	while (!virtio_quiet(vm)) {
		if (arch_time() - begin > DEVICES_PATIENCE_S * estate.machine.timebase) {
			log_line("%s: a device of the host does not finish a request", vm->config.name);
			return -EIO;
		}
		drivers_look();
		arch_beat();
	}
	return 0;
}

/* Its memory reads as zeroes afterwards. */
static int fresh_memory(struct vm *vm)
{
	int error;

	if (vm_is_confidential(vm))
		return private_launch(vm);
	error = gstage_zap(&vm->gstage, GPA(0), backing_base(&vm->config) + vm->config.memory);
	if (!error)
		backing_reset(vm);
	return error;
}

/* The VM is VM_STARTING, and stays that until it runs, so that an heir begins again. */
static int start_locked(struct vm *vm)
{
	struct load_result result = { 0 };
	struct vcpu *first = vm_is_root(vm) ? &vm->vcpu[0] : idmap_find(&vm->ids, 0);
	int error;

	guest_dump_forget(vm);
	set_state(vm, VM_STARTING, VM_REASON_NONE);
	end_vcpus(vm);
	takeover_ends(vm);
	reset_devices(vm);
	for (u32 n = 0; n < vm->config.vcpus; n++)
		reset_vcpu(&vm->vcpu[n]);
	error = wait_for_devices(vm);
	if (!error && vm_is_root(vm))
		error = root_reset_devices(vm);
	if (!error)
		error = fresh_memory(vm);
	if (!error)
		error = load_vm(vm, &pack, &result);
	if (!error && vm_is_confidential(vm))
		error = private_final(vm, result.entry, result.dtb.a);
	if (error || !first) {
		log_line("%s: does not start: %s (error %d)", vm->config.name,
			 first ? result.text : "no hart 0", -error);
		set_state(vm, VM_CRASHED, VM_REASON_LOAD);
		return error ? error : -EINVAL;
	}
	arch_vcpu_reset(first, result.entry.a, result.dtb.a);
	estate_store(&first->r->state, VCPU_RUNNABLE);
	estate_store(&vm->s->boots, vm->s->boots + 1);
	set_state(vm, VM_RUNNING, VM_REASON_NONE);
	log_line("%s: started, %u vCPUs, %lu MiB", vm->config.name, vm->config.vcpus,
		 vm->config.memory >> 20);
	sched_wake(first);
	return 0;
}

int vm_start(struct vm *vm)
{
	int error;

	operation_begin();
	if (vm->s->run_state == VM_STOPPED || vm->s->run_state == VM_CRASHED)
		error = start_locked(vm);
	else
		error = -EBUSY;
	operation_end();
	return error;
}

static bool is_error(enum vm_stop_reason reason)
{
	return reason != VM_REASON_POWEROFF && reason != VM_REASON_REBOOT && reason != VM_REASON_OPERATOR;
}

static const char *reason_text(enum vm_stop_reason reason)
{
	static const char *const texts[] = {
		[VM_REASON_NONE] = "no reason",
		[VM_REASON_POWEROFF] = "powered off",
		[VM_REASON_REBOOT] = "reboots",
		[VM_REASON_GUEST_FAILURE] = "the guest reports a failure of its own",
		[VM_REASON_OPERATOR] = "stopped by the operator",
		[VM_REASON_RECORD] = "its records did not survive",
		[VM_REASON_TABLES] = "impossible page tables",
		[VM_REASON_MEMORY] = "no memory",
		[VM_REASON_UNHANDLED] = "an exit that nothing handles",
		[VM_REASON_LOAD] = "could not be loaded",
	};

	return reason < ARRAY_SIZE(texts) ? texts[reason] : "?";
}

static void stop_locked(struct vm *vm, enum vm_stop_reason reason)
{
	set_state(vm, is_error(reason) ? VM_CRASHED : VM_STOPPED, reason);
	end_vcpus(vm);
	takeover_ends(vm);
	reset_devices(vm);
	if (vm_is_root(vm))
		root_reset_devices(vm);
	if (vm_is_confidential(vm))
		private_end(vm);
	log_line("%s: stopped: %s", vm->config.name, reason_text(reason));
	if (is_error(reason))
		recorder_oops("%s: stopped: %s", vm->config.name, reason_text(reason));
}

int vm_stop(struct vm *vm, enum vm_stop_reason reason)
{
	operation_begin();
	if (vm->s->run_state == VM_RUNNING || vm->s->run_state == VM_PAUSED ||
	    vm->s->run_state == VM_STARTING)
		stop_locked(vm, reason);
	operation_end();
	return 0;
}

int vm_reset(struct vm *vm)
{
	int error;

	operation_begin();
	error = start_locked(vm);
	operation_end();
	return error;
}

int vm_pause(struct vm *vm)
{
	int error = 0;

	operation_begin();
	if (vm->s->run_state == VM_RUNNING) {
		estate_store(&vm->s->run_state, VM_PAUSED);
		remove_vcpus(vm);
	} else if (vm->s->run_state != VM_PAUSED) {
		error = -EBUSY;
	}
	operation_end();
	return error;
}

int vm_resume(struct vm *vm)
{
	int error = 0;

	operation_begin();
	if (vm->s->run_state == VM_PAUSED) {
		estate_store(&vm->s->run_state, VM_RUNNING);
		for (u32 n = 0; n < vm->config.vcpus; n++) {
			/* One that waited looks at its timer again by itself. */
			if (vm->vcpu[n].r->state == VCPU_WAITING)
				estate_store(&vm->vcpu[n].r->state, VCPU_RUNNABLE);
			sched_wake(&vm->vcpu[n]);
		}
	} else if (vm->s->run_state != VM_RUNNING) {
		error = -EBUSY;
	}
	operation_end();
	return error;
}

/* All harts are kicked before any is waited for. */
static bool hold(struct vm *vm)
{
	__atomic_store_n(&vm->held, 1, __ATOMIC_SEQ_CST);
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		u32 on = __atomic_load_n(&vm->vcpu[n].hart_plus_1, __ATOMIC_SEQ_CST);

		if (on)
			arch_kick(on - 1);
	}
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		if (__atomic_load_n(&vm->vcpu[n].away, __ATOMIC_RELAXED))
			return false;
		sched_hold(&vm->vcpu[n]);
	}
	return true;
}

void vm_let_go(struct vm *vm)
{
	__atomic_store_n(&vm->held, 0, __ATOMIC_SEQ_CST);
	for (u32 n = 0; n < vm->config.vcpus; n++)
		sched_wake(&vm->vcpu[n]);
	virtio_wake(vm);
}

int vm_freeze(struct vm *vm, bool keep, int (*f)(struct vm *vm, void *context), void *context, u64 *pause)
{
	u64 state, begin;
	int error = -ENXIO;

	*pause = 0;
	operation_begin();
	state = vm->s->run_state;
	if (state == VM_RUNNING || state == VM_PAUSED || state == VM_CRASHED) {
		begin = arch_time();
		error = -EAGAIN;
		if (hold(vm)) {
			lock_take(&vm->dev_lock);
			error = f(vm, context);
			lock_release(&vm->dev_lock);
		}
		if (error || !keep)
			vm_let_go(vm);
		if (state == VM_RUNNING)
			*pause = arch_time() - begin;
	}
	operation_end();
	return error;
}

/* ---- Requests of guests ---- */

void vm_request_end(struct vm *vm, enum vm_stop_reason reason)
{
	__atomic_store_n(&vm->end_wanted, (u64)reason + 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&requests, 1, __ATOMIC_SEQ_CST);
}

enum vm_stop_reason vm_reason_of_park(u64 reason)
{
	switch (reason) {
	case PARK_MEMORY:
		return VM_REASON_MEMORY;
	case PARK_TABLES:
		return VM_REASON_TABLES;
	case PARK_RECORD:
		return VM_REASON_RECORD;
	default:
		return VM_REASON_UNHANDLED;
	}
}

void vm_look_for_requests(void)
{
	__atomic_store_n(&requests, 1, __ATOMIC_SEQ_CST);
}

static void end(struct vm *vm, enum vm_stop_reason reason)
{
	u32 action = reason == VM_REASON_POWEROFF ? vm->config.on_poweroff
		     : reason == VM_REASON_REBOOT ? vm->config.on_reboot
						  : vm->config.on_crash;

	if (action == VM_ACTION_RESTART) {
		log_line("%s: restarts: %s", vm->config.name, reason_text(reason));
		if (is_error(reason))
			recorder_oops("%s: restarts: %s", vm->config.name, reason_text(reason));
		start_locked(vm);
	} else {
		stop_locked(vm, reason);
	}
}

/* A host for one VM ends with it. */
static void off_when_idle(void)
{
	bool any = false;

	if (!(estate.machine.pack_flags & PACK_FLAG_EXIT_WHEN_IDLE))
		return;
	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (vms[n] && vms[n]->s->run_state != VM_STOPPED && vms[n]->s->run_state != VM_CRASHED)
			return;
		/* What it said last is still on its way to the operator. */
		if (vms[n] && estate_load(&vms[n]->console->sent) != estate_load(&vms[n]->console->head))
			return;
		any = any || (vms[n] && vms[n]->s->boots);
	}
	if (!any)
		return;
	log_line("no VM is left: the machine goes off");
	recorder_finish();
	arch_machine_off(false);
}

void vm_do_requests(void)
{
	if (!__atomic_load_n(&requests, __ATOMIC_RELAXED)) {
		off_when_idle();
		return;
	}
	if (!lock_try(&operations))
		return;
	arch_vcpu_drop();
	__atomic_store_n(&requests, 0, __ATOMIC_SEQ_CST);
	takeover_work();
	for (unsigned n = 0; n < MAX_VMS; n++) {
		struct vm *vm = vms[n];
		u64 wanted;

		if (!vm)
			continue;
		wanted = __atomic_load_n(&vm->end_wanted, __ATOMIC_SEQ_CST);
		if (wanted)
			end(vm, (enum vm_stop_reason)(wanted - 1));
		else if (vm->s->run_state == VM_STARTING)
			start_locked(vm);
	}
	lock_release(&operations);
}
