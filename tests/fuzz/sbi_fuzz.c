/*
 * A guest that makes exits of every kind: SBI calls with any numbers, loads and stores of devices that are any instruction,
 * faults, on any of its three vCPUs. Whatever it does ends in its own VM: nothing ends the life, and the VM beside it has the
 * records, the RAM and the registers that it had.
 *
 * Each step is 8 bytes of input: kind and vCPU, then numbers that choose among addresses and values of interest.
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/guest.h"
#include "arch/riscv64/hart.h"
#include "core/memory/backing.h"
#include "core/vcpu/sched.h"
#include "tests/exits/scene.h"
#include "tests/exits/view.h"
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct scene_exit none = { .name = "none" };

static const u64 values[] = {
	0,
	1,
	2,
	3,
	7,
	8,
	63,
	64,
	256,
	0x1000,
	4095,
	4096,
	0x80000000,
	0x80000001,
	GUEST_RAM_BASE + 0x2000,
	GUEST_RAM_BASE + MIB(2) - 1,
	GUEST_RAM_BASE + MIB(4) - 1,
	GUEST_RAM_BASE + MIB(4),
	0xffffffff,
	1ull << 32,
	1ull << 63,
	~0ull - 1,
	~0ull,
};

static const u64 places[] = {
	0,
	0x1000,
	GUEST_UART_BASE,
	GUEST_UART_BASE + 0x80,
	GUEST_PLIC_BASE,
	GUEST_PLIC_BASE + 0x1000,
	GUEST_PLIC_BASE + 0x2000,
	GUEST_PLIC_BASE + 0x200000,
	GUEST_PLIC_BASE + GUEST_PLIC_SIZE - 64,
	GUEST_VIRTIO_BASE,
	GUEST_VIRTIO_BASE + 0x60,
	GUEST_VIRTIO_BASE + 0x100,
	GUEST_VIRTIO_BASE + GUEST_VIRTIO_STRIDE,
	GUEST_VIRTIO_BASE + 7 * GUEST_VIRTIO_STRIDE,
	GUEST_RAM_BASE - 64,
	GUEST_RAM_BASE,
	GUEST_RAM_BASE + MIB(2),
	GUEST_RAM_BASE + MIB(4) - 64,
	GUEST_RAM_BASE + MIB(4),
	1ull << 40,
	~0ull - 63,
};

static u64 value_of(u8 byte)
{
	return values[byte % ARRAY_SIZE(values)];
}

static void ecall(unsigned hart, const u8 *in)
{
	struct exits_hart *h = &exits_harts[hart];
	const struct guest_extension *e = &guest_extensions[in[1] % guest_extension_count];

	for (unsigned n = 0; n < 5; n++)
		h->x[10 + n] = value_of(in[3 + n]);
	h->x[16] = in[2] < 0xf0 ? in[2] % (e->functions + 1) : value_of(in[2]);
	h->x[17] = in[1] < 0xf0 ? e->id : value_of(in[1]);
	exits_trap(hart, CAUSE_ECALL_VS, 0, 0);
}

static void access_memory(unsigned hart, const u8 *in)
{
	struct exits_hart *h = &exits_harts[hart];
	u64 at = places[in[1] % ARRAY_SIZE(places)] + (in[2] & 63);
	static const u64 causes[] = { CAUSE_LOAD_GUEST_PAGE, CAUSE_STORE_GUEST_PAGE, CAUSE_FETCH_GUEST_PAGE };
	u32 instruction;

	memcpy(&instruction, in + 4, sizeof(instruction));
	/* Half of them are loads and stores. */
	if (in[3] & 0x80)
		instruction = (instruction & ~0x7fu) | (in[3] & 0x40 ? 0x23 : 0x03);
	if (h->pc - GUEST_RAM_BASE < MIB(4) - 4)
		memcpy(exits_ram(vms[0], h->pc & ~1ull), &instruction, sizeof(instruction));
	exits_trap(hart,
		   in[3] & 0x20	  ? causes[in[3] % 3]
		   : in[3] & 0x40 ? causes[1]
				  : causes[0],
		   at, at >> 2);
}

static void other(unsigned hart, const u8 *in)
{
	static const u64 causes[] = { CAUSE_ILLEGAL,	  CAUSE_VIRTUAL_INSTRUCTION, CAUSE_LOAD_ACCESS,
				      CAUSE_STORE_ACCESS, CAUSE_FETCH_ACCESS,	     SCAUSE_INTERRUPT | 1 };
	struct exits_hart *h = &exits_harts[hart];

	h->csr.vsstatus = value_of(in[2]);
	h->csr.vstvec = value_of(in[3]);
	h->csr.vsie = value_of(in[4]);
	h->csr.vstimecmp = value_of(in[5]);
	if (in[6] & 1)
		h->csr.sstatus |= SSTATUS_FS & h->csr.sstatus ? SSTATUS_FS : 0;
	exits_trap(hart, causes[in[1] % ARRAY_SIZE(causes)], in[7] & 1 ? 0x10500073 : value_of(in[7]), 0);
}

static void step(const u8 *in)
{
	int hart = exits_hart_of(&vms[0]->vcpu[in[0] % 3]);

	if (hart >= 0) {
		if (in[0] & 0x80)
			ecall((unsigned)hart, in);
		else if (in[0] & 0x40)
			access_memory((unsigned)hart, in);
		else
			other((unsigned)hart, in);
	}
	exits_settle();
	exits_advance(in[0] & 0x3c ? 0 : 60000);
}

/* Registers that are its own; and all of its record, but for statistics and where it runs. */
static struct view first, now;

static void only_neighbour(struct view *v)
{
	unsigned kept = 0;

	view_take(v);
	for (unsigned n = 0; n < v->count; n++) {
		if (v->item[n].vm == 1)
			v->item[kept++] = v->item[n];
	}
	v->count = kept;
}

/* The program's static variables are not the life's here, so it is one machine for all inputs: its VM starts again. */
static void restart(void *context)
{
	struct vm *vm = context;

	vm_stop(vm, VM_REASON_OPERATOR);
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		struct vcpu *v = &vm->vcpu[n];

		arch_vcpu_reset(v, SCENE_PC + 0x100 * n, 0);
		v->r->state = n < 2 ? VCPU_RUNNABLE : VCPU_STOPPED;
		v->r->ipi = 0;
		v->r->irq = 0;
		v->r->plic_enable = 0;
		v->r->plic_threshold = 0;
		v->r->plic_claimed = 0;
	}
	vm->s->run_state = VM_RUNNING;
	for (u32 n = 0; n < vm->config.vcpus; n++)
		sched_wake(&vm->vcpu[n]);
}

static void run(void *context)
{
	const uint8_t *const *range = context;

	exits_call(0, restart, vms[0]);
	exits_settle();

	for (const uint8_t *at = range[0]; range[1] - at >= 8; at += 8)
		step(at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *range[2] = { data, data + (size < STEPS_MAX * 8 ? size : STEPS_MAX * 8) };
	static bool started;

	if (!started)
		scene_start(&none);
	started = true;
	only_neighbour(&first);
	if (host_live(run, range, 0) != HOST_RETURNED)
		host_fail(host->text);
	only_neighbour(&now);
	if (!view_same(&first, &now, NULL, true))
		host_fail("the other VM is not what it was");
	return 0;
}
