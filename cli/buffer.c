/* See buffer.h. */
#include "cli/buffer.h"
#include "cli/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void buffer_put(struct buffer *b, const void *bytes, size_t count)
{
	if (b->start && b->end + count > b->room) {
		memmove(b->bytes, b->bytes + b->start, buffer_fill(b));
		b->end -= b->start;
		b->start = 0;
	}
	if (b->end + count > b->room) {
		b->room = ALIGN_UP(b->end + count, (size_t)4096);
		b->bytes = memory_resize(b->bytes, b->room, 1);
	}
	memcpy(b->bytes + b->end, bytes, count);
	b->end += count;
}

int buffer_flush(struct buffer *b, int fd)
{
	while (buffer_fill(b)) {
		ssize_t put = send(fd, b->bytes + b->start, buffer_fill(b), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
		b->start += (size_t)put;
	}
	b->start = b->end = 0;
	return 0;
}

void buffer_free(struct buffer *b)
{
	free(b->bytes);
	*b = (struct buffer){ 0 };
}
