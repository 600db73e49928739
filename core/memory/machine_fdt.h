/*
 * What the host's device tree says of the machine. Read once, by the first life; heirs find it in the estate.
 *
 * Written to the bindings (Devicetree Specification 0.4, Linux's Documentation/devicetree/bindings) and not to one board.
 * Every byte is taken for hostile: a tree that lies is refused with the name of the node, one that lacks something that a
 * host can do without is read without it.
 */
#ifndef CORE_MEMORY_MACHINE_FDT_H
#define CORE_MEMORY_MACHINE_FDT_H

#include "abi/estate.h"

/* What only the first life needs to know. */
struct machine_boot {
	struct machine_range
		reserved[MACHINE_MAX_RESERVED]; /* RAM that is not ours: /reserved-memory, /memreserve/ */
	u32 fdt_size;				/* bytes of the device tree itself */
	char bootargs[256];			/* /chosen's, cut */
	char text[128];				/* what was wrong, or what was left out ("" if nothing) */
};

/*
 * Reads the device tree of at most `max` bytes at `dtb` (8-byte aligned) into *m: harts, time base, RAM (sorted, joined),
 * UART, PLIC, virtio-mmio slots (by address), and the range of the boot pack, which is /chosen's initrd (size 0: none).
 * What a device tree does not say is 0: vlenb may have to be read from the hart, and warden and policies come later.
 *
 * Harts beyond MAX_HARTS, RAM beyond MACHINE_MAX_RAM ranges and slots beyond MACHINE_MAX_VIRTIO are left out; text says so.
 * -EINVAL: the tree is damaged or contradicts itself; -ENODEV: a hart lacks what we need (H extension, an FPU), or there
 * is no PLIC, RAM or hart; -E2BIG: more reserved ranges than we can heed.
 */
int machine_fdt_read(const void *dtb, size_t max, struct machine_record *m, struct machine_boot *boot);

#endif
