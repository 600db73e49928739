/* See blackbox_inflate.h. */
#include "cli/blackbox_inflate.h"
#include "cli/memory.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define WINDOW	   (-15) /* as Linux 6.12 calls it */
#define RESULT_MAX MIB(16)

char *blackbox_inflate(const void *from, size_t bytes, size_t *result)
{
	z_stream z = { 0 };
	size_t room = 4096, used = 0;
	char *to = memory_resize(NULL, room, 1);
	int status = Z_OK;

	if (inflateInit2(&z, WINDOW) != Z_OK) {
		free(to);
		return NULL;
	}
	z.next_in = (Bytef *)(uintptr_t)from;
	z.avail_in = (uInt)bytes;
	while (status == Z_OK && used < RESULT_MAX) {
		if (used == room) {
			room *= 2;
			to = memory_resize(to, room, 1);
		}
		z.next_out = (Bytef *)to + used;
		z.avail_out = (uInt)(room - used);
		status = inflate(&z, Z_NO_FLUSH);
		used = room - z.avail_out;
	}
	inflateEnd(&z);
	if (status != Z_STREAM_END) {
		free(to);
		return NULL;
	}
	*result = used;
	return to;
}
