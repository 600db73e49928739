/* Looking at what guests can see; see view.h. */
#include "tests/exits/view.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "core/memory/backing.h"
#include "core/root/root.h"
#include "tests/exits/exits.h"
#include <stdio.h>
#include <string.h>

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

/* Of what it has received what the guest has not read: other bytes in the queue do not count. */
static void look_at_uart(struct view *v, const struct vm *vm)
{
	const struct uart_state *u = &vm->s->uart;
	u64 sum = 1;

	look_at_words(v, "uart", vm->index, u, offsetof(struct uart_state, rx));
	for (u64 n = u->rx_tail; n != u->rx_head; n++) {
		u64 at = n % sizeof(u->rx);

		sum = sum * 31 + (u->rx[at / 8] >> (8 * (at % 8)) & 0xff);
	}
	put(v, "uart input", vm->index, 0, sum, 0);
	put(v, "uart overrun", vm->index, 0, u->overrun, 0);
}

static void look_at_devices(struct view *v, const struct vm *vm)
{
	const struct vm_state *s = vm->s;
	/* Of a device of the machine an heir does not know whether it has interrupted: it says that it has. */
	u64 live = vm_is_root(vm) ? root_sources() : 0;

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
	look_at_uart(v, vm);
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
	put(v, "root steps", vm->index, 0, vm->s->root_steps, 0);
	put(v, "console head", vm->index, 0, vm->console->head, 0);
	for (u64 n = 0; n < vm->console->head && n < CONSOLE_DATA_SIZE; n++)
		sum = sum * 31 + (u8)vm->console->data[n];
	put(v, "console text", vm->index, 0, sum, 0);
	put(v, "console sent", vm->index, 0, vm->console->sent, 0);
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
