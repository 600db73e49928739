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

#define IMAGE_LINUX_MAGIC    0x5643534952ull	 /* "RISCV\0\0\0" */
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
	u32 estate_version; /* ESTATE_VERSION that this image writes */
	u64 file_size;	    /* bytes of outlive.bin: what is hashed and copied */
	u64 memory_size;    /* bytes in the slot, bss and boot stack included */
	u32 estate_oldest;  /* the oldest ESTATE_VERSION that it can adopt; 0: none but its own */
	u32 reserved3;
	u64 reserved4[3];
};

#define IMAGE_HEADER_SIZE 128

/* What an image may have, in the file and in the slot: what the warden has room for, and what is before the stacks. */
#define IMAGE_FILE_MAX	 KIB(416)
#define IMAGE_MEMORY_MAX MIB(1)

/* Why an image is not one to update to. */
enum image_problem {
	IMAGE_GOOD = 0,
	IMAGE_NOT_OURS = 1,	 /* too short for a header, or without our magic */
	IMAGE_OTHER_MACHINE = 2, /* not for RISC-V */
	IMAGE_OTHER_HEADER = 3,	 /* IMAGE_HEADER_VERSION is another */
	IMAGE_TRUNCATED = 4,	 /* less than its header says */
	IMAGE_SIZES = 5,	 /* more than that, or sizes that cannot be */
	IMAGE_ESTATE_NEWER = 6,	 /* it cannot adopt an estate as old as the running life's */
	IMAGE_ESTATE_OLDER = 7,	 /* it knows nothing of an estate as new as that */
	IMAGE_INCOMPLETE = 8,	 /* the warden has not got all of it */
	IMAGE_HASH = 9,		 /* what the warden has got is not what was sent */
};

_Static_assert(sizeof(struct image_header) == IMAGE_HEADER_SIZE, "image header layout");
_Static_assert(offsetof(struct image_header, magic) == 64, "image header layout");

/*
 * True if the sizes in the header can be. The header is anybody's.
 */
static inline bool image_sizes_make_sense(const struct image_header *h)
{
	return h->file_size > IMAGE_HEADER_SIZE && h->file_size <= IMAGE_FILE_MAX &&
	       h->memory_size >= h->file_size && h->memory_size <= IMAGE_MEMORY_MAX;
}

/*
 * What is wrong with an image of `bytes`, whose first IMAGE_HEADER_SIZE are `h` (or as many as there are, the rest of it 0),
 * for a life that has an estate of version `estate`. Command and warden both ask, so that both say the same.
 */
static inline enum image_problem image_check(const struct image_header *h, u64 bytes, u32 estate)
{
	const u32 oldest = h->estate_oldest ? h->estate_oldest : h->estate_version;

	if (bytes < IMAGE_HEADER_SIZE || h->magic != IMAGE_OUTLIVE_MAGIC)
		return IMAGE_NOT_OURS;
	if (h->linux_magic != IMAGE_LINUX_MAGIC || h->linux_magic2 != IMAGE_LINUX_MAGIC2)
		return IMAGE_OTHER_MACHINE;
	if (h->header_version != IMAGE_HEADER_VERSION)
		return IMAGE_OTHER_HEADER;
	if (!image_sizes_make_sense(h))
		return IMAGE_SIZES;
	if (h->file_size != bytes)
		return h->file_size > bytes ? IMAGE_TRUNCATED : IMAGE_SIZES;
	if (oldest > estate)
		return IMAGE_ESTATE_NEWER;
	return h->estate_version < estate ? IMAGE_ESTATE_OLDER : IMAGE_GOOD;
}

#endif
