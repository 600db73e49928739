/*
 * The header at the start of the hypervisor image (outlive.bin).
 *
 * It is the header of a Linux RISC-V Image (Documentation/arch/riscv/boot-image-header.rst), so that U-Boot and
 * other loaders start it, followed by our own fields.  The warden reads ours before it accepts an image.
 * The image is position-independent; it is loaded at the start of a slot.
 */
#ifndef ABI_IMAGE_H
#define ABI_IMAGE_H

#include "abi/types.h"

#define IMAGE_LINUX_MAGIC2   0x05435352u	 /* "RSC\x05" */
#define IMAGE_OUTLIVE_MAGIC  0x4556494c54554full /* "OUTLIVE" */
#define IMAGE_HEADER_VERSION 1

/* Byte offset of the entry of an heir: warden jumps here with a0 = hart id, a1 = estate, in HS-mode. */
#define IMAGE_HEIR_ENTRY 0x80

struct image_header {
	u32 code[2];	   /* jump to the entry for a first life: a0 = hart id, a1 = device tree */
	u64 text_offset;   /* 2 MiB: where a loader puts it, from the start of RAM */
	u64 linux_size;	   /* bytes of RAM that the image takes, bss included */
	u64 flags;	   /* little endian, 4 KiB pages, anywhere */
	u32 linux_version; /* 0.2 */
	u32 reserved0;
	u64 reserved1;
	u64 linux_magic; /* "RISCV\0\0\0" */
	u32 linux_magic2;
	u32 reserved2;
	/* Ours, from byte 64. */
	u64 magic;
	u32 header_version;
	u32 estate_version; /* ESTATE_VERSION that this image reads and writes */
	u64 file_size;	    /* bytes of outlive.bin: what is hashed and copied */
	u64 memory_size;    /* bytes in the slot, bss and boot stack included */
	u64 reserved3[4];
};

#define IMAGE_HEADER_SIZE 128

_Static_assert(sizeof(struct image_header) == IMAGE_HEADER_SIZE, "image header layout");
_Static_assert(offsetof(struct image_header, magic) == 64, "image header layout");

#endif
