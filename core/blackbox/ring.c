/* Writing to rings, one step at a time: see ring.h. */
#include "core/blackbox/ring.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

static u8 *ring_data(const struct ring *r)
{
	return r->image + PSTORE_ZONE_HEADER;
}

/* A range of data that may go round: its two parts. */
static u32 first_part(const struct ring *r, u32 from, u32 bytes)
{
	return bytes < r->room - from ? bytes : r->room - from;
}

static void plan_data(struct ring *r, u32 from, u32 bytes)
{
	u32 first = first_part(r, from, bytes);

	transfer_begin(&r->transfer, r->image, r->at);
	transfer_add(&r->transfer, PSTORE_ZONE_HEADER + from, first);
	transfer_add(&r->transfer, PSTORE_ZONE_HEADER, bytes - first);
}

static void zero_data(struct ring *r, u32 from, u32 bytes)
{
	u32 first = first_part(r, from, bytes);

	memset(ring_data(r) + from, 0, first);
	memset(ring_data(r), 0, bytes - first);
}

static u32 around(const struct ring *r, u32 position)
{
	return position >= r->room ? position - r->room : position;
}

/* ---- The steps ---- */

/* Some bytes less count as text from now on: the oldest ones. */
static void limit_fill(struct ring *r)
{
	r->fill = r->fill < r->room - r->zeros ? r->fill : r->room - r->zeros;
	r->fresh = r->fresh < r->fill ? r->fresh : r->fill;
}

/* Text without NULs, and nothing but NULs where the gap is to be. */
static void begin_repair(struct ring *r)
{
	if (r->repair_text)
		for (u32 n = 0; n < r->room; n++)
			ring_data(r)[n] = ring_data(r)[n] ? ring_data(r)[n] : ' ';
	zero_data(r, r->repair_from, r->repair_bytes);
	r->zeros = r->zeros > r->repair_bytes ? r->zeros : r->repair_bytes;
	limit_fill(r);
	if (r->repair_text)
		plan_data(r, 0, r->room);
	else
		plan_data(r, r->repair_from, r->repair_bytes);
	r->chunk = 0;
	r->phase = RING_REPAIR;
}

/* Bytes from start to the end of the unit that holds the chunk and one byte more. */
static u32 zeros_wanted(const struct ring *r)
{
	u32 end = r->start + r->chunk + 1;
	u32 before = 0;

	if (end > r->room) {
		before = r->room - r->start;
		end -= r->room;
		return before + ALIGN_UP(PSTORE_ZONE_HEADER + end, RING_GAP_UNIT) - PSTORE_ZONE_HEADER;
	}
	return ALIGN_UP(PSTORE_ZONE_HEADER + end, RING_GAP_UNIT) - PSTORE_ZONE_HEADER - r->start;
}

static void begin_room(struct ring *r)
{
	u32 wanted = zeros_wanted(r);
	u32 from = around(r, r->start + r->zeros), bytes = wanted - r->zeros;

	zero_data(r, from, bytes);
	plan_data(r, from, bytes);
	r->zeros = wanted;
	limit_fill(r);
	r->phase = RING_ROOM;
}

static void begin_data(struct ring *r)
{
	u32 first = first_part(r, r->start, r->chunk);

	memcpy(ring_data(r) + r->start, r->pending, first);
	memcpy(ring_data(r), r->pending + first, r->chunk - first);
	plan_data(r, r->start, r->chunk);
	r->phase = RING_DATA;
}

/* The header that makes text part of the ring; `start` is room, not 0, after a write that ended there, as in Linux. */
static void begin_header(struct ring *r)
{
	struct pstore_zone_header h = { .signature = PSTORE_SIGNATURE_OF(r->type) };

	r->wrapped = r->wrapped || r->start + r->chunk >= r->room;
	r->start = around(r, r->start + r->chunk);
	r->zeros -= r->chunk;
	r->fill += r->chunk;
	r->fresh += r->chunk;
	h.datalen = r->wrapped ? r->room : r->start;
	h.start = r->wrapped && !r->start ? r->room : r->start;
	memcpy(r->image, &h, sizeof(h));
	transfer_begin(&r->transfer, r->image, r->at);
	transfer_add(&r->transfer, 0, sizeof(h));
	r->phase = RING_HEADER;
}

static void finish(struct ring *r)
{
	r->pending_bytes -= r->chunk;
	memmove(r->pending, r->pending + r->chunk, r->pending_bytes);
	r->chunk = 0;
	r->needs_repair = false;
	r->repair_text = false;
	r->phase = RING_IDLE;
}

u32 ring_chunk_max(const struct ring *r)
{
	return r->room / 4 < RING_CHUNK_MAX ? r->room / 4 : RING_CHUNK_MAX;
}

/* As many whole lines as go through the steps at once, so that a cut between two passes cuts no line. */
static u32 next_chunk(const struct ring *r)
{
	u32 most = ring_chunk_max(r);

	if (r->pending_bytes <= most)
		return r->pending_bytes;
	for (u32 bytes = most; bytes; bytes--)
		if (r->pending[bytes - 1] == '\n')
			return bytes;
	return most;
}

static void begin_chunk(struct ring *r)
{
	r->chunk = next_chunk(r);
	if (r->zeros < r->chunk + 1)
		begin_room(r);
	else
		begin_data(r);
}

/* Finishes the step that is under way, and those that must follow it. */
static int complete(struct ring *r, struct blackbox_device *d)
{
	while (r->phase != RING_IDLE) {
		int error = transfer_run(&r->transfer, d);

		if (error)
			return error;
		switch (r->phase) {
		case RING_ROOM:
			begin_data(r);
			break;
		case RING_REPAIR:
		case RING_DATA:
			begin_header(r);
			break;
		case RING_HEADER:
		case RING_IDLE:
			finish(r);
			break;
		}
	}
	return 0;
}

int ring_settle(struct ring *r, struct blackbox_device *d)
{
	if (r->phase == RING_IDLE && r->needs_repair)
		begin_repair(r);
	return complete(r, d);
}

int ring_flush(struct ring *r, struct blackbox_device *d)
{
	int error = complete(r, d);

	while (!error && r->pending_bytes) {
		if (r->needs_repair)
			begin_repair(r);
		else
			begin_chunk(r);
		error = complete(r, d);
	}
	return error;
}

bool ring_dirty(const struct ring *r)
{
	return r->phase != RING_IDLE || r->pending_bytes;
}

void ring_restart(struct ring *r)
{
	if (r->phase != RING_IDLE)
		transfer_restart(&r->transfer);
}

/* ---- Taking and giving ---- */

u32 ring_free(const struct ring *r)
{
	return RING_PENDING - r->pending_bytes;
}

int ring_append(struct ring *r, const void *text, u32 bytes)
{
	u8 *to = r->pending + r->pending_bytes;

	if (bytes > RING_PENDING)
		return -E2BIG;
	if (bytes > ring_free(r))
		return -EAGAIN;
	for (u32 i = 0; i < bytes; i++)
		to[i] = ((const u8 *)text)[i] ? ((const u8 *)text)[i] : ' ';
	r->pending_bytes += bytes;
	return 0;
}

int ring_erase(struct ring *r, struct blackbox_device *d)
{
	int error = complete(r, d);

	if (error)
		return error;
	r->start = 0;
	r->wrapped = false;
	r->fill = 0;
	r->fresh = 0;
	r->zeros = 0;
	r->chunk = 0;
	begin_header(r);
	error = complete(r, d);
	/* What was erased is cleared before it is written over. */
	r->needs_repair = true;
	r->repair_from = 0;
	r->repair_bytes = r->room;
	return error;
}

u32 ring_bytes(const struct ring *r, bool old_only)
{
	return old_only ? r->fill - r->fresh : r->fill;
}

u32 ring_read(const struct ring *r, bool old_only, u32 from, void *to, u32 size)
{
	u32 bytes = ring_bytes(r, old_only);
	u32 position, first;

	if (from >= bytes)
		return 0;
	bytes = bytes - from < size ? bytes - from : size;
	position = around(r, around(r, r->start + r->room - r->fill) + from);
	first = first_part(r, position, bytes);
	memcpy(to, ring_data(r) + position, first);
	memcpy((u8 *)to + first, ring_data(r), bytes - first);
	return bytes;
}
