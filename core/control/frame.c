/* Frames of the control channel: see frame.h. Freestanding, without allocation. */
#include "core/control/frame.h"
#include "core/lib/crc32c.h"
#include "core/lib/string.h"

_Static_assert(sizeof(struct ctl_header) == 32, "the header has no holes");

/* Checksum of a frame whose header is given apart, because the crc in it counts as 0. */
static u32 frame_crc(const struct ctl_header *header, const void *payload, size_t length)
{
	struct ctl_header h = *header;

	h.crc = 0;
	return crc32c(crc32c(0, &h, sizeof(h)), payload, length);
}

size_t frame_encode(void *to, size_t room, struct ctl_header *header, const void *payload, size_t length)
{
	if (length > CTL_PAYLOAD_MAX || room < sizeof(*header) + length)
		return 0;
	header->magic = CTL_MAGIC;
	header->version = CTL_VERSION;
	header->length = (u32)length;
	header->reserved = 0;
	header->crc = frame_crc(header, payload, length);
	if (length)
		memmove((u8 *)to + sizeof(*header), payload, length);
	memcpy(to, header, sizeof(*header));
	return sizeof(*header) + length;
}

static bool is_magic(const u8 *at)
{
	const u32 magic = CTL_MAGIC;

	return memcmp(at, &magic, sizeof(magic)) == 0;
}

size_t frame_split(const void *bytes, size_t count)
{
	const u8 *at = bytes;
	size_t last = sizeof(u32) - 1;

	if (count > CTL_PAYLOAD_MAX)
		count = CTL_PAYLOAD_MAX;
	for (size_t i = 0; i + last < count; i++)
		if (is_magic(at + i))
			return i + last;
	return count;
}

void frame_unmask(void *bytes, size_t count, u32 mask)
{
	u8 *at = bytes;

	for (size_t i = 0; mask && i < count; i++)
		at[i] ^= (u8)(mask >> 8 * (i % 4));
}

static bool has_magic(const u8 *bytes, size_t count)
{
	for (size_t i = 0; i + sizeof(u32) <= count; i++)
		if (bytes[i] == (u8)CTL_MAGIC && is_magic(bytes + i))
			return true;
	return false;
}

/* The bytes have fewer groups of four than there are masks, and each group is the magic under one mask only. */
u32 frame_mask(void *bytes, size_t count, u64 seed)
{
	u32 mask = 0, step = (u32)(seed * 0x9e3779b1u) | 1u;

	while (has_magic(bytes, count)) {
		frame_unmask(bytes, count, mask ^ (mask + step));
		mask += step;
	}
	return mask;
}

size_t frame_put(struct frame_decoder *d, const void *bytes, size_t count)
{
	size_t room;

	if (d->taken) {
		memmove(d->bytes, d->bytes + d->taken, d->fill - d->taken);
		d->fill -= d->taken;
		d->taken = 0;
	}
	room = sizeof(d->bytes) - d->fill;
	if (count > room)
		count = room;
	memcpy(d->bytes + d->fill, bytes, count);
	d->fill += (u32)count;
	return count;
}

enum look { LOOK_BAD, LOOK_PART, LOOK_GOOD };

/* What `have` bytes at `at` are: no frame, the beginning of what may become one, or a whole one. */
static enum look look(const u8 *at, size_t have, struct ctl_header *header)
{
	const u32 magic = CTL_MAGIC;

	if (memcmp(at, &magic, have < sizeof(magic) ? have : sizeof(magic)) != 0)
		return LOOK_BAD;
	if (have < sizeof(*header))
		return LOOK_PART;
	memcpy(header, at, sizeof(*header));
	if (header->length > CTL_PAYLOAD_MAX)
		return LOOK_BAD;
	if (have < sizeof(*header) + header->length)
		return LOOK_PART;
	return frame_crc(header, at + sizeof(*header), header->length) == header->crc ? LOOK_GOOD : LOOK_BAD;
}

bool frame_next(struct frame_decoder *d, struct ctl_header *header, const u8 **payload)
{
	u32 start = d->taken;
	u32 keep = d->fill; /* where the first frame that may still become complete begins */

	for (u32 i = start; i < d->fill; i++) {
		enum look what = look(d->bytes + i, d->fill - i, header);

		if (what == LOOK_GOOD) {
			d->skipped += i - start;
			d->taken = i + (u32)sizeof(*header) + header->length;
			*payload = d->bytes + i + sizeof(*header);
			return true;
		}
		if (what == LOOK_PART && keep == d->fill)
			keep = i;
	}
	d->skipped += keep - start;
	d->taken = keep;
	return false;
}
