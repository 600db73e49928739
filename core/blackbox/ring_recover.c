/*
 * What is complete in a ring that was found on disk. ring.h says what a write leaves behind at each of its steps; here
 * is the reverse. Four kinds are told apart by header and NULs:
 *
 * - header and NULs agree: nothing was under way, or only room was being made;
 * - the header is right and there is text between the first and the last NUL of the gap: data was under way, and what is
 *   in the gap does not count;
 * - the header contradicts itself or the NULs: the sector of the header was torn inside. The gap shows where the ring ends;
 * - no NULs, or NULs in several places: Linux wrote it, and only the header counts.
 *
 * What is found differs from what our own writes leave behind in all but the first case, and then a repair is noted, which
 * the first write does before anything else.
 */
#include "core/blackbox/ring.h"
#include "core/lib/string.h"

/* The NULs of a ring. Positions are below room, lengths go round. */
struct gap {
	u32 from, bytes; /* first to last NUL; bytes 0: none */
	bool clean;	 /* nothing but NULs in between */
	bool alone;	 /* no NUL anywhere else */
};

static u8 data_at(const struct ring *r, u32 position)
{
	return r->image[PSTORE_ZONE_HEADER + (position < r->room ? position : position - r->room)];
}

/* Bytes from `from` on, going round, before the first NUL; room if there is none. */
static u32 text_length(const struct ring *r, u32 from)
{
	u32 n = 0;

	while (n < r->room && data_at(r, from + n))
		n++;
	return n;
}

/* Bytes between the first and the last NUL of a gap in which a write was interrupted are fewer than this. */
static u32 gap_max(const struct ring *r)
{
	return ring_chunk_max(r) + RING_GAP_UNIT;
}

/*
 * The gap whose first NUL is the first from `from` on, or, if there is one there, the first of those that lie before it
 * without text between.
 */
static struct gap find_gap(const struct ring *r, u32 from)
{
	struct gap gap = { .clean = true, .alone = true };
	u32 distance = text_length(r, from), run = 0, last = 0;

	if (distance == r->room)
		return gap;
	gap.from = (from + distance) % r->room;
	if (!distance)
		while (run < r->room && !data_at(r, gap.from + r->room - 1)) {
			gap.from = (gap.from + r->room - 1) % r->room;
			run++;
		}
	/* All NULs in a row belong to it, and those that a write under way could have left behind the text. */
	run = 0;
	while (run < r->room && !data_at(r, gap.from + run))
		run++;
	last = run - 1;
	for (u32 n = run; n < r->room; n++) {
		if (data_at(r, gap.from + n))
			continue;
		if (n >= gap_max(r)) {
			gap.alone = false;
			break;
		}
		last = n;
	}
	gap.bytes = last + 1;
	gap.clean = gap.bytes == run;
	return gap;
}

/* The ring ends where the gap begins and begins where it ends. */
static void take_gap(struct ring *r, const struct gap *gap, bool wrapped)
{
	r->start = gap->from;
	r->wrapped = wrapped;
	r->zeros = gap->bytes;
	r->fill = r->room - gap->bytes;
	if (gap->clean)
		return;
	r->needs_repair = true;
	r->repair_from = gap->from;
	r->repair_bytes = gap->bytes;
}

static void torn(struct ring *r, const char *why)
{
	r->state = ZONE_TORN;
	r->why = why;
}

/* The text lies from `begin` to `start`, and everything else is to be NUL. */
static void take_unwrapped(struct ring *r, u32 begin, u32 start)
{
	r->wrapped = false;
	r->start = start;
	r->fill = start - begin;
	r->zeros = r->room - r->fill;
	for (u32 n = 0; n < r->zeros; n++)
		r->needs_repair = r->needs_repair || data_at(r, start + n);
	r->repair_from = start;
	r->repair_bytes = r->zeros;
}

/* datalen == start: text from the beginning, but for a gap there if the first write round was under way. */
static void recover_unwrapped(struct ring *r, u32 datalen)
{
	u32 most = datalen < gap_max(r) ? datalen : gap_max(r);
	u32 begin = 0;
	bool clean = true;

	for (u32 n = 0; n < most; n++)
		if (!data_at(r, n))
			begin = n + 1;
	for (u32 n = begin; n < datalen; n++)
		if (!data_at(r, n))
			begin = 0;
	for (u32 n = 0; n < begin; n++)
		clean = clean && !data_at(r, n);
	if (!clean)
		torn(r, "a write was interrupted");
	take_unwrapped(r, begin, datalen);
}

static void recover_wrapped(struct ring *r, u32 start)
{
	struct gap gap;

	start = start == r->room ? 0 : start;
	gap = find_gap(r, start);
	if (!gap.bytes || !gap.alone || gap.bytes == r->room) {
		r->start = start;
		r->wrapped = true;
		r->fill = r->room;
		/* One NUL makes a gap of it: one byte is written or not. */
		r->needs_repair = true;
		r->repair_from = start;
		r->repair_bytes = 1;
		return;
	}
	if (!gap.clean)
		torn(r, "a write was interrupted");
	take_gap(r, &gap, true);
	if (gap.from != start) {
		torn(r, "the write of a header was interrupted");
		r->needs_repair = true;
		r->repair_from = gap.from;
		r->repair_bytes = gap.bytes;
	}
}

/* The header contradicts itself. It was the only thing under way, so there is one gap, or this was never a ring of ours. */
static void recover_torn_header(struct ring *r, const struct pstore_zone_header *h)
{
	struct gap gap = find_gap(r, 0);

	r->needs_repair = true;
	torn(r, h->start > h->datalen ? "start beyond datalen" : "datalen and start contradict each other");
	if (gap.bytes == r->room || !gap.bytes || !gap.alone || !gap.clean) {
		take_unwrapped(r, 0,
			       gap.bytes == r->room    ? 0
			       : h->start < h->datalen ? h->start
						       : h->datalen);
		return;
	}
	r->repair_from = gap.from;
	r->repair_bytes = gap.bytes;
	/* The gap reaches to the end of the zone only where no write has gone round yet. */
	take_gap(r, &gap, gap.from + gap.bytes < r->room || !gap.from);
}

/* True if the NULs are as only our own writes leave them. */
static bool gap_is_ours(const struct ring *r)
{
	struct gap gap = find_gap(r, 0);

	return gap.bytes && gap.bytes < r->room && gap.alone && gap.clean;
}

/*
 * Nothing in it that counts: all of its data is made anew before the first write. The header stays as it is until then,
 * or a signature would make a ring of what has not been cleared yet.
 */
static void start_anew(struct ring *r, enum zone_state state)
{
	r->state = state;
	r->zeros = r->room;
	r->needs_repair = true;
	r->repair_bytes = r->room;
}

/* NULs in the text, which are not ours, would look like a gap later: the repair makes blanks of them. */
static void look_for_nuls(struct ring *r)
{
	u32 begin = r->start + r->room - r->fill, n = 0;

	while (n < r->fill && data_at(r, (begin + n) % r->room))
		n++;
	if (n == r->fill)
		return;
	if (!r->needs_repair) {
		r->needs_repair = true;
		r->repair_from = r->start;
		r->repair_bytes = r->zeros;
	}
	r->repair_text = true;
}

static void set_up(struct ring *r, enum pstore_type type, u8 *image, u32 size, u64 at, u8 *pending)
{
	*r = (struct ring){
		.image = image, .at = at, .room = size - PSTORE_ZONE_HEADER, .type = type, .pending = pending
	};
}

void ring_unreadable(struct ring *r, enum pstore_type type, u8 *image, u32 size, u64 at, u8 *pending)
{
	set_up(r, type, image, size, at, pending);
	memset(image, 0, PSTORE_ZONE_HEADER);
	start_anew(r, ZONE_UNREADABLE);
}

void ring_recover(struct ring *r, enum pstore_type type, u8 *image, u32 size, u64 at, u8 *pending)
{
	struct pstore_zone_header h;

	set_up(r, type, image, size, at, pending);
	memcpy(&h, image, sizeof(h));
	r->why = zone_check(&h, type, r->room);
	r->state = ZONE_GOOD;
	if (r->why && (h.signature != PSTORE_SIGNATURE_OF(type) || !gap_is_ours(r))) {
		start_anew(r, h.signature == PSTORE_SIGNATURE_OF(type) ? ZONE_BAD : ZONE_ABSENT);
	} else if (r->why) {
		recover_torn_header(r, &h);
	} else if (!h.datalen && !h.start) {
		r->state = ZONE_ERASED;
		take_unwrapped(r, 0, 0);
	} else if (h.start != h.datalen && h.datalen != r->room) {
		recover_torn_header(r, &h);
	} else if (h.datalen == r->room) {
		recover_wrapped(r, h.start);
	} else {
		recover_unwrapped(r, h.datalen);
	}
	look_for_nuls(r);
}
