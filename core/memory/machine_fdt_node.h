/*
 * Checked reading of device tree nodes, for machine_fdt*.c: cells, reg with translation through buses, interrupts.
 * (Devicetree Specification 0.4, chapters 2.3 and 2.4.)
 */
#ifndef CORE_MEMORY_MACHINE_FDT_NODE_H
#define CORE_MEMORY_MACHINE_FDT_NODE_H

#include "core/memory/machine_fdt.h"

struct fdt_reader {
	const void *fdt;
	struct machine_record *m;
	struct machine_boot *boot;
	u32 intc[MAX_HARTS]; /* phandle of each hart's own interrupt controller */
	u32 plic_phandle;
};

/* Writes "path of node: text" into boot->text and returns `error`. */
int fdt_reader_fail(struct fdt_reader *r, int error, int node, const char *text, ...)
	__attribute__((format(printf, 4, 5)));

/* A cell, or a number of one or two cells. -ENOENT: no such property; -EINVAL: another size. */
int fdt_reader_number(struct fdt_reader *r, int node, const char *property, u64 *value);

/* The same; `missing` if there is no such property. */
int fdt_reader_number_or(struct fdt_reader *r, int node, const char *property, u64 missing, u64 *value);

/* The property as a string that ends inside it, or NULL. */
const char *fdt_reader_string(struct fdt_reader *r, int node, const char *property);

/* Number of (address, size) pairs in the node's reg; negative if it is malformed. */
int fdt_reader_reg_count(struct fdt_reader *r, int node);

/*
 * The n-th pair of reg as a range of the machine's addresses: translated through the `ranges` of all buses above.
 * -EINVAL: malformed, not translatable, or it wraps.
 */
int fdt_reader_reg(struct fdt_reader *r, int node, int n, struct machine_range *range);

/* The first interrupt of a device at the PLIC; 0 if it has none there. -EINVAL: no source of it. */
int fdt_reader_interrupt(struct fdt_reader *r, int node, u32 *irq);

/* True unless the node's status says that it is out of use. */
bool fdt_reader_is_okay(struct fdt_reader *r, int node);

/* Harts and time base; fills r->intc. In machine_fdt_cpus.c. */
int machine_fdt_cpus(struct fdt_reader *r);

/* RAM, reserved ranges, the pack. In machine_fdt_memory.c. */
int machine_fdt_memory(struct fdt_reader *r);

/* PLIC, UART, virtio-mmio; needs r->intc and the RAM. In machine_fdt_devices.c. */
int machine_fdt_devices(struct fdt_reader *r);

#endif
