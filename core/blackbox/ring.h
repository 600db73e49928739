/*
 * The ring of a pmsg or console zone: text that is appended for ever, of which the zone keeps the latest.
 *
 * The format has no checksum, so what is complete follows from the order of writes and from the text itself, which has
 * no NUL: on disk, NULs follow the last byte up to the end of its sector at least. This gap is between the newest
 * byte and the oldest, and a write goes through three steps, each on the medium before the next:
 *
 *   1. room: if the gap is too short for the write and one more byte, NULs from its end to the end of a sector;
 *   2. data: the text, into the gap;
 *   3. header: the 12 bytes that make it part of the ring.
 *
 * Wherever the power fails, the text before the gap and after it is complete, and what lies between first and last NUL of
 * the gap is not. A ring that Linux wrote has no gap until we write to it.
 */
#ifndef CORE_BLACKBOX_RING_H
#define CORE_BLACKBOX_RING_H

#include "core/blackbox/transfer.h"
#include "core/blackbox/zone.h"

/*
 * Most bytes of one pass through the steps; a quarter of the ring if that is less. Passes end with lines, so that a power
 * cut between them shows no half of one, unless a line is longer than this.
 */
#define RING_CHUNK_MAX ((u32)KIB(4))
/* Room for text that waits for the device. */
#define RING_PENDING ((u32)KIB(8))

enum ring_phase { RING_IDLE, RING_REPAIR, RING_ROOM, RING_DATA, RING_HEADER };

struct ring {
	/* The zone as it is on disk, or will be when the present step is done. */
	u8 *image;
	u64 at;
	u32 room; /* bytes of data in the zone */
	enum pstore_type type;

	enum zone_state state; /* as found */
	const char *why;       /* a text on TORN and BAD, or NULL */

	u32 start;    /* the next byte goes to data[start], below room */
	bool wrapped; /* datalen is room, for ever */
	u32 zeros;    /* NULs from start on, going round, on disk */
	u32 fill;     /* bytes of text that end before start */
	u32 fresh;    /* of them, written since recovery */

	u8 *pending;
	u32 pending_bytes;

	enum ring_phase phase;
	struct transfer transfer;
	u32 chunk;	   /* bytes of pending that the steps are about */
	bool needs_repair; /* what was found is not what the steps leave behind; see ring_recover.c */
	bool repair_text;  /* it has NULs */
	u32 repair_from, repair_bytes; /* what is to be NUL */
};

/*
 * Sets up a ring whose zone of `size` bytes (a multiple of 4096) at `at` has been read into `image`; `pending` has
 * RING_PENDING bytes. Finds out what is complete in it. Nothing is written.
 */
void ring_recover(struct ring *r, enum pstore_type type, u8 *image, u32 size, u64 at, u8 *pending);

/* The zone could not be read: it counts as empty, and is made anew at the first write. */
void ring_unreadable(struct ring *r, enum pstore_type type, u8 *image, u32 size, u64 at, u8 *pending);

/*
 * Takes text to be written by ring_flush, whole or not at all; NULs become blanks. -EAGAIN: no room until something
 * has been flushed; -E2BIG: more than RING_PENDING.
 */
int ring_append(struct ring *r, const void *text, u32 bytes);

/* Bytes that ring_append takes now. */
u32 ring_free(const struct ring *r);

/* Writes all that waits. 0, or the device's error; then the ring is dirty and the next call goes on. */
int ring_flush(struct ring *r, struct blackbox_device *d);

/* True if text waits or a write has not gone through. */
bool ring_dirty(const struct ring *r);

/* Does at once what the first write after recovery would have to do before it. As ring_flush. */
int ring_settle(struct ring *r, struct blackbox_device *d);

/* Makes the ring empty: datalen 0. What waits is still to be written. As ring_flush. */
int ring_erase(struct ring *r, struct blackbox_device *d);

/* The device was reset: what was under way is done again from the beginning of its step. */
void ring_restart(struct ring *r);

/*
 * Copies text of the ring from byte `from` of what it holds, the oldest first, at most `size` bytes; returns how many.
 * With `old_only` what was there before recovery, as long as it has not been overwritten.
 */
u32 ring_read(const struct ring *r, bool old_only, u32 from, void *to, u32 size);

/* Bytes that ring_read can give in all. */
u32 ring_bytes(const struct ring *r, bool old_only);

/* ---- Between ring.c and ring_recover.c ---- */

/* The gap ends where a unit of this size of the device ends, whatever the sector. */
#define RING_GAP_UNIT 512u

/* Most bytes of text on their way at once: what is torn is a small part of the ring. */
u32 ring_chunk_max(const struct ring *r);

#endif
