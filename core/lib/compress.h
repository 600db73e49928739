/* Compression of blocks with LZ4 (its block format, without a frame): for memory that goes to a disk or to the command. */
#ifndef CORE_LIB_COMPRESS_H
#define CORE_LIB_COMPRESS_H

#include "abi/types.h"

/* What a compression works with. Nothing of it is kept from one block to the next. */
struct compress_state {
	u64 word[(8192 + 32) / sizeof(u64)];
};

/*
 * Compresses `bytes` (less than 64 KiB, nobody changes them meanwhile) at `from` to at most `room` bytes at `to`. Returns
 * their number, or 0 if there is not enough room: with less than `bytes`, that is how what does not shrink is told. Takes
 * some 10 instructions a byte.
 */
size_t compress_block(struct compress_state *state, const void *from, size_t bytes, void *to, size_t room);

#endif
