/* See image.h. */
#include "guests/kdump/image.h"

#include "guests/shim/shim.h"

#include <errno.h>
#include <string.h>

/* Of the Image's header; the rest is of no interest here. */
#define IMAGE_SIZE_OFFSET   16
#define IMAGE_MAGIC2_OFFSET 56
#define IMAGE_HEADER_SIZE   64
#define IMAGE_MAGIC2	    0x05435352u /* the bytes "RSC\x05" */
/* More than any kernel needs: what is above it is no size. */
#define IMAGE_SIZE_MAX GIB(1)

int image_memory(const struct blob *kernel, u64 *memory)
{
	u32 magic;

	if (kernel->size < IMAGE_HEADER_SIZE)
		return -ENOEXEC;
	memcpy(&magic, kernel->data + IMAGE_MAGIC2_OFFSET, sizeof(magic));
	memcpy(memory, kernel->data + IMAGE_SIZE_OFFSET, sizeof(*memory));
	if (magic != IMAGE_MAGIC2 || *memory > IMAGE_SIZE_MAX || kernel->size > IMAGE_SIZE_MAX)
		return -ENOEXEC;
	/* The file may have more than the kernel claims to need: signatures, padding. */
	if (*memory < kernel->size)
		*memory = kernel->size;
	return 0;
}

int image_shim_memory(const struct blob *shim, u64 *memory)
{
	struct shim_header header;

	if (shim->size < sizeof(header))
		return -ENOEXEC;
	memcpy(&header, shim->data, sizeof(header));
	if (header.magic != SHIM_MAGIC || header.size < shim->size || header.size > BLOCK_SIZE)
		return -ENOEXEC;
	*memory = header.size;
	return 0;
}

int image_place(struct range region, struct place places[PART_COUNT], u64 *needed)
{
	u64 end = ALIGN_UP(region.base, BLOCK_SIZE);

	for (int part = 0; part < PART_COUNT; part++) {
		struct place *place = &places[part];

		if (!place->memory)
			continue;
		if (place->memory > GIB(64))
			return -EINVAL;
		/* Linux maps itself and its device tree in blocks of 2 MiB, and claims all of its last block. */
		end = ALIGN_UP(end, part == PART_KERNEL || part == PART_DTB ? BLOCK_SIZE : PAGE_SIZE);
		place->base = end;
		place->memory = ALIGN_UP(place->memory, PAGE_SIZE);
		end += place->memory;
		if (part == PART_KERNEL)
			end = ALIGN_UP(end, BLOCK_SIZE);
	}
	*needed = end - region.base;
	return *needed > region.size ? -ENOSPC : 0;
}
