/* The kernel's Image (Linux, Documentation/arch/riscv/boot-image-header.rst), the shim, and their places in the reserved RAM. */
#ifndef GUESTS_KDUMP_IMAGE_H
#define GUESTS_KDUMP_IMAGE_H

#include "guests/kdump/ranges.h"

/* Bytes of a file, or of what is made here. */
struct blob {
	u8 *data;
	u64 size;
};

/* What a crash kernel consists of, in the order of its places. */
enum part { PART_SHIM, PART_KERNEL, PART_INITRD, PART_COREHDR, PART_DTB, PART_COUNT };

struct place {
	u64 base;   /* physical, page-aligned */
	u64 memory; /* bytes of RAM, whole pages; 0: there is no such part */
};

/* Bytes that a kernel needs from its base on, with its zeroed data: from its header. -ENOEXEC if it is none for us. */
int image_memory(const struct blob *kernel, u64 *memory);

/* The same for a shim. -ENOEXEC if it is none. */
int image_shim_memory(const struct blob *shim, u64 *memory);

/*
 * Finds a place in the RAM `region` for each part that has a `memory` (in bytes, rounded up here); the kernel's is a
 * multiple of 2 MiB, and if there is a shim that begins the region. -ENOSPC if the region is too small; `needed` is how many bytes
 * from its start would do.
 */
int image_place(struct range region, struct place places[PART_COUNT], u64 *needed);

#endif
