/*
 * The shim: what stands before a crash kernel, and takes the machine over from Outlive before that begins.
 *
 * It is a flat image that runs wherever it is put, and begins with this header. Linux enters it as it enters any crash
 * kernel: at its first byte, without translation, a0 = hart id, a1 = device tree.
 */
#ifndef GUESTS_SHIM_SHIM_H
#define GUESTS_SHIM_SHIM_H

#define SHIM_MAGIC 0x314d494853544c4f /* the bytes "OLTSHIM1" */

/* Offsets in struct shim_header, for the assembler. */
#define SHIM_MAGIC_OFFSET  8
#define SHIM_KERNEL_OFFSET 16

#ifndef __ASSEMBLER__
#include "abi/types.h"

struct shim_header {
	u32 code[2];
	u64 magic;
	u64 kernel; /* where the kernel begins, bytes from the shim's start: whoever loads the two writes it */
	u64 size;   /* of the image and of what it uses behind it, bytes */
};

_Static_assert(offsetof(struct shim_header, magic) == SHIM_MAGIC_OFFSET, "the assembler's offset");
_Static_assert(offsetof(struct shim_header, kernel) == SHIM_KERNEL_OFFSET, "the assembler's offset");
#endif

#endif
