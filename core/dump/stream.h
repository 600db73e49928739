/*
 * The way of a dump's chunks (abi/dump.h) to the disk: they are put one behind the other into buffers, and full buffers
 * are written while the next is filled. Nothing waits: who has to comes again.
 *
 * One hart at a time calls; completions come on any.
 */
#ifndef CORE_DUMP_STREAM_H
#define CORE_DUMP_STREAM_H

#include "abi/dump.h"
#include "core/devices/backend.h"
#include "core/lib/compress.h"

#define STREAM_BUFFERS	    4u
#define STREAM_BUFFER_ORDER 4u /* pages_alloc's: 64 KiB */
#define STREAM_BUFFER_BYTES ((u32)(PAGE_SIZE << STREAM_BUFFER_ORDER))

/* A chunk stands for at most so many bytes, zeros excepted: what one step of the work compresses. */
#define STREAM_CHUNK_MAX ((u32)KIB(16))

struct stream_buffer {
	u8 *bytes;
	struct blk_request request;
	u32 busy; /* the disk has it */
	struct dump_stream *stream;
};

struct dump_stream {
	struct blk_backend *disk;
	u64 number; /* of the dump */
	u64 at;	    /* on the disk, where the current buffer will go */
	u64 end;    /* on the disk: nothing is written from here on */
	u64 bytes;  /* of chunks so far */
	u32 current, fill;
	u32 failed;	    /* the disk has refused a write */
	void (*done)(void); /* a write has ended. Any hart */
	struct compress_state *compress;
	struct stream_buffer buffer[STREAM_BUFFERS];
};

/*
 * Begins at disk offset `from`, up to `end`. The owner has set disk, number, done, compress and each buffer's bytes; no buffer
 * is with the disk.
 */
void stream_begin(struct dump_stream *s, u64 from, u64 end);

/* True if there is room for a chunk now; false: when a write has ended. */
bool stream_ready(struct dump_stream *s);

/*
 * Puts a chunk of `bytes` bytes at `from` (at most STREAM_CHUNK_MAX, nobody changes them), compressed if that helps. It
 * has been asked for with stream_ready. -ENOSPC: the dump has no room for it; a smaller one may still fit.
 */
int stream_put(struct dump_stream *s, enum dump_chunk_kind kind, u64 address, const void *from, u32 bytes);

/* The same for memory that is all zero, any number of pages. */
int stream_put_zero(struct dump_stream *s, u64 address, u64 bytes);

/* Puts the last chunk, for which there always is room. Then stream_drain, until it says true: all is with the disk and back. */
void stream_put_end(struct dump_stream *s);
bool stream_drain(struct dump_stream *s);

#endif
