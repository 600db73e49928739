/* Scenes: see scene.h. */
#include "tests/exits/scene.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "core/memory/backing.h"
#include "core/vcpu/sched.h"
#include <stdio.h>
#include <string.h>

#define RAM	  MIB(64)
#define GUEST_RAM MIB(4)

/* ---- Setting up ---- */

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
	exits_start(RAM, SCENE_HARTS);
	fill_ram(fixture_vm(&config));
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
}

/* ---- Looking ---- */

static void put(struct view *v, const char *what, unsigned vm, unsigned index, u64 value, u64 may_rise)
{
	struct view_item *item = &v->item[v->count++];

	if (v->count > VIEW_MAX)
		host_fail("view: too large");
	*item = (struct view_item){ what, vm, index, value, may_rise };
}

static void look_at_registers(struct view *v, unsigned vm, struct vcpu *c)
{
	const struct vcpu_record *r = c->r;
	unsigned n = (unsigned)c->id;
	int on = exits_hart_of(c);
	const struct exits_hart *h = on < 0 ? NULL : &exits_harts[on];
	bool units = h && harts[on].record->lazy == c->index && c->lazy_hart == (u32)on + 1;
	const u64 *vector = units ? h->v : (const u64 *)(const void *)r->v;
	u64 sum = 0;

	for (unsigned i = 1; i < 32; i++)
		put(v, "x", vm, n * 100 + i, h ? h->x[i] : r->x[i], 0);
	put(v, "pc", vm, n, h ? h->pc : r->pc, 0);
	put(v, "sstatus", vm, n, (h ? h->csr.sstatus : r->sstatus) & SSTATUS_SPP, 0);
	put(v, "hstatus", vm, n, (h ? h->csr.hstatus : r->hstatus) & HSTATUS_SPVP, 0);
	put(v, "hvip", vm, n, (((h ? h->csr.hvip : r->hvip) & IRQ_VSSI) || r->ipi) | (r->irq ? 2 : 0), 2);
#define X(field, csr_, reset, what)      \
	if (strcmp(#field, "hvip") != 0) \
		put(v, #field, vm, n, h ? h->csr.csr_ : r->field, 0);
	VCPU_SWITCH_CSRS(X)
#undef X
	for (unsigned i = 0; i < 32; i++)
		put(v, "f", vm, n * 100 + i, units ? h->f[i] : r->f[i], 0);
	put(v, "fcsr", vm, n, units ? h->fcsr : r->fcsr, 0);
	for (unsigned i = 0; i < VCPU_VECTOR_BYTES / 8; i++)
		sum = sum * 31 + vector[i];
	put(v, "v", vm, n, sum, 0);
	put(v, "vl", vm, n, units ? h->vl : r->vl, 0);
	put(v, "vtype", vm, n, units ? h->vtype : r->vtype, 0);
}

static void look_at_vcpu(struct view *v, unsigned vm, struct vcpu *c)
{
	const struct vcpu_record *r = c->r;
	/* To wait is to be run later; an heir may run it sooner, as if something had come. */
	u64 state = r->state == VCPU_WAITING ? VCPU_RUNNABLE : r->state;

	put(v, "state", vm, (unsigned)c->id, state, 0);
	put(v, "park_reason", vm, (unsigned)c->id, state == VCPU_PARKED ? r->park_reason : 0, 0);
	put(v, "plic_enable", vm, (unsigned)c->id, r->plic_enable, 0);
	put(v, "plic_threshold", vm, (unsigned)c->id, r->plic_threshold, 0);
	put(v, "plic_claimed", vm, (unsigned)c->id, r->plic_claimed, 0);
	if (state == VCPU_RUNNABLE)
		look_at_registers(v, vm, c);
}

static void look_at_words(struct view *v, const char *what, unsigned vm, const void *words, size_t bytes)
{
	const u64 *word = words;

	for (unsigned n = 0; n < bytes / sizeof(*word); n++)
		put(v, what, vm, n, word[n], 0);
}

static void look_at_devices(struct view *v, const struct vm *vm)
{
	const struct vm_state *s = vm->s;
	u64 live = 0;

	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
		bool may = s->dev[slot].queue[0].ready || s->dev[slot].queue[1].ready;

		if (!vm->dev[slot])
			continue;
		live |= may ? 1ull << GUEST_VIRTIO_IRQ(slot) : 0;
		look_at_words(v, "virtio queue", vm->index, s->dev[slot].queue, sizeof(s->dev[slot].queue));
		put(v, "virtio status", vm->index, slot, s->dev[slot].status, 0);
		put(v, "virtio features", vm->index, slot, s->dev[slot].driver_features, 0);
		put(v, "virtio select", vm->index, slot,
		    s->dev[slot].queue_sel << 32 | s->dev[slot].device_features_sel << 16 |
			    s->dev[slot].driver_features_sel,
		    0);
		put(v, "virtio interrupt", vm->index, slot, s->dev[slot].interrupt_status, may);
	}
	put(v, "plic line", vm->index, 0, s->plic.line, live);
	put(v, "plic pending", vm->index, 0, s->plic.pending, live);
	put(v, "plic claimed", vm->index, 0, s->plic.claimed, 0);
	look_at_words(v, "plic priority", vm->index, s->plic.priority, sizeof(s->plic.priority));
	look_at_words(v, "uart", vm->index, &s->uart, sizeof(s->uart));
}

/* Every word where the guest's code and rings are, and one of each cache line behind. */
#define HASH_ALL (0x20000 / sizeof(u64))

__attribute__((no_sanitize("address", "undefined"))) static u64 hash(u64 h, const u64 *word, size_t count)
{
	for (size_t n = 0; n < count; n += n < HASH_ALL ? 1 : 8)
		h = (h ^ word[n]) * 0x9e3779b97f4a7c15ull;
	return h;
}

static void look_at_ram(struct view *v, const struct vm *vm)
{
	for (unsigned block = 0; block < vm->config.memory / BLOCK_SIZE; block++) {
		hpa_t at;
		u64 run, sum = 0;
		u64 gpa = GUEST_RAM_BASE + block * BLOCK_SIZE;

		if ((vm->s->touched[0] >> block & 1) && !backing_lookup(vm, GPA(gpa), &at, &run))
			sum = hash(1, (const u64 *)at.a, BLOCK_SIZE / 8);
		put(v, "ram", vm->index, block, sum, 0);
	}
}

static void look_at_vm(struct view *v, struct vm *vm)
{
	u64 sum = 1;

	put(v, "run_state", vm->index, 0, vm->s->run_state, 0);
	put(v, "boots", vm->index, 0, vm->s->boots, 0);
	put(v, "console head", vm->index, 0, vm->console->head, 0);
	for (u64 n = 0; n < vm->console->head && n < CONSOLE_DATA_SIZE; n++)
		sum = sum * 31 + (u8)vm->console->data[n];
	put(v, "console text", vm->index, 0, sum, 0);
	if (vm->s->run_state != VM_RUNNING) {
		/* Nobody is there to look at the rest. */
		put(v, "reason", vm->index, 0, vm->s->reason, 0);
		return;
	}
	for (u32 n = 0; n < vm->config.vcpus; n++)
		look_at_vcpu(v, vm->index, &vm->vcpu[n]);
	look_at_devices(v, vm);
	look_at_ram(v, vm);
}

void view_take(struct view *v)
{
	v->count = 0;
	for (unsigned n = 0; n < 2; n++) {
		put(v, "there", n, 0, vms[n] != NULL, 0);
		if (vms[n])
			look_at_vm(v, vms[n]);
	}
}

static bool excepted(const char *what, const char *const *except)
{
	for (; except && *except; except++) {
		if (strcmp(what, *except) == 0)
			return true;
	}
	return false;
}

bool view_same(const struct view *wanted, const struct view *now, const char *const *except, bool say)
{
	bool same = wanted->count == now->count;

	if (!same && say)
		(void)printf("  another number of things to see: %u, now %u\n", wanted->count, now->count);
	for (unsigned n = 0; n < wanted->count && n < now->count; n++) {
		const struct view_item *a = &wanted->item[n], *b = &now->item[n];
		u64 allowed = a->may_rise | b->may_rise;

		if (strcmp(a->what, b->what) != 0) {
			if (say)
				(void)printf("  %s is now %s\n", a->what, b->what);
			return false;
		}
		if (excepted(a->what, except) || (a->value | allowed) == (b->value | allowed))
			continue;
		same = false;
		if (say)
			(void)printf("  VM %u: %s %u is 0x%llx, should be 0x%llx\n", a->vm, a->what, a->index,
				     (unsigned long long)b->value, (unsigned long long)a->value);
	}
	return same;
}
