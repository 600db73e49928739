/* Bytes waiting for a file descriptor that does not take them at once. */
#ifndef CLI_BUFFER_H
#define CLI_BUFFER_H

#include "abi/types.h"

/* All-zero is an empty buffer. */
struct buffer {
	u8 *bytes;
	size_t start, end, room;
};

static inline size_t buffer_fill(const struct buffer *b)
{
	return b->end - b->start;
}

void buffer_put(struct buffer *b, const void *bytes, size_t count);

/* Writes what a non-blocking descriptor takes. 0, or a negative errno if it is broken. */
int buffer_flush(struct buffer *b, int fd);

void buffer_free(struct buffer *b);

#endif
