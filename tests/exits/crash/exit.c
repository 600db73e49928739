/*
 * Cases that are exits of a guest: the guest goes on after the crash, which repeats the exit if its pc has not moved, and what
 * both VMs can see is then what it is without a crash.
 */
#include "tests/exits/crash/exit.h"
#include "arch/riscv64/csr.h"
#include <stdio.h>
#include <string.h>

static void start(const struct crash_case *c)
{
	scene_start(c->what);
}

static void perform(const struct crash_case *c)
{
	scene_perform(c->what);
}

static void repeat(void *c)
{
	perform(c);
}

static u64 pc_in(const struct view *v)
{
	for (unsigned n = 0; n < v->count; n++) {
		if (strcmp(v->item[n].what, "pc") == 0 && v->item[n].vm == 0 && v->item[n].index == 0)
			return v->item[n].value;
	}
	return 0;
}

/* What may have happened already when the exit is to be repeated: each is idempotent for the guest. */
static const char *const early[] = { "vstimecmp", "hvip", "ram", NULL };

/* A device may take up what is in its queue before it is told: an heir does, since it cannot know. */
static const char *const early_kick[] = {
	"console head", "console text", "virtio queue", "virtio status", "virtio interrupt", "ram", NULL
};

static bool nobody_sleeps(void)
{
	for (unsigned i = 0; i < 2; i++) {
		for (u32 n = 0; vms[i] && vms[i]->s->run_state == VM_RUNNING && n < vms[i]->config.vcpus;
		     n++) {
			const struct vcpu_record *r = vms[i]->vcpu[n].r;

			if (r->state == VCPU_WAITING && r->vstimecmp <= 1ull << 50)
				return false;
		}
	}
	return true;
}

/* Lets the guest repeat the exit, if it stands before it. */
static bool goes_on(const struct crash_case *c)
{
	const struct scene_exit *e = c->what;
	const char *const *may = e->scene == SCENE_KICK || e->devices ? early_kick : early;
	u64 pc = pc_in(&crash_before);

	if (!crash_now.item[0].value || !pc_in(&crash_now) || pc_in(&crash_now) != pc)
		return true;
	if (!view_same(&crash_before, &crash_now, may, false) &&
	    !view_same(&crash_wanted, &crash_now, NULL, false)) {
		view_same(&crash_before, &crash_now, may, true);
		return crash_wrong("neither before nor after");
	}
	/* Twice: what was in a unit has been saved, so that the first exit only switches the unit on again. */
	for (unsigned n = 0;
	     n < 2 && pc_in(&crash_now) == pc && !view_same(&crash_wanted, &crash_now, NULL, false); n++) {
		if (host_live(repeat, (void *)(uintptr_t)c, 0) != HOST_RETURNED)
			return crash_wrong("the repeated exit ends the next life");
		view_take(&crash_now);
	}
	return true;
}

static bool check(const struct crash_case *c)
{
	const struct scene_exit *e = c->what;

	for (unsigned n = 0; e->devices && n < 3; n++)
		exits_schedule();
	view_take(&crash_now);
	if (!goes_on(c))
		return false;
	if (!view_same(&crash_wanted, &crash_now, NULL, true))
		return crash_wrong("not what the guest would have seen");
	if (!crash_let_time_pass())
		return crash_wrong("the next life ends by itself");
	if (e->outside && !e->outside())
		return crash_wrong("not what the outside would see");
	return nobody_sleeps() || crash_wrong("a vCPU sleeps on when its timer is due");
}

/* Arguments of a call that lead to the same result in as many stores have led the same way. */
static u64 way(const struct crash_case *c)
{
	const struct scene_exit *e = c->what;
	u64 key = e->scene * 16 + e->cause;

	for (unsigned n = 0; n < crash_wanted.count; n++) {
		const struct view_item *i = &crash_wanted.item[n];

		if (strcmp(i->what, "x") == 0 && i->index == 10) {
			key = key * 31 + i->value;
			break;
		}
	}
	return (key * 31 + e->a[7]) * 31 + e->a[6];
}

/* Exits that store from the same places in the same order. */
static u64 places(const struct crash_case *c)
{
	(void)c;
	return host_path();
}

void crash_exit(const struct scene_exit *e)
{
	struct crash_case c = { .start = start, .perform = perform, .check = check, .what = e };

	(void)snprintf(c.name, sizeof(c.name), "%s", e->name);
	c.key = e->cause == CAUSE_ECALL_VS ? way : places;
	crash_try(&c);
}

void exit_with_input(struct vm *vm)
{
	vm->s->uart.rx[0] = 0x636261;
	vm->s->uart.rx_head = 3;
	vm->s->uart.ier = 7;
	vm->s->uart.fcr = 1;
	vm->s->plic.line = 1u << GUEST_UART_IRQ;
	vm->s->plic.pending = 1u << GUEST_UART_IRQ;
	vm->s->plic.priority[GUEST_UART_IRQ] = 1;
	vm->vcpu[0].r->plic_enable = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->irq = 1;
}

#define F_NEXT	1u
#define F_WRITE 2u

/* virtio 1.2, section 2.7. */
void exit_fill_queue(struct vm *vm, unsigned slot, unsigned n, const u32 *sizes, unsigned count,
		     unsigned writes)
{
	struct vdev_state *s = &vm->s->dev[slot];
	struct vqueue_state *q = &s->queue[n];
	struct {
		u64 at;
		u32 bytes;
		u16 flags, next;
	} *d = exits_ram(vm, EXIT_RINGS);
	u16 *available = exits_ram(vm, EXIT_RINGS + 0x1000);
	u64 at = EXIT_BUFFERS;

	memset(d, 0, 0x3000);
	for (unsigned i = 0; i < count; i++) {
		d[i].at = at;
		d[i].bytes = sizes[i];
		d[i].flags = (u16)((i + 1 < count ? F_NEXT : 0) | (writes >> i & 1 ? F_WRITE : 0));
		d[i].next = (u16)(i + 1);
		at += sizes[i];
	}
	available[1] = 1;
	q->num = 8;
	q->desc = EXIT_RINGS;
	q->driver = EXIT_RINGS + 0x1000;
	q->device = EXIT_RINGS + 0x2000;
	q->ready = 1;
	s->driver_features = 1ull << 32;
	s->status = 15;
}
