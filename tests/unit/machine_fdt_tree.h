/* Device trees of hosts, for the tests and the fuzzer of machine_fdt.c: QEMU's virt, with variations. */
#ifndef TESTS_UNIT_MACHINE_FDT_TREE_H
#define TESTS_UNIT_MACHINE_FDT_TREE_H

#include "abi/types.h"
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_ISA     "rv64imafdch_zicsr_zifencei_zihintpause_zba_zbb_zbs_zicboz_sstc"
#define TREE_INTC(n) (2u + (n))
#define TREE_PLIC    1u

struct tree_options {
	unsigned harts;
	const char *isa;       /* of all harts */
	const char *other_isa; /* of hart 1, if set */
	const char *mmu;
	const char *disabled_status; /* of hart 1, if set */
	unsigned hart_stride;	     /* hart ids are multiples of it */
	u32 supervisor_irq;	     /* what the PLIC calls the supervisor's interrupt */
	u64 ram[4][2];
	unsigned rams;
	u64 initrd[2];
	u64 reserved[2];
	u64 soc_offset; /* soc's addresses are smaller by this than the machine's, if not 0 */
	u32 virtio;	/* slots, written from the highest address on, as QEMU does */
	u32 virtio_irq; /* of the first */
	u32 reg_shift;
	u32 reg_io_width;
	const char *stdout_path;
};

static inline struct tree_options tree_options(void)
{
	return (struct tree_options){
		.harts = 2,
		.isa = TREE_ISA,
		.mmu = "riscv,sv48",
		.hart_stride = 1,
		.supervisor_irq = 9,
		.ram = { { 0x80000000, MIB(256) } },
		.rams = 1,
		.initrd = { 0x88000000, 0x88100000 },
		.virtio = 8,
		.virtio_irq = 1,
		.stdout_path = "/soc/serial@10000000:115200n8",
	};
}

static inline void tree_must(int error)
{
	if (error) {
		(void)fprintf(stderr, "tree: %s\n", fdt_strerror(error));
		abort();
	}
}

static inline void tree_string(void *t, const char *name, const char *value)
{
	if (value)
		tree_must(fdt_property(t, name, value, (int)strlen(value) + 1));
}

static inline void tree_u32(void *t, const char *name, u32 value)
{
	tree_must(fdt_property_u32(t, name, value));
}

static inline void tree_u64s(void *t, const char *name, const u64 *values, unsigned count)
{
	fdt64_t be[8];

	for (unsigned i = 0; i < count; i++)
		be[i] = cpu_to_fdt64(values[i]);
	tree_must(fdt_property(t, name, be, (int)(count * sizeof(be[0]))));
}

static inline void tree_begin(void *t, const char *name, u64 unit)
{
	char full[64];

	(void)snprintf(full, sizeof(full), unit ? "%s@%llx" : "%s", name, (unsigned long long)unit);
	tree_must(fdt_begin_node(t, full));
}

static inline void tree_cells(void *t, u32 address, u32 size)
{
	tree_u32(t, "#address-cells", address);
	tree_u32(t, "#size-cells", size);
}

static inline void tree_cpu(void *t, const struct tree_options *o, unsigned n)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "cpu@%x", n * o->hart_stride);
	tree_must(fdt_begin_node(t, name));
	tree_string(t, "device_type", "cpu");
	tree_string(t, "compatible", "riscv");
	tree_u32(t, "reg", n * o->hart_stride);
	tree_string(t, "status", n == 1 && o->disabled_status ? o->disabled_status : "okay");
	tree_string(t, "riscv,isa", n == 1 && o->other_isa ? o->other_isa : o->isa);
	tree_string(t, "mmu-type", o->mmu);
	tree_u32(t, "riscv,cboz-block-size", 64);
	tree_begin(t, "interrupt-controller", 0);
	tree_string(t, "compatible", "riscv,cpu-intc");
	tree_u32(t, "#interrupt-cells", 1);
	tree_u32(t, "phandle", TREE_INTC(n));
	tree_must(fdt_end_node(t));
	tree_must(fdt_end_node(t));
}

static inline void tree_device(void *t, const char *name, const char *compatible, u64 base, u64 size, u32 irq)
{
	tree_begin(t, name, base);
	tree_string(t, "compatible", compatible);
	tree_u64s(t, "reg", (const u64[]){ base, size }, 2);
	tree_u32(t, "interrupts", irq);
}

static inline void tree_plic(void *t, const struct tree_options *o)
{
	fdt32_t contexts[64 * 4];
	u32 n = 0;

	for (u32 hart = 0; hart < o->harts; hart++) {
		contexts[n++] = cpu_to_fdt32(TREE_INTC(hart));
		contexts[n++] = cpu_to_fdt32(11);
		contexts[n++] = cpu_to_fdt32(TREE_INTC(hart));
		contexts[n++] = cpu_to_fdt32(o->supervisor_irq);
	}
	tree_begin(t, "plic", 0xc000000);
	tree_string(t, "compatible", "sifive,plic-1.0.0");
	tree_u64s(t, "reg", (const u64[]){ 0xc000000, 0x600000 }, 2);
	tree_must(fdt_property(t, "interrupts-extended", contexts, (int)(n * sizeof(contexts[0]))));
	tree_u32(t, "riscv,ndev", 53);
	tree_u32(t, "phandle", TREE_PLIC);
	tree_must(fdt_end_node(t));
}

static inline void tree_soc(void *t, const struct tree_options *o)
{
	tree_begin(t, "soc", 0);
	tree_cells(t, 2, 2);
	tree_string(t, "compatible", "simple-bus");
	tree_u32(t, "interrupt-parent", TREE_PLIC);
	if (o->soc_offset)
		tree_u64s(t, "ranges", (const u64[]){ 0, o->soc_offset, 0x40000000 }, 3);
	else
		tree_must(fdt_property(t, "ranges", "", 0));
	tree_plic(t, o);
	tree_device(t, "serial", "ns16550a", 0x10000000, 0x100, 10);
	if (o->reg_shift)
		tree_u32(t, "reg-shift", o->reg_shift);
	if (o->reg_io_width)
		tree_u32(t, "reg-io-width", o->reg_io_width);
	tree_must(fdt_end_node(t));
	for (u32 n = o->virtio; n--;) {
		tree_device(t, "virtio_mmio", "virtio,mmio", 0x10001000 + n * 0x1000, 0x1000,
			    o->virtio_irq + n);
		tree_must(fdt_end_node(t));
	}
	tree_must(fdt_end_node(t));
}

static inline void tree_root(void *t, const struct tree_options *o)
{
	tree_cells(t, 2, 2);
	tree_begin(t, "chosen", 0);
	tree_string(t, "bootargs", "fault=none");
	tree_string(t, "stdout-path", o->stdout_path);
	if (o->initrd[1]) {
		tree_u32(t, "linux,initrd-start", (u32)o->initrd[0]);
		tree_u64s(t, "linux,initrd-end", &o->initrd[1], 1);
	}
	tree_must(fdt_end_node(t));
	tree_begin(t, "aliases", 0);
	tree_string(t, "serial0", "/soc/serial@10000000");
	tree_must(fdt_end_node(t));
	for (unsigned i = 0; i < o->rams; i++) {
		tree_begin(t, "memory", o->ram[i][0]);
		tree_string(t, "device_type", "memory");
		tree_u64s(t, "reg", o->ram[i], 2);
		tree_must(fdt_end_node(t));
	}
	tree_begin(t, "reserved-memory", 0);
	tree_cells(t, 2, 2);
	tree_must(fdt_property(t, "ranges", "", 0));
	tree_begin(t, "mmode_resv0", 0x80000000);
	tree_u64s(t, "reg", (const u64[]){ 0x80000000, 0x40000 }, 2);
	tree_must(fdt_property(t, "no-map", "", 0));
	tree_must(fdt_end_node(t));
	tree_must(fdt_end_node(t));
	tree_begin(t, "cpus", 0);
	tree_cells(t, 1, 0);
	tree_u32(t, "timebase-frequency", 10000000);
	for (unsigned n = 0; n < o->harts; n++)
		tree_cpu(t, o, n);
	tree_must(fdt_end_node(t));
	tree_soc(t, o);
}

/* Writes the tree into `size` bytes at `to`; returns how many it takes. */
static inline u32 tree_make(void *to, u32 size, const struct tree_options *o)
{
	tree_must(fdt_create(to, (int)size));
	if (o->reserved[1])
		tree_must(fdt_add_reservemap_entry(to, o->reserved[0], o->reserved[1]));
	tree_must(fdt_finish_reservemap(to));
	tree_must(fdt_begin_node(to, ""));
	tree_root(to, o);
	tree_must(fdt_end_node(to));
	tree_must(fdt_finish(to));
	return fdt_totalsize(to);
}

#endif
