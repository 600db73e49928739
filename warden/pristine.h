/*
 * The pristine image: a copy of the hypervisor's file as it was loaded, in the firmware's memory that HS-mode cannot
 * write. Heirs are unpacked from it.
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

#define PRISTINE_MAX KIB(768)

bool pristine_header_is_sane(const struct image_header *image);

/* Keeps the image, whose header is sane. Once, at boot. */
void pristine_keep(const struct image_header *image);

/* Bytes of the file, and the first 32 bits of its SHA-256. */
u64 pristine_size(void);
u32 pristine_name(void);

/*
 * Copies the image to the start of a slot. False if it is damaged: the slot's content is then of no use. Does not
 * fence instruction fetches.
 */
bool pristine_unpack(u64 slot);

/*
 * Compares all of it with its SHA-256: 1 good, 0 damaged, or a negative SBI error if a stop came in between (this
 * takes tens of milliseconds with interrupts off).
 */
int pristine_verify(void);

/* Does a little of the comparison, seldom enough to cost nothing worth mentioning. Any hart, any time. */
void pristine_check_a_slice(u64 now);

#endif
