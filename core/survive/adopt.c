/* Adoption of the estate by an heir; see adopt.h. */
#include "core/survive/adopt.h"
#include "core/devices/plic.h"
#include "core/devices/uart.h"
#include "core/devices/virtio.h"
#include "core/estate/cold.h"
#include "core/estate/estate.h"
#include "core/estate/txn.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/private/private.h"
#include "core/recorder/recorder.h"
#include "core/root/root.h"
#include "core/survive/life.h"
#include "core/vcpu/sched.h"
#include "core/vm/vm.h"

void adopt_redo(void)
{
	for (unsigned n = 0; n < MAX_HARTS; n++) {
		if (!txn_recover(&estate.harts[n].redo))
			continue;
		log_line("hart record %u: its transaction is damaged and was dropped", n);
		/* Else what is staged next, half of it perhaps, would count at once. */
		estate_store(&estate.harts[n].redo.count, 0);
	}
}

/* The vCPU record says that its registers are in the hart whose record is number n. */
static bool is_in_hart(const struct vcpu_record *r, unsigned n)
{
	u64 hart = estate_load(&r->last_hart);

	return estate_load(&r->volatile_hart) && hart < estate.machine.hart_count &&
	       estate.machine.hart_ids[hart] == n;
}

void adopt_claims(void)
{
	for (unsigned n = 0; n < MAX_HARTS; n++) {
		u64 index = estate_load(&estate.harts[n].vcpu);

		if (index != NO_VCPU && (index >= estate.vcpu_count || !is_in_hart(estate_vcpu(index), n)))
			estate_store(&estate.harts[n].vcpu, NO_VCPU);
	}
}

/* True if the configuration is one that this life can go on with. */
static bool config_valid(const struct vm_config *c)
{
	if (strnlen(c->name, sizeof(c->name)) == sizeof(c->name) ||
	    strnlen(c->cmdline, sizeof(c->cmdline)) == sizeof(c->cmdline))
		return false;
	return c->vcpus >= 1 && c->vcpus <= MAX_VCPU_ID && !(c->flags & ~(VM_ROOT | VM_CONFIDENTIAL)) &&
	       backing_valid(c);
}

static void refuse(unsigned index, const char *why)
{
	struct vm_state *s = &estate_vm(index)->state;

	log_line("VM %u is lost: %s", index, why);
	recorder_oops("VM %u is lost: %s", index, why);
	estate_store(&s->reason, VM_REASON_RECORD);
	estate_store(&s->run_state, VM_CRASHED);
	vms[index] = NULL;
}

/* Its n-th piece of host memory, those of a confidential VM that are no RAM of it last; or NULL. */
static const struct vm_extent *piece(const struct vm_config *c, u32 n)
{
	if (n < c->extent_count)
		return &c->extents[n];
	if (!(c->flags & VM_CONFIDENTIAL) || n > c->extent_count + 1)
		return NULL;
	return n == c->extent_count ? &c->kept : &c->shared;
}

static bool disjoint(const struct vm_config *one, const struct vm_config *other)
{
	const struct vm_extent *a, *b;

	for (u32 i = 0; (a = piece(one, i)); i++)
		for (u32 k = 0; (b = piece(other, k)); k++)
			if (ranges_overlap(a->hpa, a->size, b->hpa, b->size))
				return false;
	return !(one->flags & other->flags & VM_CONFIDENTIAL) || one->private_number != other->private_number;
}

/* No two VMs have the same host memory. */
static bool memory_is_its_own(unsigned index, const struct vm_config *c)
{
	for (unsigned n = 0; n < index; n++)
		if (vms[n] && !disjoint(c, &vms[n]->config))
			return false;
	return true;
}

static bool vcpus_are_its_own(unsigned index, u64 first, u64 count)
{
	if (first >= estate.vcpu_count || count > estate.vcpu_count - first)
		return false;
	for (unsigned n = 0; n < index; n++) {
		if (vms[n] && ranges_overlap(first, count, vms[n]->s->first_vcpu, vms[n]->config.vcpus))
			return false;
	}
	return true;
}

/* A vCPU's registers are in a hart that does not say so. */
static bool is_nowhere(const struct vcpu *v)
{
	if (!estate_load(&v->r->volatile_hart))
		return false;
	for (unsigned n = 0; n < MAX_HARTS; n++) {
		if (estate_load(&estate.harts[n].vcpu) == v->index)
			return false;
	}
	return true;
}

static bool vcpus_found(const struct vm *vm)
{
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		if (is_nowhere(&vm->vcpu[n]))
			return false;
	}
	return true;
}

static bool devices_valid(const struct vm *vm)
{
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
		if (vm->dev[slot] && !virtio_valid(vm, slot))
			return false;
	}
	return plic_valid(vm) && uart_valid(vm) && (!vm_is_root(vm) || root_valid(vm));
}

static void adopt_vm(unsigned index)
{
	struct vm_state *s = &estate_vm(index)->state;
	struct vm_config config;
	char why[160];
	int error;

	if (cold_read(estate_vm(index)->config, COLD_VM, &config, sizeof(config)) || !config_valid(&config)) {
		refuse(index, "its configuration record is damaged");
		return;
	}
	if (s->run_state > VM_STARTING || s->reason > VM_REASON_LOAD) {
		refuse(index, "its state is damaged");
		return;
	}
	if (!memory_is_its_own(index, &config) || !vcpus_are_its_own(index, s->first_vcpu, config.vcpus)) {
		refuse(index, "its records name what belongs to another");
		return;
	}
	error = vm_create(index, &config, s->first_vcpu);
	if (error)
		refuse(index, error == -EINVAL ? "a vCPU record is damaged" : "it cannot be set up");
	else if (!vcpus_found(vms[index]))
		refuse(index, "the registers of a vCPU are in no hart");
	else if (!devices_valid(vms[index]))
		refuse(index, "a device record is damaged");
	else if (vm_is_confidential(vms[index]) && private_adopt(vms[index], why, sizeof(why)))
		refuse(index, why);
}

/* The vCPU with that record, or NULL: a hart's record may name any. */
static struct vcpu *vcpu_of(u64 index)
{
	struct vcpu_record *r = index < estate.vcpu_count ? estate_vcpu(index) : NULL;
	struct vm *vm = r && r->vm < MAX_VMS ? vms[r->vm] : NULL;

	if (!vm || index - vm->s->first_vcpu >= vm->config.vcpus)
		return NULL;
	return &vm->vcpu[index - vm->s->first_vcpu];
}

/*
 * Marks the vCPUs that wait in harts of the dead life. A hart that did not answer the warden has registers that nobody
 * knows: its VM is lost. Returns how many are.
 */
static u64 find_away(void)
{
	u64 lost = 0;

	for (unsigned n = 0; n < MAX_HARTS; n++) {
		struct vcpu *v = vcpu_of(estate.harts[n].vcpu);

		if (!v)
			continue;
		v->away = 1;
		if (estate.harts[n].found.state == FOUND_NO_SHOW) {
			refuse(v->vm->index, "a vCPU is in a hart that does not answer");
			lost++;
		}
	}
	return lost;
}

void adopt_vms(void)
{
	u64 adopted = 0, lost = 0, vcpus = 0, away;

	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (estate_vm(n)->state.run_state == VM_UNUSED)
			continue;
		adopt_vm(n);
		if (vms[n])
			adopted++;
		else
			lost++;
	}
	away = find_away();
	adopted -= away;
	lost += away;
	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (!vms[n] || vms[n]->s->run_state != VM_RUNNING)
			continue;
		for (u32 i = 0; i < vms[n]->config.vcpus; i++) {
			struct vcpu *v = &vms[n]->vcpu[i];

			estate_store(&v->r->fence, 1);
			v->expected = v->r->state == VCPU_RUNNABLE;
			vcpus += v->expected;
		}
	}
	life_adopted(adopted, lost, vcpus);
}

/* Queues a vCPU that would run; one that waits sleeps on, unless something has come for it. */
static void hand_over(struct vcpu *v)
{
	sched_put(v, arch_vcpu_wake_time(v));
}

/* A VM one of whose vCPUs could not go on ends: the dead life knew that, but had not come to it. */
static void end_if_parked(struct vm *vm)
{
	for (u32 i = 0; i < vm->config.vcpus && vm->s->run_state == VM_RUNNING; i++) {
		const struct vcpu_record *r = vm->vcpu[i].r;

		if (r->state == VCPU_PARKED && r->park_reason != PARK_PAUSED) {
			vm_request_end(vm, vm_reason_of_park(r->park_reason));
			return;
		}
	}
}

void adopt_vcpu_arrived(u64 index)
{
	struct vcpu *v = vcpu_of(index);

	/* The one of the heir's first hart was collected before anything was adopted, and is no different from all others. */
	if (!v || !v->away)
		return;
	hand_over(v);
	/* Its registers may have been lost on the way. */
	end_if_parked(v->vm);
}

void adopt_resume(void)
{
	for (unsigned n = 0; n < MAX_VMS; n++) {
		struct vm *vm = vms[n];

		if (!vm)
			continue;
		lock_take(&vm->dev_lock);
		if (vm_is_root(vm))
			root_resume(vm);
		plic_update(vm);
		lock_release(&vm->dev_lock);
		uart_resume(vm);
		for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
			if (vm->dev[slot])
				virtio_resume(vm, slot);
		}
		for (u32 i = 0; i < vm->config.vcpus; i++) {
			struct vcpu *v = &vm->vcpu[i];

			/* The others follow when their harts come. None has yet, or it is in the scheduler's hands already. */
			if (!v->away && !v->queued && !v->asleep)
				hand_over(v);
		}
		end_if_parked(vm);
	}
	vm_look_for_requests();
}
