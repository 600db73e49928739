/* What a campaign runs: see campaign_identity.h. */
#include "cli/campaign_identity.h"
#include "cli/library.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/qemu.h"
#include "core/lib/crc32c.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX MIB(64)

/* The head of the linker's note: 4 bytes of name, 20 of SHA-1, NT_GNU_BUILD_ID. */
static const u8 note_head[16] = { 4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0 };
#define NOTE_ID_BYTES 20u

bool campaign_build_id(const u8 *image, size_t count, char *to, size_t size)
{
	const u8 *at = memmem(image, count, note_head, sizeof(note_head));

	*to = '\0';
	if (!at || (size_t)(image + count - at) < sizeof(note_head) + NOTE_ID_BYTES)
		return false;
	at += sizeof(note_head);
	for (size_t i = 0; i < NOTE_ID_BYTES && 2 * i + 2 < size; i++)
		snprintf(to + 2 * i, 3, "%02x", at[i]);
	return true;
}

/* A file that comes with the command; free() it. NULL with the error printed. */
static u8 *read_library(const char *name, size_t *count)
{
	char *path = library_find(name);
	FILE *from = path ? fopen(path, "re") : NULL;
	u8 *bytes = NULL;

	*count = 0;
	if (from) {
		bytes = memory_new(1, IMAGE_MAX);
		*count = fread(bytes, 1, IMAGE_MAX, from);
		fclose(from);
	} else if (path) {
		message_error("%s: %s", path, strerror(errno));
	} else {
		message_error("%s is not %s (\"make\" builds it; OUTLIVE_LIB names its directory)", name,
			      getenv("OUTLIVE_LIB") ? "in $OUTLIVE_LIB" : "beside this program");
	}
	free(path);
	return bytes;
}

/* The checksum of such a file, in hexadecimal. 0, or -ENOENT with the error printed. */
static int checksum(const char *name, char *to, size_t size)
{
	size_t count;
	u8 *bytes = read_library(name, &count);

	if (!bytes)
		return -ENOENT;
	snprintf(to, size, "%08x", crc32c(0, bytes, count));
	free(bytes);
	return 0;
}

int campaign_identify(struct campaign_head *head, const char *qemu)
{
	size_t count;
	u8 *bytes;

	if (qemu_check(qemu) < 0)
		return -ENOENT;
	qemu_version(qemu, head->qemu, sizeof(head->qemu));
	bytes = read_library("outlive.bin", &count);
	if (!bytes)
		return -ENOENT;
	if (!campaign_build_id(bytes, count, head->build, sizeof(head->build)))
		snprintf(head->build, sizeof(head->build), "crc32c:%08x", crc32c(0, bytes, count));
	free(bytes);
	if (checksum("warden.bin", head->warden, sizeof(head->warden)) < 0)
		return -ENOENT;
	return checksum("guests/witness.bin", head->guest, sizeof(head->guest));
}
