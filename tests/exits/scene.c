/* Scenes: see scene.h. */
#include "tests/exits/scene.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "core/vcpu/sched.h"
#include "tests/exits/box.h"
#include "tests/exits/devices.h"
#include <string.h>

#define RAM	  MIB(64)
#define GUEST_RAM MIB(4)

static const enum vcpu_state states[SCENE_COUNT][3] = {
	[SCENE_USUAL] = { VCPU_RUNNABLE, VCPU_RUNNABLE, VCPU_STOPPED },
	[SCENE_ALONE] = { VCPU_RUNNABLE, VCPU_STOPPED, VCPU_STOPPED },
	[SCENE_LIVE] = { VCPU_RUNNABLE, VCPU_RUNNABLE, VCPU_STOPPED },
	[SCENE_KICK] = { VCPU_RUNNABLE, VCPU_RUNNABLE, VCPU_STOPPED },
};

static void run_vm(struct vm *vm, enum scene_kind kind)
{
	estate_store(&vm->s->run_state, VM_RUNNING);
	for (u32 n = 0; n < vm->config.vcpus && n < ARRAY_SIZE(states[kind]); n++) {
		estate_store(&vm->vcpu[n].r->state, states[kind][n]);
		sched_wake(&vm->vcpu[n]);
	}
}

/* Values that occur once, but for what must make sense to somebody. */
static void fill_registers(const struct vcpu *v)
{
	int n = exits_hart_of(v);
	u64 mark = (u64)(v->index + 1) << 40;
	struct exits_hart *h;

	if (n < 0)
		return;
	h = &exits_harts[n];
	for (unsigned i = 1; i < 32; i++)
		h->x[i] = mark + 0x1111111100ull + i;
	h->pc = SCENE_PC + 0x100 * v->id;
	h->csr.vsstatus = 2ull << 32 | SSTATUS_FS | SSTATUS_VS | SSTATUS_SIE;
	h->csr.vsie = 0x222;
	h->csr.vstvec = SCENE_VECTOR + 0x100 * v->id;
	h->csr.vsscratch = mark + 1;
	h->csr.vsepc = mark + 2;
	h->csr.vscause = mark + 3;
	h->csr.vstval = mark + 4;
	h->csr.vsatp = 0;
	h->csr.vstimecmp = mark + 5;
	h->csr.scounteren = 3;
	h->csr.hvip = v->id == 1 ? IRQ_VSSI : 0;
}

static void fill_units(const struct vcpu *v)
{
	int n = exits_hart_of(v);
	struct exits_hart *h;

	if (n < 0)
		return;
	h = &exits_harts[n];
	/* The first use of a unit is an illegal instruction. */
	h->csr.vsstatus = 2ull << 32 | SSTATUS_FS | SSTATUS_VS;
	exits_trap((unsigned)n, CAUSE_ILLEGAL, 0, 0);
	for (unsigned i = 0; i < 32; i++)
		h->f[i] = (u64)(v->index + 1) << 48 | i;
	for (unsigned i = 0; i < ARRAY_SIZE(h->v); i++)
		h->v[i] = (u64)(v->index + 1) << 56 | i;
	h->fcsr = 0x1f;
	h->vl = 4;
	h->vtype = 0x10;
	h->csr.sstatus |= SSTATUS_FS | SSTATUS_VS;
}

/* virtio 1.2, section 2.7: descriptor 0 is the text, which the driver has made available or not. */
static void fill_queue(struct vm *vm, bool available_now)
{
	const u64 at = GUEST_RAM_BASE + 0x10000;
	struct vdev_state *s = &vm->s->dev[0];
	struct vqueue_state *q = &s->queue[1];
	u64 *desc = exits_ram(vm, at);
	u16 *available = exits_ram(vm, at + 0x1000);
	char *text = exits_ram(vm, at + 0x3000);

	memset(exits_ram(vm, at), 0, 0x3000);
	desc[0] = at + 0x3000;
	desc[1] = sizeof(SCENE_TEXT) - 1;
	available[1] = available_now;
	memcpy(text, SCENE_TEXT, sizeof(SCENE_TEXT));
	q->num = 8;
	q->desc = at;
	q->driver = at + 0x1000;
	q->device = at + 0x2000;
	q->ready = 1;
	s->driver_features = 1ull << 32;
	s->status = 15;
}

static void fill_ram(struct vm *vm)
{
	u64 *word = exits_ram(vm, GUEST_RAM_BASE);

	for (unsigned n = 0; n < 0x4000 / sizeof(*word); n++)
		word[n] = (u64)vm->index << 32 | n;
}

void scene_start(const struct scene_exit *e)
{
	struct vm_config config = { .memory = GUEST_RAM, .vcpus = 3 };
	struct exits_hart *h;
	int n;

	config.devices[0].kind = VM_DEV_CONSOLE;
	config.devices[1].kind = VM_DEV_RNG;
	if (e->devices) {
		config.devices[2].kind = VM_DEV_BLK;
		config.devices[3].kind = VM_DEV_NET;
		config.devices[3].flags = VM_DEV_UPLINK;
		config.devices[4].kind = VM_DEV_PMSG;
	}
	devices.with_disks = devices.with_network = e->devices;
	devices.with_stream = false;
	exits_power_on(RAM, SCENE_HARTS, e->devices ? box_make : NULL);
	exits_first_life();
	fill_ram(fixture_vm(&config));
	memset(config.devices, 0, sizeof(config.devices));
	config.devices[0].kind = VM_DEV_CONSOLE;
	config.devices[1].kind = VM_DEV_RNG;
	config.vcpus = 1;
	fill_ram(fixture_vm(&config));
	if (e->scene == SCENE_LIVE || e->scene == SCENE_KICK)
		fill_queue(vms[0], e->scene == SCENE_KICK);
	if (e->prepare)
		e->prepare(vms[0]);
	run_vm(vms[0], e->scene);
	run_vm(vms[1], SCENE_ALONE);
	exits_schedule();
	if (!e->unit_off)
		fill_units(&vms[0]->vcpu[0]);
	fill_units(&vms[1]->vcpu[0]);
	/* Last of all: no record has these values yet. */
	for (unsigned i = 0; i < 2; i++) {
		for (u32 k = 0; k < vms[i]->config.vcpus; k++)
			fill_registers(&vms[i]->vcpu[k]);
	}

	n = exits_hart_of(&vms[0]->vcpu[0]);
	if (n < 0)
		host_fail("scene: the vCPU does not run");
	/* cppcheck-suppress negativeIndex ; host_fail does not return */
	h = &exits_harts[n];
	if (e->cause == CAUSE_ECALL_VS)
		memcpy(&h->x[10], e->a, sizeof(e->a));
	if (e->value)
		h->x[15] = e->value;
	/* What the black box has to write of the beginning. */
	for (unsigned i = 0; e->devices && i < 20; i++)
		exits_schedule();
	if (e->instruction)
		memcpy(exits_ram(vms[0], h->pc), &e->instruction, sizeof(e->instruction));
}

void scene_perform(const struct scene_exit *e)
{
	int n = exits_hart_of(&vms[0]->vcpu[0]);

	if (n < 0) {
		exits_schedule();
		n = exits_hart_of(&vms[0]->vcpu[0]);
	}
	if (n < 0)
		host_fail("scene: the vCPU that is to trap does not run");
	exits_trap((unsigned)n, e->cause, e->stval, e->htval);
	exits_settle();
	/* Devices of the host answer, and are heard. */
	for (unsigned i = 0; e->devices && i < 3; i++)
		exits_schedule();
}
