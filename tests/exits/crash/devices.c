/*
 * A guest's accesses to its devices: each device of the product's bus, each of its registers, in each situation in which they
 * mean something else.
 */
#include "arch/riscv64/csr.h"
#include "core/devices/mmio.h"
#include "core/devices/plic.h"
#include "core/devices/uart.h"
#include "core/devices/virtio.h"
#include "tests/exits/crash/exit.h"
#include <stdio.h>

struct situation {
	const char *name;
	void (*prepare)(struct vm *vm); /* or NULL */
	enum scene_kind scene;
};

static void try_value(u64 at, bool write, unsigned funct3, const struct situation *s, u64 value)
{
	struct scene_exit e = { .scene = s->scene, .prepare = s->prepare, .value = value };

	e.cause = write ? CAUSE_STORE_GUEST_PAGE : CAUSE_LOAD_GUEST_PAGE;
	e.stval = at;
	e.htval = at >> 2;
	e.instruction = write ? STORE(funct3) : LOAD(funct3);
	/* cppcheck-suppress invalidPrintfArgType_uint */
	(void)snprintf(e.name, sizeof(e.name), "%s of 0x%llx, funct3 %u, 0x%llx; %s",
		       write ? "store" : "load", (unsigned long long)at, funct3, (unsigned long long)value,
		       s->name);
	crash_exit(&e);
}

static void try_access(u64 at, bool write, unsigned funct3, const struct situation *s)
{
	try_value(at, write, funct3, s, 0);
}

/* Loads and stores of one, two, four and eight bytes. */
static void try_widths(u64 at, const struct situation *s)
{
	for (unsigned funct3 = 0; funct3 < 4; funct3++) {
		try_access(at, false, funct3, s);
		try_access(at, true, funct3, s);
	}
}

static const struct situation quiet = { "nothing has happened", NULL, SCENE_USUAL };

/* ---- UART ---- */

#define UART_FIFO   1u /* of fcr */
#define UART_THRI   2u /* of ier */
#define UART_DLAB   0x80u
#define UART_LOOP   0x10u
#define UART_QUEUED 256u

static void with_divisor(struct vm *vm)
{
	exit_with_input(vm);
	vm->s->uart.lcr = UART_DLAB;
}

static void with_loop(struct vm *vm)
{
	exit_with_input(vm);
	vm->s->uart.mcr = UART_LOOP;
}

static void with_full_loop(struct vm *vm)
{
	with_loop(vm);
	vm->s->uart.rx_head = UART_QUEUED;
}

static void with_overrun(struct vm *vm)
{
	exit_with_input(vm);
	vm->s->uart.overrun = 1;
}

static void with_empty_transmitter(struct vm *vm)
{
	exit_with_input(vm);
	vm->s->uart.rx_tail = vm->s->uart.rx_head;
	vm->s->uart.ier = UART_THRI;
	vm->s->uart.thre_pending = 1;
}

static const struct situation of_uart[] = {
	{ "nothing has happened", NULL, SCENE_USUAL },
	{ "input", exit_with_input, SCENE_USUAL },
	{ "the divisor is open", with_divisor, SCENE_USUAL },
	{ "loopback", with_loop, SCENE_USUAL },
	{ "loopback, full", with_full_loop, SCENE_USUAL },
	{ "overrun", with_overrun, SCENE_USUAL },
	{ "the transmitter is empty", with_empty_transmitter, SCENE_USUAL },
};

static void uart(u64 base)
{
	for (unsigned n = 0; n < ARRAY_SIZE(of_uart); n++) {
		/* One more than it has. */
		for (u64 reg = 0; reg < 9; reg++) {
			try_access(base + reg, false, 4, &of_uart[n]);
			try_access(base + reg, true, 0, &of_uart[n]);
		}
	}
	/* FIFOs are switched off. */
	try_value(base + 2, true, 0, &of_uart[1], 1ull << 8);
	try_widths(base, &quiet);
}

/* ---- PLIC ---- */

static void with_claim(struct vm *vm)
{
	exit_with_input(vm);
	vm->s->plic.pending = 0;
	vm->s->plic.claimed = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->plic_claimed = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->irq = 0;
}

/* Some of each kind of register: it has too many to try all. */
static void plic(u64 base)
{
	static const u64 offsets[] = { 0x4,    4 * GUEST_UART_IRQ, 0x1000,   0x2000,   0x2004,
				       0x2080, 0x200000,	   0x200004, 0x201004, 0x3fffffc };
	static const struct situation input = { "input", exit_with_input, SCENE_USUAL };
	static const struct situation claim = { "a claim", with_claim, SCENE_USUAL };

	for (unsigned n = 0; n < ARRAY_SIZE(offsets); n++) {
		try_access(base + offsets[n], false, 2, &input);
		try_access(base + offsets[n], true, 2, &input);
		try_access(base + offsets[n], true, 2, &claim);
		try_value(base + offsets[n], true, 2, &claim, GUEST_UART_IRQ);
	}
	try_widths(base + 0x2000, &quiet);
}

/* ---- virtio ---- */

/* Registers (virtio 1.2, section 4.2.2). */
#define REG_DRIVER_FEATURES  0x20u
#define REG_QUEUE_READY	     0x44u
#define REG_QUEUE_NOTIFY     0x50u
#define REG_INTERRUPT_STATUS 0x60u
#define REG_STATUS	     0x70u
#define REG_CONFIG	     0x100u

#define OUTPUT 1 /* the queue that SCENE_LIVE has set up */

/* The device has interrupted already: one that an heir makes is none more. */
static void with_interrupt(struct vm *vm)
{
	vm->s->dev[0].interrupt_status = 1;
	vm->s->dev[0].queue_sel = OUTPUT;
	vm->s->plic.line = vm->s->plic.pending = 1ull << GUEST_VIRTIO_IRQ(0);
}

/* Features are agreed upon, and no queue is ready. */
static void while_set_up(struct vm *vm)
{
	with_interrupt(vm);
	vm->s->dev[0].status = 11;
	vm->s->dev[0].queue[OUTPUT].ready = 0;
	vm->s->dev[0].queue[OUTPUT].done = 3;
	vm->s->dev[0].queue[OUTPUT].part = 1;
}

static void with_bad_queue(struct vm *vm)
{
	while_set_up(vm);
	vm->s->dev[0].queue[OUTPUT].desc += 8;
}

static void with_driver(struct vm *vm)
{
	vm->s->dev[0].status = 3;
}

/* All words of the device have a value. */
static void with_everything(struct vm *vm)
{
	struct vdev_state *s = &vm->s->dev[0];

	with_interrupt(vm);
	s->device_features_sel = s->driver_features_sel = 1;
	s->queue[0] = s->queue[OUTPUT];
	s->queue[0].ready = 0;
	s->queue[0].done = s->queue[0].part = 1;
}

static void with_broken_ring(struct vm *vm)
{
	u16 *available = exits_ram(vm, vm->s->dev[0].queue[OUTPUT].driver);

	with_interrupt(vm);
	available[1] = 100;
}

static void virtio(u64 base)
{
	static const struct situation live = { "it works", NULL, SCENE_LIVE };
	static const struct situation kick = { "output waits", NULL, SCENE_KICK };
	static const struct situation setting_up = { "it is set up", while_set_up, SCENE_LIVE };
	static const struct situation bad = { "a queue is bad", with_bad_queue, SCENE_LIVE };
	static const struct situation driver = { "it has a driver", with_driver, SCENE_LIVE };
	static const struct situation full = { "all has a value", with_everything, SCENE_LIVE };
	static const struct situation broken = { "a ring is broken", with_broken_ring, SCENE_KICK };
	const u64 none = 1ull << 32; /* 0, for a register of four bytes */

	for (u64 reg = 0; reg <= REG_CONFIG; reg += 4) {
		/* InterruptStatus may show one that an heir has made. */
		try_access(base + reg, false, 2, reg == REG_INTERRUPT_STATUS ? &quiet : &live);
		try_access(base + reg, true, 2, &live);
		try_access(base + reg, true, 2, &setting_up);
	}
	try_access(base + REG_QUEUE_NOTIFY, true, 2, &kick);
	try_access(base + REG_QUEUE_NOTIFY, true, 2, &broken);
	try_access(base + REG_DRIVER_FEATURES, true, 2, &driver);
	try_value(base + REG_QUEUE_READY, true, 2, &full, none);
	try_value(base + REG_QUEUE_READY, true, 2, &bad, 1);
	try_value(base + REG_STATUS, true, 2, &full, none);
	try_value(base + REG_STATUS, true, 2, &setting_up, 15);
	try_widths(base + REG_STATUS, &quiet);
	try_widths(base + REG_CONFIG, &quiet);
	/* An empty slot. */
	try_access(base + 5 * GUEST_VIRTIO_STRIDE, false, 2, &quiet);
}

/* ---- All of them ---- */

static void try_region(const struct mmio_region *r)
{
	if (r->device == &uart_device) {
		uart(r->base);
	} else if (r->device == &plic_device) {
		plic(r->base);
	} else if (r->device == &virtio_device) {
		virtio(r->base);
	} else {
		(void)printf("devices.c has no case for the device at 0x%llx\n", (unsigned long long)r->base);
		crash_totals.failures++;
	}
}

void crash_devices(void)
{
	for (unsigned n = 0; n < mmio_region_count; n++)
		try_region(&mmio_regions[n]);
}
