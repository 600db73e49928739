/* The file of a hypervisor image that `outlive update` is given, and what is wrong with it (abi/image.h). */
#ifndef CLI_UPDATE_IMAGE_H
#define CLI_UPDATE_IMAGE_H

#include "abi/image.h"
#include "cli/sha256.h"

struct update_image {
	const char *path;
	u8 *bytes;
	size_t size;
	struct image_header header; /* as far as the file has it, else 0 */
	u8 digest[SHA256_BYTES];
};

/* Reads the file. Exit code, with the error printed. update_image_free only after EXIT_CODE_OK. */
int update_image_read(struct update_image *image, const char *path);

void update_image_free(struct update_image *image);

/*
 * Says why the image is none for a host whose estate has version `estate`; nothing for IMAGE_GOOD. Exit code: those of the
 * transfer are EXIT_CODE_FAILED, the others EXIT_CODE_INVALID.
 */
int update_image_judge(const struct update_image *image, enum image_problem problem, u32 estate);

#endif
