/* A guest's accesses to its devices. */
#include "arch/riscv64/csr.h"
#include "tests/exits/crash/exit.h"
#include <stdio.h>

static void try_access(u64 at, bool write, unsigned funct3, enum scene_kind scene,
		       void (*prepare)(struct vm *vm))
{
	struct scene_exit e = { .scene = scene, .prepare = prepare };

	e.cause = write ? CAUSE_STORE_GUEST_PAGE : CAUSE_LOAD_GUEST_PAGE;
	e.stval = at;
	e.htval = at >> 2;
	e.instruction = write ? STORE(funct3) : LOAD(funct3);
	/* cppcheck-suppress invalidPrintfArgType_uint */
	(void)snprintf(e.name, sizeof(e.name), "%s of 0x%llx, funct3 %u, scene %u", write ? "store" : "load",
		       (unsigned long long)at, funct3, scene);
	crash_exit(&e);
}

static void with_claim(struct vm *vm)
{
	exit_with_input(vm);
	vm->s->plic.pending = 0;
	vm->s->plic.claimed = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->plic_claimed = 1u << GUEST_UART_IRQ;
	vm->vcpu[0].r->irq = 0;
}

static void uart(void)
{
	for (u64 reg = 0; reg < 9; reg++) {
		try_access(GUEST_UART_BASE + reg, false, 4, SCENE_USUAL, exit_with_input);
		try_access(GUEST_UART_BASE + reg, true, 0, SCENE_USUAL, exit_with_input);
	}
	for (unsigned width = 0; width < 4; width++) {
		try_access(GUEST_UART_BASE, false, width, SCENE_USUAL, NULL);
		try_access(GUEST_UART_BASE, true, width, SCENE_USUAL, NULL);
	}
}

static void plic(void)
{
	static const u64 offsets[] = { 0x4,    4 * GUEST_UART_IRQ, 0x1000,   0x2000,   0x2004,
				       0x2080, 0x200000,	   0x200004, 0x201004, 0x3fffffc };

	for (unsigned n = 0; n < ARRAY_SIZE(offsets); n++) {
		try_access(GUEST_PLIC_BASE + offsets[n], false, 2, SCENE_USUAL, exit_with_input);
		try_access(GUEST_PLIC_BASE + offsets[n], true, 2, SCENE_USUAL, exit_with_input);
		try_access(GUEST_PLIC_BASE + offsets[n], true, 2, SCENE_USUAL, with_claim);
	}
	for (unsigned width = 0; width < 4; width++) {
		try_access(GUEST_PLIC_BASE + 0x2000, false, width, SCENE_USUAL, NULL);
		try_access(GUEST_PLIC_BASE + 0x2000, true, width, SCENE_USUAL, NULL);
	}
}

static void virtio(void)
{
	static const u64 registers[] = { 0x00, 0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x38, 0x44, 0x50,
					 0x60, 0x64, 0x70, 0x80, 0x84, 0x90, 0xa4, 0xfc, 0x100 };

	for (unsigned n = 0; n < ARRAY_SIZE(registers); n++) {
		/* InterruptStatus may show one that an heir has made. */
		try_access(GUEST_VIRTIO_BASE + registers[n], false, 2,
			   registers[n] == 0x60 ? SCENE_USUAL : SCENE_LIVE, NULL);
		try_access(GUEST_VIRTIO_BASE + registers[n], true, 2, SCENE_LIVE, NULL);
	}
	try_access(GUEST_VIRTIO_BASE + 0x50, true, 2, SCENE_KICK, NULL);
	for (unsigned width = 0; width < 4; width++) {
		try_access(GUEST_VIRTIO_BASE + 0x70, false, width, SCENE_USUAL, NULL);
		try_access(GUEST_VIRTIO_BASE + 0x70, true, width, SCENE_USUAL, NULL);
		try_access(GUEST_VIRTIO_BASE + 0x100, false, width, SCENE_USUAL, NULL);
	}
	/* An empty slot. */
	try_access(GUEST_VIRTIO_BASE + 5 * GUEST_VIRTIO_STRIDE, false, 2, SCENE_USUAL, NULL);
}

void crash_devices(void)
{
	uart();
	plic();
	virtio();
}
