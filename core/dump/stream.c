/* See stream.h. */
#include "core/dump/stream.h"
#include "core/lib/check.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

/* What the largest chunk, the end behind it, and the padding of the last sector take. */
#define CHUNK_ROOM (sizeof(struct dump_chunk) + STREAM_CHUNK_MAX + 8)
#define END_ROOM   (sizeof(struct dump_chunk) + BLK_SECTOR)

_Static_assert(CHUNK_ROOM + END_ROOM + BLK_SECTOR <= STREAM_BUFFER_BYTES, "a chunk fits into a buffer");
_Static_assert(STREAM_CHUNK_MAX <= DUMP_CHUNK_MAX, "a chunk is one that readers take");

void stream_begin(struct dump_stream *s, u64 from, u64 end)
{
	s->at = from;
	s->end = end;
	s->bytes = 0;
	s->current = s->fill = 0;
	__atomic_store_n(&s->failed, 0, __ATOMIC_RELAXED);
}

static void written(struct blk_request *r, int status)
{
	struct stream_buffer *b = r->owner;
	struct dump_stream *s = b->stream;

	if (status)
		__atomic_store_n(&s->failed, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&b->busy, 0, __ATOMIC_RELEASE);
	s->done();
}

static bool is_busy(const struct stream_buffer *b)
{
	return __atomic_load_n(&b->busy, __ATOMIC_ACQUIRE);
}

/* Gives the first `bytes` bytes of the current buffer, whole sectors, to the disk. False: it takes nothing now. */
static bool submit(struct dump_stream *s, u32 bytes)
{
	struct stream_buffer *b = &s->buffer[s->current];

	b->stream = s;
	b->request = (struct blk_request){
		.op = BLK_WRITE, .sector = s->at / BLK_SECTOR, .segments = 1, .done = written, .owner = b
	};
	b->request.segment[0] = (struct blk_segment){ HPA((u64)(uintptr_t)b->bytes), bytes };
	__atomic_store_n(&b->busy, 1, __ATOMIC_RELAXED);
	if (s->disk->submit(s->disk, &b->request)) {
		__atomic_store_n(&b->busy, 0, __ATOMIC_RELAXED);
		return false;
	}
	s->at += bytes;
	return true;
}

/* Goes on with the next buffer. What does not fill a sector moves there. */
static bool turn(struct dump_stream *s)
{
	u32 whole = s->fill / BLK_SECTOR * BLK_SECTOR, rest = s->fill - whole;
	struct stream_buffer *next = &s->buffer[(s->current + 1) % STREAM_BUFFERS];

	if (is_busy(next) || !submit(s, whole))
		return false;
	memcpy(next->bytes, s->buffer[s->current].bytes + whole, rest);
	s->current = (s->current + 1) % STREAM_BUFFERS;
	s->fill = rest;
	return true;
}

bool stream_ready(struct dump_stream *s)
{
	return STREAM_BUFFER_BYTES - s->fill >= CHUNK_ROOM + END_ROOM || turn(s);
}

/* True if `stored` bytes behind a chunk's head leave room for the end of the dump. */
static bool fits(const struct dump_stream *s, u64 stored)
{
	u64 used = s->at + s->fill;

	return used <= s->end &&
	       s->end - used >= sizeof(struct dump_chunk) + ALIGN_UP(stored, 8ull) + END_ROOM;
}

/* Completes a chunk whose stored bytes are in place. */
static void finish(struct dump_stream *s, struct dump_chunk *c)
{
	u8 *at = s->buffer[s->current].bytes + s->fill;
	u32 padded = (u32)ALIGN_UP((u64)c->stored_bytes, 8ull);

	c->magic = DUMP_CHUNK_MAGIC;
	c->crc = crc32c(0, &s->number, sizeof(s->number));
	c->crc = crc32c(c->crc, c, offsetof(struct dump_chunk, crc));
	c->crc = crc32c(c->crc, at + sizeof(*c), c->stored_bytes);
	memcpy(at, c, sizeof(*c));
	memset(at + sizeof(*c) + c->stored_bytes, 0, padded - c->stored_bytes);
	s->fill += (u32)sizeof(*c) + padded;
	s->bytes += sizeof(*c) + padded;
}

int stream_put(struct dump_stream *s, enum dump_chunk_kind kind, u64 address, const void *from, u32 bytes)
{
	struct dump_chunk c = { .kind = (u16)kind, .address = address, .raw_bytes = bytes };
	u8 *to = s->buffer[s->current].bytes + s->fill + sizeof(c);

	ASSERT(bytes && bytes <= STREAM_CHUNK_MAX && STREAM_BUFFER_BYTES - s->fill >= CHUNK_ROOM + END_ROOM);
	c.stored_bytes = (u32)compress_block(s->compress, from, bytes, to, bytes - 1);
	c.flags = c.stored_bytes ? DUMP_CHUNK_LZ4 : 0;
	if (!c.stored_bytes)
		c.stored_bytes = bytes;
	if (!fits(s, c.stored_bytes))
		return -ENOSPC;
	if (!(c.flags & DUMP_CHUNK_LZ4))
		memcpy(to, from, bytes);
	finish(s, &c);
	return 0;
}

int stream_put_zero(struct dump_stream *s, u64 address, u64 bytes)
{
	struct dump_chunk c = { .kind = DUMP_CHUNK_ZERO, .address = address, .raw_bytes = bytes };

	ASSERT(STREAM_BUFFER_BYTES - s->fill >= CHUNK_ROOM);
	if (!fits(s, 0))
		return -ENOSPC;
	finish(s, &c);
	return 0;
}

void stream_put_end(struct dump_stream *s)
{
	struct dump_chunk c = { .kind = DUMP_CHUNK_END };

	ASSERT(STREAM_BUFFER_BYTES - s->fill >= END_ROOM);
	finish(s, &c);
}

bool stream_drain(struct dump_stream *s)
{
	struct stream_buffer *b = &s->buffer[s->current];
	u32 padded = (u32)ALIGN_UP((u64)s->fill, BLK_SECTOR);

	if (s->fill) {
		memset(b->bytes + s->fill, 0, padded - s->fill);
		if (!submit(s, padded))
			return false;
		s->fill = 0;
	}
	for (unsigned n = 0; n < STREAM_BUFFERS; n++) {
		if (is_busy(&s->buffer[n]))
			return false;
	}
	return true;
}
