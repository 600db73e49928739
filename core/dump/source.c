/* See source.h. */
#include "core/dump/source.h"
#include "core/arch.h"
#include "core/lib/string.h"

u64 source_bytes(const struct dump_source *s)
{
	return s->crash_bytes + s->memory[0].size + s->memory[1].size;
}

static u64 part_bytes(const struct dump_source *s)
{
	return s->part == 0 ? s->crash_bytes : s->memory[s->part - 1].size;
}

static int step_record(struct dump_source *s, struct dump_stream *stream)
{
	u64 left = s->crash_bytes - s->at;
	u32 bytes = left < STREAM_CHUNK_MAX ? (u32)left : STREAM_CHUNK_MAX;
	int error;

	memcpy(s->scratch, s->crash + s->at, bytes);
	error = stream_put(stream, DUMP_CHUNK_CRASH, s->at, s->scratch, bytes);
	if (error)
		return error;
	s->at += bytes;
	s->raw += bytes;
	return 1;
}

static bool page_is_zero(const u8 *page)
{
	const u64 *word = (const u64 *)(const void *)page;

	for (unsigned n = 0; n < PAGE_SIZE / sizeof(u64); n += 4) {
		if (word[n] | word[n + 1] | word[n + 2] | word[n + 3])
			return false;
	}
	return true;
}

/* Pages of zeros at the start of `memory`, at most `most`. */
static unsigned count_zero(const u8 *memory, unsigned most)
{
	unsigned n = 0;

	while (n < most && page_is_zero(memory + n * PAGE_SIZE))
		n++;
	return n;
}

/* Copies pages up to one that is zero: what is compressed must not change meanwhile, and the estate goes on. */
static unsigned copy_pages(u8 *to, const u8 *memory, unsigned most)
{
	unsigned n = 0;

	for (; n < most; n++) {
		memcpy(to + n * PAGE_SIZE, memory + n * PAGE_SIZE, PAGE_SIZE);
		if (n && page_is_zero(to + n * PAGE_SIZE))
			break;
	}
	return n;
}

static unsigned least(u64 a, unsigned b)
{
	return a < b ? (unsigned)a : b;
}

static int step_memory(struct dump_source *s, struct dump_stream *stream, unsigned pages)
{
	u64 address = s->memory[s->part - 1].base + s->at;
	u64 block = ALIGN_DOWN(address, BLOCK_SIZE);
	u64 left = (block + BLOCK_SIZE - address) / PAGE_SIZE; /* in the window */
	const u8 *memory = (const u8 *)arch_window_block(HPA(block)) + (address - block);
	unsigned zero = count_zero(memory, least(left, SOURCE_ZERO_PAGES));
	unsigned n = zero ? zero : copy_pages(s->scratch, memory, least(left, pages));
	int error;

	arch_window_block_close();
	if (zero)
		error = stream_put_zero(stream, address, n * PAGE_SIZE);
	else
		error = stream_put(stream, DUMP_CHUNK_MEMORY, address, s->scratch, n * (u32)PAGE_SIZE);
	if (error)
		return error;
	s->at += n * PAGE_SIZE;
	s->raw += n * PAGE_SIZE;
	return 1;
}

int source_step(struct dump_source *s, struct dump_stream *stream, unsigned pages)
{
	while (s->at == part_bytes(s)) {
		if (s->part == 2)
			return 0;
		s->part++;
		s->at = 0;
	}
	return s->part == 0 ? step_record(s, stream) : step_memory(s, stream, pages);
}
