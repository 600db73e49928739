/* See compress.h. */
#include "core/lib/compress.h"
#include <lz4.h>

_Static_assert(sizeof(struct compress_state) >= LZ4_STREAM_MINSIZE, "LZ4's state fits");

size_t compress_block(struct compress_state *state, const void *from, size_t bytes, void *to, size_t room)
{
	int size = LZ4_compress_fast_extState(state, from, to, (int)bytes, (int)room, 1);

	return size > 0 ? (size_t)size : 0;
}
