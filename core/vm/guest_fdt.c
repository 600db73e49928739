/*
 * A guest's device tree: see guest_fdt.h. Written front to back with libfdt's sequential functions; an error of one of
 * them sticks in the tree's header and comes out of the last, so calls are not checked one by one (they return it each).
 */
#include "core/vm/guest_fdt.h"
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include <libfdt.h>

/* Phandles: the PLIC's, and those of the vCPUs' interrupt controllers from there on. */
#define PHANDLE_PLIC	1u
#define PHANDLE_INTC(n) (2u + (n))

/* Supervisor external interrupt of a hart; "no output" of a context (sifive,plic-1.0.0.yaml). */
#define IRQ_S_EXTERNAL 9u
#define IRQ_NONE       0xffffffffu

/* What QEMU's virt says; nothing depends on it, but 8250 drivers want one. */
#define UART_CLOCK 3686400u

/* Measured bounds, which tests/unit/guest_fdt_test.c holds against real trees. */
#define FDT_FIXED_SIZE (KIB(8) + VM_CMDLINE_SIZE)
#define FDT_CPU_SIZE   448u

/* A tree in the making. */
struct tree {
	void *fdt;
	int error;
};

static void begin(struct tree *t, const char *name)
{
	if (!t->error)
		t->error = fdt_begin_node(t->fdt, name);
}

static void begin_at(struct tree *t, const char *name, u64 unit)
{
	char full[48];

	format(full, sizeof(full), "%s@%llx", name, (unsigned long long)unit);
	begin(t, full);
}

static void end(struct tree *t)
{
	if (!t->error)
		t->error = fdt_end_node(t->fdt);
}

static void put(struct tree *t, const char *name, const void *bytes, size_t size)
{
	if (!t->error)
		t->error = fdt_property(t->fdt, name, bytes, (int)size);
}

static void put_u32(struct tree *t, const char *name, u32 value)
{
	if (!t->error)
		t->error = fdt_property_u32(t->fdt, name, value);
}

static void put_u64(struct tree *t, const char *name, u64 value)
{
	if (!t->error)
		t->error = fdt_property_u64(t->fdt, name, value);
}

static void put_string(struct tree *t, const char *name, const char *value)
{
	put(t, name, value, strlen(value) + 1);
}

/* reg of a node below cells of 2 and 2. */
static void put_reg(struct tree *t, u64 base, u64 size)
{
	fdt64_t reg[2] = { cpu_to_fdt64(base), cpu_to_fdt64(size) };

	put(t, "reg", reg, sizeof(reg));
}

static void put_cells(struct tree *t, u32 address, u32 size)
{
	put_u32(t, "#address-cells", address);
	put_u32(t, "#size-cells", size);
}

/*
 * Extensions in the order that riscv,isa wants: single letters, then Z, then S names by their letters. `need` is what
 * the machine must have, 0 for what we always give. Counters are given because SBI and hcounteren do so.
 */
static const struct {
	const char *name;
	u32 need;
} extensions[] = {
	{ "i", 0 },
	{ "m", 0 },
	{ "a", 0 },
	{ "f", 0 },
	{ "d", 0 },
	{ "c", 0 },
	{ "v", MACHINE_ISA_V },
	{ "zicboz", MACHINE_ISA_ZICBOZ },
	{ "zicntr", 0 },
	{ "zicsr", 0 },
	{ "zifencei", 0 },
	{ "sstc", MACHINE_ISA_SSTC },
};

/* Lists long enough for all of the table. */
#define ISA_TEXT_SIZE 128

/* Both ways in which a kernel may look for extensions (riscv/extensions.yaml). */
struct isa_texts {
	char isa[ISA_TEXT_SIZE];  /* riscv,isa */
	char list[ISA_TEXT_SIZE]; /* riscv,isa-extensions: strings one behind the other */
	size_t list_size;
};

static void isa_texts_make(struct isa_texts *texts, u32 isa)
{
	size_t length = format(texts->isa, ISA_TEXT_SIZE, "rv64");

	texts->list_size = 0;
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		const char *name = extensions[i].name;

		if (extensions[i].need & ~isa)
			continue;
		length +=
			format(texts->isa + length, ISA_TEXT_SIZE - length, "%s%s", name[1] ? "_" : "", name);
		texts->list_size +=
			format(texts->list + texts->list_size, ISA_TEXT_SIZE - texts->list_size, "%s", name) +
			1;
		ASSERT(texts->list_size < ISA_TEXT_SIZE && length < ISA_TEXT_SIZE - 1);
	}
}

static void put_cpu(struct tree *t, const struct guest_isa *isa, const struct isa_texts *texts, u32 n, u64 id)
{
	static const char *const mmu_types[] = { "riscv,sv39", "riscv,sv48", "riscv,sv57" };
	u32 mmu = isa->satp_mode - 8;

	begin_at(t, "cpu", id);
	put_string(t, "device_type", "cpu");
	put_string(t, "compatible", "riscv");
	put_string(t, "status", "okay");
	put_u32(t, "reg", (u32)id);
	put_string(t, "mmu-type", mmu_types[mmu < ARRAY_SIZE(mmu_types) ? mmu : 0]);
	put_string(t, "riscv,isa", texts->isa);
	put_string(t, "riscv,isa-base", "rv64i");
	put(t, "riscv,isa-extensions", texts->list, texts->list_size);
	if (isa->isa & MACHINE_ISA_ZICBOZ)
		put_u32(t, "riscv,cboz-block-size", isa->cboz_block);
	begin(t, "interrupt-controller");
	put_string(t, "compatible", "riscv,cpu-intc");
	put(t, "interrupt-controller", "", 0);
	put_u32(t, "#interrupt-cells", 1);
	put_u32(t, "phandle", PHANDLE_INTC(n));
	end(t);
	end(t);
}

static void put_cpus(struct tree *t, const struct vm *vm, const struct guest_isa *isa)
{
	struct isa_texts texts;

	isa_texts_make(&texts, isa->isa);
	begin(t, "cpus");
	put_cells(t, 1, 0);
	put_u32(t, "timebase-frequency", (u32)isa->timebase);
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		put_cpu(t, isa, &texts, n, vm->vcpu[n].id);
		/* Thousands of them take longer than the watchdog may wait. */
		arch_beat();
	}
	end(t);
}

static void put_chosen(struct tree *t, const struct vm *vm, const struct guest_boot *boot)
{
	char console[40];

	format(console, sizeof(console), "/soc/serial@%llx", GUEST_UART_BASE);
	begin(t, "aliases");
	put_string(t, "serial0", console);
	end(t);
	begin(t, "chosen");
	put_string(t, "stdout-path", console);
	put_string(t, "bootargs", vm->config.cmdline);
	if (boot->seeded)
		put(t, "rng-seed", boot->rng_seed, sizeof(boot->rng_seed));
	if (boot->initrd_size) {
		put_u64(t, "linux,initrd-start", boot->initrd.a);
		put_u64(t, "linux,initrd-end", boot->initrd.a + boot->initrd_size);
	}
	end(t);
}

static void put_memory(struct tree *t, const struct vm *vm)
{
	begin_at(t, "memory", GUEST_RAM_BASE);
	put_string(t, "device_type", "memory");
	put_reg(t, GUEST_RAM_BASE, vm->config.memory);
	end(t);
}

/* Index of the vCPU with that id, or `vcpus`. Ids mostly are the indices. */
static u32 vcpu_of_id(const struct vm *vm, u64 id)
{
	u32 vcpus = vm->config.vcpus;

	if (id < vcpus && vm->vcpu[id].id == id)
		return (u32)id;
	for (u32 n = 0; n < vcpus; n++)
		if (vm->vcpu[n].id == id)
			return n;
	return vcpus;
}

/*
 * Context n of our PLIC belongs to hart id n (core/devices/plic.h), and the n-th entry here is context n: an id that no
 * vCPU has leaves an entry without output.
 */
static void put_plic_contexts(struct tree *t, const struct vm *vm)
{
	u64 contexts = 0;
	fdt32_t *cell;

	for (u32 n = 0; n < vm->config.vcpus; n++)
		if (vm->vcpu[n].id >= contexts)
			contexts = vm->vcpu[n].id + 1;
	if (t->error)
		return;
	t->error = fdt_property_placeholder(t->fdt, "interrupts-extended",
					    (int)(contexts * 2 * sizeof(*cell)), (void **)&cell);
	for (u64 id = 0; !t->error && id < contexts; id++) {
		u32 n = vcpu_of_id(vm, id);

		fdt32_st(cell++, PHANDLE_INTC(n < vm->config.vcpus ? n : 0));
		fdt32_st(cell++, n < vm->config.vcpus ? IRQ_S_EXTERNAL : IRQ_NONE);
	}
}

static void put_plic(struct tree *t, const struct vm *vm)
{
	static const char compatible[] = "sifive,plic-1.0.0\0riscv,plic0";

	begin_at(t, "plic", GUEST_PLIC_BASE);
	put(t, "compatible", compatible, sizeof(compatible));
	put_reg(t, GUEST_PLIC_BASE, GUEST_PLIC_SIZE);
	put_u32(t, "#address-cells", 0);
	put_u32(t, "#interrupt-cells", 1);
	put(t, "interrupt-controller", "", 0);
	put_plic_contexts(t, vm);
	put_u32(t, "riscv,ndev", PLIC_SOURCES - 1);
	put_u32(t, "phandle", PHANDLE_PLIC);
	end(t);
}

static void put_device_interrupt(struct tree *t, u32 irq)
{
	put_u32(t, "interrupt-parent", PHANDLE_PLIC);
	put_u32(t, "interrupts", irq);
}

static void put_soc(struct tree *t, const struct vm *vm)
{
	begin(t, "soc");
	put_cells(t, 2, 2);
	put_string(t, "compatible", "simple-bus");
	put(t, "ranges", "", 0);
	put_plic(t, vm);
	begin_at(t, "serial", GUEST_UART_BASE);
	put_string(t, "compatible", "ns16550a");
	put_reg(t, GUEST_UART_BASE, GUEST_UART_SIZE);
	put_u32(t, "clock-frequency", UART_CLOCK);
	put_device_interrupt(t, GUEST_UART_IRQ);
	end(t);
	for (u32 slot = 0; slot < VM_MAX_DEVICES; slot++) {
		u64 base = GUEST_VIRTIO_BASE + slot * GUEST_VIRTIO_STRIDE;

		if (vm->config.devices[slot].kind == VM_DEV_NONE)
			continue;
		begin_at(t, "virtio_mmio", base);
		put_string(t, "compatible", "virtio,mmio");
		put_reg(t, base, GUEST_VIRTIO_STRIDE);
		put_device_interrupt(t, GUEST_VIRTIO_IRQ(slot));
		end(t);
	}
	end(t);
}

struct guest_isa guest_isa_of(const struct machine_record *m)
{
	return (struct guest_isa){
		.timebase = m->timebase,
		.isa = m->isa,
		.cboz_block = m->cboz_block,
		.satp_mode = m->satp_mode,
	};
}

u64 guest_fdt_bound(u32 vcpus)
{
	/* Ids may be sparse: the PLIC then has an entry of 8 bytes for each id that there can be. */
	return FDT_FIXED_SIZE + (u64)vcpus * FDT_CPU_SIZE + MAX_VCPU_ID * 8u;
}

int guest_fdt_build(const struct vm *vm, const struct guest_isa *isa, const struct guest_boot *boot, void *to,
		    u64 size, u64 *used)
{
	static const char compatible[] = "outlive,virt\0riscv-virtio";
	struct tree t = { .fdt = to };

	*used = 0;
	t.error = fdt_create(to, size > INT32_MAX ? INT32_MAX : (int)size);
	if (!t.error)
		t.error = fdt_finish_reservemap(to);
	begin(&t, "");
	put_cells(&t, 2, 2);
	put(&t, "compatible", compatible, sizeof(compatible));
	put_string(&t, "model", "Outlive virtual machine");
	put_chosen(&t, vm, boot);
	put_memory(&t, vm);
	put_cpus(&t, vm, isa);
	put_soc(&t, vm);
	end(&t);
	if (!t.error)
		t.error = fdt_finish(to);
	if (t.error)
		return t.error == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
	*used = fdt_totalsize(to);
	return 0;
}
