/*
 * The check of an image that somebody wants the hypervisor to be updated to: whatever its header says, one that passes fits
 * where warden and slot have room for it, and can adopt the estate. Input: the estate's version, then the file.
 */
#include "abi/image.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct image_header h = { 0 };
	u32 estate;

	if (size < sizeof(estate))
		return 0;
	memcpy(&estate, data, sizeof(estate));
	data += sizeof(estate);
	size -= sizeof(estate);
	memcpy(&h, data, size < sizeof(h) ? size : sizeof(h));
	/* A header alone is as long as it likes, or only few inputs would get far. */
	if (size == sizeof(h))
		size = (size_t)h.file_size;
	switch (image_check(&h, size, estate)) {
	case IMAGE_GOOD:
		if (size <= IMAGE_HEADER_SIZE || size > IMAGE_FILE_MAX || h.file_size != size ||
		    h.memory_size < size || h.memory_size > IMAGE_MEMORY_MAX || estate > h.estate_version ||
		    estate < (h.estate_oldest ? h.estate_oldest : h.estate_version))
			abort();
		break;
	case IMAGE_INCOMPLETE:
	case IMAGE_HASH:
		abort(); /* the warden's to say */
	default:
		break;
	}
	return 0;
}
