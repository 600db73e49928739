/*
 * The control channel's frames (abi/control.h) on a byte stream: both ends compile this file.
 *
 * The stream has no end of its own when a life ends: a frame may stop anywhere and the heir's first frame follows. The
 * decoder therefore takes nothing on trust but a checksum: it looks for a magic whose whole frame checks, also inside
 * what the head of a broken frame claims to be its payload.
 *
 * That search must not find a frame that a guest has printed. Whoever sends bytes that a guest chose cuts them with
 * frame_split, or masks them with frame_mask, so that no payload of such bytes contains the magic.
 */
#ifndef CORE_CONTROL_FRAME_H
#define CORE_CONTROL_FRAME_H

#include "abi/control.h"
#include "abi/types.h"

#define FRAME_MAX (sizeof(struct ctl_header) + CTL_PAYLOAD_MAX)

/*
 * Completes *header (magic, version, length, reserved and crc; the caller has set type, tag, status and vm) and writes
 * the frame to `to`, which has `room` bytes. `payload` may lie inside `to` at its final place, behind the header.
 * Returns the size of the frame, or 0 if it is larger than `room` or than a frame may be.
 */
size_t frame_encode(void *to, size_t room, struct ctl_header *header, const void *payload, size_t length);

/*
 * Length of the longest start of `bytes` (at most CTL_PAYLOAD_MAX) that does not contain the magic: send so much in one
 * frame, the rest in the next. At least 1 if count is.
 */
size_t frame_split(const void *bytes, size_t count);

/*
 * For bytes that cannot be cut: XORs byte n of them with byte n % 4 (little endian) of a mask such that the magic does not
 * occur, and returns the mask, 0 nearly always. `count` is at most CTL_PAYLOAD_MAX; `seed` is what no guest can tell before.
 */
u32 frame_mask(void *bytes, size_t count, u64 seed);

/* Undoes frame_mask. */
void frame_unmask(void *bytes, size_t count, u32 mask);

/* Incremental decoder. All-zero is a valid start. */
struct frame_decoder {
	u32 fill;    /* bytes in `bytes` */
	u32 taken;   /* of these, those of the frame that frame_next returned last */
	u64 skipped; /* bytes that belonged to no good frame, ever */
	u8 bytes[FRAME_MAX];
};

/* Bytes that frame_put takes now. At least 1 after frame_next has returned false. */
static inline size_t frame_room(const struct frame_decoder *d)
{
	return sizeof(d->bytes) - (d->fill - d->taken);
}

/*
 * Takes as many bytes as there is room for and returns their number: if that is less than `count`, call frame_next
 * until it returns false and then come again with the rest. There is room for at least one byte then.
 */
size_t frame_put(struct frame_decoder *d, const void *bytes, size_t count);

/*
 * The next good frame, or false if there is none yet. *payload points into the decoder and holds until the next call
 * of frame_put or frame_next. Does not look at the version and the type.
 */
bool frame_next(struct frame_decoder *d, struct ctl_header *header, const u8 **payload);

#endif
