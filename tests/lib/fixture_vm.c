/* The part of the fixture that makes VMs and adopts them; see fixture.h. */
#include "core/estate/cold.h"
#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/memory/backing.h"
#include "core/survive/adopt.h"
#include "core/survive/crash.h"
#include "core/survive/life.h"
#include "core/vcpu/sched.h"
#include "tests/lib/fixture.h"
#include <stdio.h>
#include <string.h>

static void must(bool holds, const char *what)
{
	if (!holds)
		host_fail(what);
}

/* What a life does between its estate and its VMs, in the order of arch/riscv64/boot.c. */
static void begin_life(bool heir)
{
	const u64 window[4] = { 0 };

	log_open(estate.log);
	life_begin(heir, host_slot(fixture_life), 0, arch_time(), window);
	if (heir)
		crash_write(&fixture_stacks);
	sched_init(estate.machine.timebase);
	for (unsigned n = 0; n < host->harts; n++) {
		estate_store(&estate.harts[n].life, life_number());
		sched_hart_online(n);
	}
}

void fixture_start_with(u64 ram, unsigned harts)
{
	struct machine_record m;

	fixture_machine(&m, ram, harts);
	must(!estate_create(host->ram + LAYOUT_ESTATE_OFFSET, &m), "fixture: no estate");
	begin_life(false);
}

void fixture_start(void)
{
	fixture_start_with(MIB(256), 4);
}

static void make_vcpu(u64 index, unsigned vm, u64 id, u64 affinity)
{
	struct vcpu_record *r = estate_vcpu(index);
	u32 crc;

	memset(r, 0, sizeof(*r));
	r->magic = VCPU_MAGIC;
	r->vm = vm;
	r->id = id;
	r->state = VCPU_STOPPED;
	r->affinity = affinity ? affinity : ~0ull;
	crc = crc32c(0, &r->magic, sizeof(r->magic));
	crc = crc32c(crc, &r->vm, sizeof(r->vm));
	r->identity_crc = crc32c(crc, &r->id, sizeof(r->id));
	arch_vcpu_reset(&(struct vcpu){ .r = r }, 0, 0);
}

/* First index without a VM, and the first vCPU record behind those of the VMs before it. */
static unsigned next_vm(u64 *first_vcpu)
{
	unsigned index = 0;

	*first_vcpu = 0;
	for (; index < MAX_VMS && estate_vm(index)->state.run_state != VM_UNUSED; index++)
		*first_vcpu = estate_vm(index)->state.first_vcpu + vms[index]->config.vcpus;
	must(index < MAX_VMS, "fixture: too many VMs");
	return index;
}

struct vm *fixture_vm(const struct vm_config *given)
{
	u64 first, have;
	unsigned index = next_vm(&first);
	struct vm_config c = { 0 };

	if (given)
		c = *given;
	if (!c.memory)
		c.memory = MIB(64);
	if (!c.vcpus)
		c.vcpus = 2;
	if (!c.name[0])
		(void)snprintf(c.name, sizeof(c.name), "test%u", index);
	c.initrd_item = VM_NO_ITEM;
	must(!backing_assign(&c, &have), "fixture: no memory for the VM");
	must(c.vcpus <= estate.vcpu_count - first, "fixture: no vCPU records for the VM");
	for (u32 n = 0; n < c.vcpus; n++)
		make_vcpu(first + n, index, n, c.affinity);
	estate_store(&estate_vm(index)->state.first_vcpu, first);
	cold_write_both(estate_vm(index)->config, COLD_VM, &c, sizeof(c));
	estate_store(&estate_vm(index)->state.run_state, VM_STOPPED);
	must(!vm_create(index, &c, first), "fixture: the VM cannot be made");
	return vms[index];
}

void fixture_run(struct vm *vm)
{
	estate_store(&vm->s->run_state, VM_RUNNING);
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		estate_store(&vm->vcpu[n].r->state, VCPU_RUNNABLE);
		sched_wake(&vm->vcpu[n]);
	}
}

void fixture_die(enum life_cause cause, const char *text)
{
	struct warden_record *w = estate.warden;

	w->cause = cause;
	w->update = cause == LIFE_UPDATE ? WARDEN_UPDATE_TRIAL : WARDEN_UPDATE_NONE;
	w->hart = 1;
	w->t_fault = host->now;
	w->t_stopped = host->now + 10;
	w->text_size = strlen(text);
	memcpy(w->text, text, w->text_size < sizeof(w->text) ? w->text_size : sizeof(w->text));
	w->valid = 1;
	host->now += 100;
}

void fixture_heir(void)
{
	u64 base = host->ram + LAYOUT_ESTATE_OFFSET;

	host_next_life();
	fixture_life++;
	fixture_pages();
	must(!estate_adopt(base), "fixture: the estate is refused");
	begin_life(true);
	adopt_redo();
	adopt_vms();
	for (unsigned n = 0; n < MAX_HARTS; n++) {
		u64 index = estate.harts[n].vcpu;

		estate_store(&estate.harts[n].vcpu, NO_VCPU);
		adopt_vcpu_arrived(index);
	}
}
