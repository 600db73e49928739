/* See update_image.h. */
#include "cli/update_image.h"
#include "cli/exit_code.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* More than any image, to be told from one: a file that somebody names by mistake may be of any size. */
#define READ_MAX (IMAGE_FILE_MAX + KIB(1))

int update_image_read(struct update_image *image, const char *path)
{
	struct stat info;
	FILE *file = fopen(path, "rb");

	memset(image, 0, sizeof(*image));
	image->path = path;
	if (!file || fstat(fileno(file), &info) < 0 || S_ISDIR(info.st_mode)) {
		message_error("%s: %s", path, file ? strerror(EISDIR) : strerror(errno));
		if (file)
			fclose(file);
		return EXIT_CODE_FAILED;
	}
	image->bytes = memory_new(READ_MAX, 1);
	image->size = fread(image->bytes, 1, READ_MAX, file);
	if (ferror(file)) {
		message_error("%s: %s", path, strerror(errno));
		fclose(file);
		free(image->bytes);
		return EXIT_CODE_FAILED;
	}
	/* How much there is, for the message, of one that was not read to its end. */
	if (image->size == READ_MAX && S_ISREG(info.st_mode))
		image->size = (size_t)info.st_size;
	fclose(file);
	memcpy(&image->header, image->bytes,
	       image->size < sizeof(image->header) ? image->size : sizeof(image->header));
	if (image->size <= READ_MAX)
		sha256(image->bytes, image->size, image->digest);
	return EXIT_CODE_OK;
}

void update_image_free(struct update_image *image)
{
	free(image->bytes);
	image->bytes = NULL;
}

int update_image_judge(const struct update_image *image, enum image_problem problem, u32 estate)
{
	const struct image_header *h = &image->header;
	const char *path = image->path;

	switch (problem) {
	case IMAGE_GOOD:
		return EXIT_CODE_OK;
	case IMAGE_NOT_OURS:
		message_error("%s: not an image of Outlive", path);
		break;
	case IMAGE_OTHER_MACHINE:
		message_error("%s: not an image for RISC-V", path);
		break;
	case IMAGE_OTHER_HEADER:
		message_error("%s: its header is of version %u, not %d", path, h->header_version,
			      IMAGE_HEADER_VERSION);
		break;
	case IMAGE_TRUNCATED:
		message_error("%s: truncated: %zu bytes of %llu", path, image->size,
			      (unsigned long long)h->file_size);
		break;
	case IMAGE_SIZES:
		message_error(
			"%s: sizes that cannot be: a file of %zu bytes, %llu and %llu in memory by its header",
			path, image->size, (unsigned long long)h->file_size,
			(unsigned long long)h->memory_size);
		break;
	case IMAGE_ESTATE_NEWER:
		message_error(
			"%s: cannot adopt this host's estate: it is of version %u, the image knows %u to %u",
			path, estate, h->estate_oldest ? h->estate_oldest : h->estate_version,
			h->estate_version);
		break;
	case IMAGE_ESTATE_OLDER:
		message_error(
			"%s: older than this host's estate: that is of version %u, the image knows up to %u",
			path, estate, h->estate_version);
		break;
	case IMAGE_INCOMPLETE:
		message_error("%s: has not arrived whole", path);
		return EXIT_CODE_FAILED;
	case IMAGE_HASH:
		message_error("%s: what has arrived has another SHA-256 than what was sent", path);
		return EXIT_CODE_FAILED;
	default:
		message_error("%s: the host does not accept it (problem %d)", path, (int)problem);
		return EXIT_CODE_FAILED;
	}
	return EXIT_CODE_INVALID;
}
