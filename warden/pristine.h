/*
 * The pristine image in force: a copy of the hypervisor's file as it was loaded, or came by an update, in the firmware's
 * memory that HS-mode cannot write. Heirs are unpacked from it.
 *
 * It is checked in two ways. SHA-256, taken when the image is accepted, is compared on request and in slices in the
 * background. It costs about 70 instructions a byte, which a recovery cannot afford, so what stands between the
 * crash and the heir is a 64-bit checksum of the same bytes, computed from the words that the copy has in its hands
 * anyway (6 instructions for 8 bytes). That is enough there: HS-mode has no way to the buffer, so what can change it
 * are errors of RAM and DMA gone astray, and such damage escapes 64 bits by chance alone. Who directs DMA on purpose
 * could fit a checksum, and does not escape the background check; but nothing on a machine without an IOMMU withstands
 * him, this code included.
 */
#ifndef WARDEN_PRISTINE_H
#define WARDEN_PRISTINE_H

#include "warden/contract.h"

/* An image in the firmware's memory. `words` behind the file's bytes are 0. */
struct pristine {
	u64 *words; /* room for IMAGE_FILE_MAX bytes */
	u64 size;   /* bytes of the file */
	u64 checksum;
	u8 digest[32]; /* SHA-256 */
	volatile bool damaged;
};

bool pristine_header_is_sane(const struct image_header *image);

/* Keeps the image, whose header is sane. Once, at boot. */
void pristine_keep(const struct image_header *image);

/* Of the image in force: its header, and the first 32 bits of its SHA-256. */
const struct image_header *pristine_header(void);
u32 pristine_name(void);
void pristine_digest(u8 digest[32]);

/*
 * Copies the image to the start of a slot. False if it is damaged: the slot's content is then of no use. Does not
 * fence instruction fetches.
 */
bool pristine_unpack(u64 slot);

/*
 * The other buffer: of an image that a life wants to be updated to (update.h). It is sealed when all of it is there, can
 * be unpacked then, and replaces the one in force, which is the spare from then on.
 */
struct pristine *pristine_spare(void);
void pristine_seal(struct pristine *image);
bool pristine_unpack_spare(u64 slot);
void pristine_replace(void);

/*
 * Compares all of it with its SHA-256: 1 good, 0 damaged, or a negative SBI error if a stop came in between (this
 * takes tens of milliseconds with interrupts off).
 */
int pristine_verify(void);

/* Does a little of the comparison, seldom enough to cost nothing worth mentioning. Any hart, any time. */
void pristine_check_a_slice(u64 now);

#endif
