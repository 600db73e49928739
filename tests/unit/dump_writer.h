/*
 * A dump region made by hand, in memory, for tests of its readers: what the hypervisor's writer (core/dump/) leaves, and
 * what it never would.
 */
#ifndef TESTS_UNIT_DUMP_WRITER_H
#define TESTS_UNIT_DUMP_WRITER_H

#include "abi/crash.h"
#include "abi/dump.h"
#include "cli/dump_region.h"
#include "core/lib/crc32c.h"
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_SLOT_SIZE  KIB(512)
#define WRITER_SLOT	  0x80200000ull
#define WRITER_ESTATE	  0x81200000ull
#define WRITER_LIFE_SIZE  KIB(128) /* of the dead life's slot, and of its estate */
#define WRITER_HART_COUNT 2u

struct dump_writer {
	u8 *region;
	u64 bytes; /* of the region */
	u64 slot;  /* that is written: where it begins */
	u64 at;	   /* of the next chunk */
	u64 number;
};

static inline int writer_read(void *owner, u64 at, void *to, size_t bytes)
{
	const struct dump_writer *w = owner;

	if (at > w->bytes || bytes > w->bytes - at)
		return -EIO;
	memcpy(to, w->region + at, bytes);
	return 0;
}

static inline struct region_source writer_source(struct dump_writer *w)
{
	return (struct region_source){ .read = writer_read, .owner = w, .bytes = w->bytes };
}

static inline void writer_make(struct dump_writer *w, u32 count)
{
	struct dump_region r = { .magic = DUMP_REGION_MAGIC,
				 .version = DUMP_VERSION,
				 .count = count,
				 .slot_size = WRITER_SLOT_SIZE };

	*w = (struct dump_writer){ .bytes = DUMP_BLOCK + count * WRITER_SLOT_SIZE };
	w->region = calloc(1, w->bytes);
	r.crc = crc32c(0, &r, offsetof(struct dump_region, crc));
	memcpy(w->region, &r, sizeof(r));
}

static inline void writer_free(struct dump_writer *w)
{
	free(w->region);
}

static inline void writer_head(struct dump_writer *w, struct dump_head *h)
{
	h->crc = crc32c(0, h, offsetof(struct dump_head, crc));
	memcpy(w->region + w->slot, h, sizeof(*h));
}

static inline struct dump_head writer_begin(struct dump_writer *w, u64 number, u64 life, u32 count)
{
	struct dump_head h = { .magic = DUMP_HEAD_MAGIC,
			       .version = DUMP_VERSION,
			       .state = DUMP_WRITING,
			       .number = number,
			       .life = life,
			       .cause = LIFE_PANIC,
			       .crash_hart = 1,
			       .timebase = 10000000,
			       .t_fault = 1000 * life,
			       .ram_base = 0x80000000,
			       .slot_base = WRITER_SLOT,
			       .slot_size = WRITER_LIFE_SIZE,
			       .estate_base = WRITER_ESTATE,
			       .estate_size = WRITER_LIFE_SIZE,
			       .hart_count = WRITER_HART_COUNT,
			       .build = "0123456789abcdef",
			       .text = "it was a test" };

	w->slot = DUMP_BLOCK + number % count * WRITER_SLOT_SIZE;
	w->at = w->slot + DUMP_BLOCK;
	w->number = number;
	writer_head(w, &h);
	return h;
}

/* A chunk as it says it is, with a checksum that is right. Returns where it is. */
static inline u64 writer_put(struct dump_writer *w, struct dump_chunk k, const void *stored)
{
	u64 at = w->at;

	k.magic = k.magic ? k.magic : DUMP_CHUNK_MAGIC;
	k.crc = crc32c(0, &w->number, sizeof(w->number));
	k.crc = crc32c(crc32c(k.crc, &k, offsetof(struct dump_chunk, crc)), stored, k.stored_bytes);
	memcpy(w->region + w->at, &k, sizeof(k));
	if (k.stored_bytes)
		memcpy(w->region + w->at + sizeof(k), stored, k.stored_bytes);
	w->at += sizeof(k) + ALIGN_UP((u64)k.stored_bytes, (u64)8);
	return at;
}

static inline u64 writer_raw(struct dump_writer *w, u16 kind, u64 address, const void *bytes, u32 count)
{
	return writer_put(
		w,
		(struct dump_chunk){
			.kind = kind, .address = address, .raw_bytes = count, .stored_bytes = count },
		bytes);
}

static inline u64 writer_lz4(struct dump_writer *w, u64 address, const void *bytes, u32 count)
{
	char *packed = malloc(KIB(128));
	int size = LZ4_compress_default(bytes, packed, (int)count, KIB(128));
	u64 at = writer_put(w,
			    (struct dump_chunk){ .kind = DUMP_CHUNK_MEMORY,
						 .flags = DUMP_CHUNK_LZ4,
						 .address = address,
						 .raw_bytes = count,
						 .stored_bytes = (u32)size },
			    packed);

	free(packed);
	return at;
}

static inline u64 writer_zero(struct dump_writer *w, u64 address, u64 count)
{
	return writer_put(
		w, (struct dump_chunk){ .kind = DUMP_CHUNK_ZERO, .address = address, .raw_bytes = count },
		NULL);
}

static inline void writer_end(struct dump_writer *w, struct dump_head *h, u32 state)
{
	writer_put(w, (struct dump_chunk){ .kind = DUMP_CHUNK_END }, NULL);
	h->state = state;
	h->bytes = w->at - w->slot - DUMP_BLOCK;
	h->t_ended = 1;
	writer_head(w, h);
}

/* A record of two harts: 0 was in a guest, 1 crashed. free() it. */
static inline struct crash_record *writer_record(u64 life, size_t *bytes)
{
	struct crash_record *r;

	*bytes = crash_record_bytes(WRITER_HART_COUNT);
	r = calloc(1, *bytes);
	r->valid = life + 1;
	r->life = life;
	r->cause = LIFE_PANIC;
	r->hart = 1;
	r->slot_base = WRITER_SLOT;
	r->hart_count = WRITER_HART_COUNT;
	for (u64 i = 0; i < WRITER_HART_COUNT; i++) {
		r->harts[i].id = i;
		r->harts[i].life = life;
		r->harts[i].vcpu = ~0ull;
		r->harts[i].found.state = i ? FOUND_HS : FOUND_PARKED;
		r->harts[i].found.pc = WRITER_SLOT + 0x100 + i;
		for (u64 n = 0; n < 32; n++)
			r->harts[i].found.x[n] = 0x1000 * i + n;
	}
	return r;
}

#endif
