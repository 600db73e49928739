/*
 * What goes where in a guest's RAM: worked out from the kernel's bytes before anything is copied, so that a kernel that
 * does not fit leaves the guest's memory alone. Pure: no VM, no memory but the kernel's.
 */
#ifndef CORE_VM_LOAD_PLAN_H
#define CORE_VM_LOAD_PLAN_H

#include "abi/types.h"

/* Loadable segments of an ELF file that are taken. Kernels have less than ten. */
#define LOAD_MAX_PARTS 16

/* Bytes of the file at `offset` go to `to`; `memory` bytes are in use there, what the file does not fill is zero. */
struct load_part {
	u64 offset;
	u64 file;
	u64 memory;
	u64 to;
};

struct load_request {
	const void *kernel;
	u64 kernel_size;
	u64 initrd_size;
	u64 dtb_size; /* room for the device tree, at most BLOCK_SIZE */
	u64 ram_base; /* a multiple of BLOCK_SIZE, as ... */
	u64 ram_size; /* ... is the size */
};

struct load_plan {
	u64 entry;
	struct load_part part[LOAD_MAX_PARTS];
	unsigned parts;
	u64 kernel_end;	  /* behind the highest byte that the kernel uses */
	u64 initrd;	  /* 0: none */
	u64 dtb;	  /* at the start of a 2 MiB block that has nothing else in it */
	const char *kind; /* for messages */
	char text[160];
};

/* -EINVAL, -ENOMEM as in load_vm, with the reason in plan->text. */
int load_plan_make(const struct load_request *q, struct load_plan *plan);

/* ---- For the files load_*.c ---- */

/* Notes the reason and returns `error`. */
int load_plan_fail(struct load_plan *plan, int error, const char *text, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Adds a part. -EINVAL: it is not inside the file or overlaps another part; -ENOMEM: not inside RAM. Parts without
 * memory are passed over.
 */
int load_plan_add(const struct load_request *q, struct load_plan *plan, const struct load_part *part);

/* True if the kernel's first bytes say that it is of this format. */
bool load_elf_is(const struct load_request *q);
int load_elf_plan(const struct load_request *q, struct load_plan *plan);
bool load_image_is(const struct load_request *q);
int load_image_plan(const struct load_request *q, struct load_plan *plan);

/* Names a format that is none of ours and would not do as a flat binary either; NULL if it is not recognised. */
const char *load_image_foreign(const struct load_request *q);

#endif
