/* Dump regions: see dump_region.h. */
#include "cli/dump_region.h"
#include "cli/memory.h"
#include "core/lib/crc32c.h"
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

/* Places that look like a chunk behind a damaged one, and are looked into. */
#define RESYNC_TRIES 1000

/* ---- Heads ---- */

static bool is_zero(const void *bytes, size_t count)
{
	const u8 *b = bytes;

	return !count || (!b[0] && memcmp(b, b + 1, count - 1) == 0);
}

static bool is_part_sane(u64 base, u64 size, u64 most)
{
	return size && size <= most && base % PAGE_SIZE == 0 && size % PAGE_SIZE == 0 && base + size > base;
}

static bool is_head_sane(const struct dump_head *h, u64 slot_size)
{
	return h->magic == DUMP_HEAD_MAGIC && h->version == DUMP_VERSION && h->state >= DUMP_WRITING &&
	       h->state <= DUMP_TRUNCATED && h->crc == crc32c(0, h, offsetof(struct dump_head, crc)) &&
	       is_part_sane(h->slot_base, h->slot_size, LAYOUT_SLOT_SIZE) &&
	       is_part_sane(h->estate_base, h->estate_size, DUMP_ESTATE_MAX) &&
	       (h->slot_base + h->slot_size <= h->estate_base ||
		h->estate_base + h->estate_size <= h->slot_base) &&
	       h->hart_count <= MAX_HARTS && h->bytes <= slot_size - DUMP_BLOCK;
}

static int read_head(const struct dump_region_view *view, struct dump_slot *slot)
{
	int error;

	if (slot->at > view->source.bytes || view->source.bytes - slot->at < DUMP_BLOCK) {
		slot->state = DUMP_SLOT_MISSING;
		return 0;
	}
	error = view->source.read(view->source.owner, slot->at, &slot->head, sizeof(slot->head));
	if (error)
		return error;
	if (is_zero(&slot->head, sizeof(slot->head)))
		slot->state = DUMP_SLOT_EMPTY;
	else if (is_head_sane(&slot->head, view->slot_size))
		slot->state = DUMP_SLOT_GOOD;
	else
		slot->state = DUMP_SLOT_DAMAGED;
	slot->head.build[sizeof(slot->head.build) - 1] = '\0';
	slot->head.text[sizeof(slot->head.text) - 1] = '\0';
	crash_record_make_printable(slot->head.build, sizeof(slot->head.build));
	crash_record_make_printable(slot->head.text, sizeof(slot->head.text));
	return 0;
}

int dump_region_open(struct dump_region_view *view, const struct region_source *source)
{
	struct dump_region region;
	int error;

	memset(view, 0, sizeof(*view));
	view->source = *source;
	if (source->bytes < DUMP_BLOCK)
		return -EINVAL;
	error = source->read(source->owner, 0, &region, sizeof(region));
	if (error)
		return error;
	if (is_zero(&region, sizeof(region)))
		return -ENODATA;
	if (region.magic != DUMP_REGION_MAGIC || region.version != DUMP_VERSION ||
	    region.crc != crc32c(0, &region, offsetof(struct dump_region, crc)) || !region.count ||
	    region.count > DUMP_KEEP_MAX || region.slot_size < 2 * (u64)DUMP_BLOCK ||
	    region.slot_size % DUMP_BLOCK || region.slot_size > (u64)INT64_MAX / DUMP_KEEP_MAX)
		return -EINVAL;
	view->slot_size = region.slot_size;
	view->count = region.count;
	for (u32 i = 0; i < view->count; i++) {
		view->slots[i].at = DUMP_BLOCK + i * view->slot_size;
		error = read_head(view, &view->slots[i]);
		if (error)
			return error;
	}
	return 0;
}

/* ---- Chunks ---- */

/* The chunks of one slot. Offsets count from its start. */
struct chunks {
	const struct dump_region_view *view;
	const struct dump_slot *slot;
	u64 end;      /* where chunks end: of the dump if it says so, else of slot or file */
	bool has_end; /* the dump says so */
	u8 *stored;   /* [DUMP_CHUNK_MAX], of the last chunk that was read */
};

static int read_at(const struct chunks *c, u64 at, void *to, size_t bytes)
{
	return c->view->source.read(c->view->source.owner, c->slot->at + at, to, bytes);
}

/* True if it can be what it says, wherever its bytes lead. */
static bool is_chunk_sane(const struct dump_chunk *k)
{
	if (k->magic != DUMP_CHUNK_MAGIC || k->flags & ~DUMP_CHUNK_LZ4)
		return false;
	switch (k->kind) {
	case DUMP_CHUNK_END:
		return !k->stored_bytes;
	case DUMP_CHUNK_ZERO:
		return !k->stored_bytes && k->raw_bytes && k->raw_bytes % PAGE_SIZE == 0 &&
		       k->address % PAGE_SIZE == 0;
	case DUMP_CHUNK_MEMORY:
		if (k->raw_bytes % PAGE_SIZE || k->address % PAGE_SIZE)
			return false;
		break;
	case DUMP_CHUNK_CRASH:
		break;
	default:
		return false;
	}
	return k->raw_bytes && k->raw_bytes <= DUMP_CHUNK_MAX && k->stored_bytes &&
	       k->stored_bytes <= k->raw_bytes &&
	       (k->flags & DUMP_CHUNK_LZ4 || k->stored_bytes == k->raw_bytes);
}

static u64 chunk_length(const struct dump_chunk *k)
{
	return sizeof(*k) + ALIGN_UP((u64)k->stored_bytes, (u64)8);
}

/* 1: a chunk that checks, in *k and c->stored. 0: there is none. Or what `read` returned. */
static int read_chunk(struct chunks *c, u64 at, struct dump_chunk *k)
{
	u32 crc;
	int error;

	if (at > c->end || c->end - at < sizeof(*k))
		return 0;
	error = read_at(c, at, k, sizeof(*k));
	if (error)
		return error;
	if (!is_chunk_sane(k) || c->end - at < chunk_length(k))
		return 0;
	error = read_at(c, at + sizeof(*k), c->stored, k->stored_bytes);
	if (error)
		return error;
	crc = crc32c(0, &c->slot->head.number, sizeof(c->slot->head.number));
	crc = crc32c(crc, k, offsetof(struct dump_chunk, crc));
	return crc32c(crc, c->stored, k->stored_bytes) == k->crc;
}

/*
 * Where chunks go on behind one that does not check, or 0. Only if the dump says how long it is: behind one that was cut
 * short there is nothing.
 */
static u64 resync(struct chunks *c, u64 at)
{
	u8 window[4096];
	int tries = 0;

	if (!c->has_end)
		return 0;
	for (at += 8; at < c->end; at += sizeof(window)) {
		size_t bytes = c->end - at < sizeof(window) ? (size_t)(c->end - at) : sizeof(window);

		if (read_at(c, at, window, bytes))
			return 0;
		for (size_t i = 0; i + sizeof(u32) <= bytes; i += 8) {
			struct dump_chunk k;
			u32 magic;

			memcpy(&magic, window + i, sizeof(magic));
			if (magic != DUMP_CHUNK_MAGIC)
				continue;
			if (++tries > RESYNC_TRIES)
				return 0;
			if (read_chunk(c, at + i, &k) == 1)
				return at + i;
		}
	}
	return 0;
}

/* ---- Their contents ---- */

static bool unpack(const struct dump_chunk *k, const u8 *stored, u8 *to)
{
	if (k->flags & DUMP_CHUNK_LZ4)
		return LZ4_decompress_safe((const char *)stored, (char *)to, (int)k->stored_bytes,
					   (int)k->raw_bytes) == (int)k->raw_bytes;
	memcpy(to, stored, k->raw_bytes);
	return true;
}

static struct dump_part *part_of(struct dump_life *life, u64 address, u64 bytes)
{
	for (size_t i = 0; i < DUMP_PARTS; i++) {
		struct dump_part *p = &life->parts[i];

		if (address >= p->base && address - p->base < p->size &&
		    bytes <= p->size - (address - p->base))
			return p;
	}
	return NULL;
}

static bool take_memory(struct dump_life *life, const struct dump_chunk *k, const u8 *stored)
{
	struct dump_part *p = part_of(life, k->address, k->raw_bytes);
	u64 at;

	if (!p)
		return false;
	at = k->address - p->base;
	if (k->kind == DUMP_CHUNK_ZERO)
		memset(p->bytes + at, 0, k->raw_bytes);
	else if (!unpack(k, stored, p->bytes + at))
		return false;
	memset(p->known + at / PAGE_SIZE, k->kind == DUMP_CHUNK_ZERO ? DUMP_PAGE_ZERO : DUMP_PAGE_DATA,
	       k->raw_bytes / PAGE_SIZE);
	return true;
}

/* Pieces come in order. */
static bool take_crash(struct dump_life *life, const struct dump_chunk *k, const u8 *stored)
{
	if (k->address != life->crash_bytes ||
	    life->crash_bytes + k->raw_bytes > crash_record_bytes(MAX_HARTS) + PAGE_SIZE)
		return false;
	life->crash = memory_resize(life->crash, life->crash_bytes + k->raw_bytes, 1);
	if (!unpack(k, stored, (u8 *)life->crash + life->crash_bytes))
		return false;
	life->crash_bytes += k->raw_bytes;
	return true;
}

static bool take_chunk(struct dump_life *life, const struct dump_chunk *k, const u8 *stored)
{
	return k->kind == DUMP_CHUNK_CRASH ? take_crash(life, k, stored) : take_memory(life, k, stored);
}

static void note_damage(struct dump_life *life, u64 at)
{
	if (!life->damaged++)
		life->first_damage = at;
}

/* True if the chunk that says so has been reached. */
static int read_chunks(struct chunks *c, struct dump_life *life, bool *has_ended)
{
	u64 at = DUMP_BLOCK;

	while (at) {
		struct dump_chunk k;
		int got = read_chunk(c, at, &k);

		if (got < 0)
			return got;
		if (got && k.kind == DUMP_CHUNK_END) {
			*has_ended = true;
			return 0;
		}
		if (got && take_chunk(life, &k, c->stored)) {
			life->chunks++;
			at += chunk_length(&k);
		} else {
			note_damage(life, at);
			at = resync(c, at);
		}
	}
	return 0;
}

static void make_part(struct dump_part *p, u64 base, u64 size)
{
	*p = (struct dump_part){ .base = base, .size = size };
	p->bytes = memory_new(size, 1);
	p->known = memory_new(size / PAGE_SIZE, 1);
}

static void count_missing(struct dump_part *p)
{
	for (u64 i = 0; i < p->size / PAGE_SIZE; i++)
		if (p->known[i] == DUMP_PAGE_UNKNOWN)
			p->missing += PAGE_SIZE;
}

int dump_life_read(const struct dump_region_view *view, const struct dump_slot *slot, struct dump_life *life)
{
	const struct dump_head *h = &slot->head;
	struct chunks c = { .view = view, .slot = slot, .stored = memory_new(DUMP_CHUNK_MAX, 1) };
	u64 left = view->source.bytes - slot->at;
	bool has_ended = false;
	int error;

	memset(life, 0, sizeof(*life));
	life->head = *h;
	make_part(&life->parts[DUMP_PART_SLOT], h->slot_base, h->slot_size);
	make_part(&life->parts[DUMP_PART_ESTATE], h->estate_base, h->estate_size);
	c.end = left < view->slot_size ? left : view->slot_size;
	if (h->state != DUMP_WRITING && DUMP_BLOCK + h->bytes <= c.end) {
		c.end = DUMP_BLOCK + h->bytes;
		c.has_end = true;
	}
	error = read_chunks(&c, life, &has_ended);
	free(c.stored);
	if (life->crash && !crash_record_check(life->crash, life->crash_bytes)) {
		free(life->crash);
		life->crash = NULL;
		life->crash_bytes = 0;
	}
	for (size_t i = 0; i < DUMP_PARTS; i++)
		count_missing(&life->parts[i]);
	life->is_whole = h->state == DUMP_COMPLETE && has_ended && !life->damaged;
	return error;
}

void dump_life_free(struct dump_life *life)
{
	for (size_t i = 0; i < DUMP_PARTS; i++) {
		free(life->parts[i].bytes);
		free(life->parts[i].known);
	}
	free(life->crash);
	memset(life, 0, sizeof(*life));
}

bool dump_life_memory(const struct dump_life *life, u64 address, void *to, size_t bytes)
{
	for (size_t i = 0; i < DUMP_PARTS; i++) {
		const struct dump_part *p = &life->parts[i];
		u64 at = address - p->base;

		if (at >= p->size || bytes > p->size - at)
			continue;
		for (u64 page = at / PAGE_SIZE; page * PAGE_SIZE < at + bytes; page++)
			if (p->known[page] == DUMP_PAGE_UNKNOWN)
				return false;
		memcpy(to, p->bytes + at, bytes);
		return true;
	}
	return false;
}
