/*
 * What is in a dump of the host, in this order: the crash record, the dead life's slot, the estate. It is read through
 * the calling hart's block window, a little at a time.
 */
#ifndef CORE_DUMP_SOURCE_H
#define CORE_DUMP_SOURCE_H

#include "core/dump/stream.h"

/* Pages that a step looks at if they are zero. */
#define SOURCE_ZERO_PAGES 64u

struct dump_source {
	const u8 *crash; /* the record in the estate; NULL: there is none */
	u64 crash_bytes;
	/* Host memory, whole blocks of BLOCK_SIZE. */
	struct {
		u64 base, size;
	} memory[2];
	/* Where it is: bytes of a part that are done. */
	unsigned part; /* 0 for the record, then memory[part - 1] */
	u64 at;
	u64 raw;     /* bytes that have been put */
	u8 *scratch; /* STREAM_CHUNK_MAX, the owner's */
};

/* Bytes of all parts. */
u64 source_bytes(const struct dump_source *s);

/*
 * Puts the next piece, of at most `pages` pages (1 .. STREAM_CHUNK_MAX / PAGE_SIZE) unless they are zero. 1: there is more;
 * 0: that was all; -ENOSPC: the stream has no room for it. The stream is ready.
 */
int source_step(struct dump_source *s, struct dump_stream *stream, unsigned pages);

#endif
