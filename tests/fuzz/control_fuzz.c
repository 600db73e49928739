/*
 * Frames of the control channel. The input is a script of what a host writes: good frames, frames that a crash has torn,
 * garbage. All good frames must come out, in order and unchanged, however the stream is cut into pieces. Then the
 * input itself goes through the decoder, which must neither crash nor stall.
 */
#include "core/control/frame.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define FRAMES_MAX 64

struct wire {
	u8 bytes[FRAMES_MAX * 1024];
	size_t size;
	size_t good_at[FRAMES_MAX]; /* where the good frames begin */
	u32 good_size[FRAMES_MAX];
	u32 good;
	int lost; /* first byte that the torn frame at the end lacks, or -1 */
};

/*
 * A torn frame that is followed by just the bytes that it lacks is not torn, and there is no telling it from one that
 * is whole: something else comes in between then.
 */
static void keep_torn(struct wire *w, u8 next)
{
	if (w->lost == next)
		w->bytes[w->size++] = (u8)~next;
	w->lost = -1;
}

static void add_frame(struct wire *w, const u8 *payload, size_t length, size_t torn)
{
	struct ctl_header header = { .type = CTL_EVENT_CONSOLE, .tag = w->good };
	size_t begin, size;

	if (torn >= sizeof(header) + length)
		return;
	keep_torn(w, (u8)CTL_MAGIC);
	begin = w->size;
	size = frame_encode(w->bytes + begin, sizeof(w->bytes) - begin, &header, payload, length);
	if (torn) {
		w->size += size - torn;
		w->lost = w->bytes[w->size];
		return;
	}
	w->good_at[w->good] = begin;
	w->good_size[w->good++] = (u32)size;
	w->size += size;
}

/* Each command: kind, length, bytes. Payloads and garbage are cut as a sender cuts them. */
static void write_script(struct wire *w, const u8 *data, size_t size)
{
	for (int n = 0; size >= 2 && n < FRAMES_MAX; n++) {
		u8 kind = data[0];
		size_t length = data[1];

		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		length = length ? frame_split(data, length) : 0;
		if (kind % 4 == 0 && length) {
			keep_torn(w, data[0]);
			memcpy(w->bytes + w->size, data, length);
			w->size += length;
		} else {
			add_frame(w, data, length, kind % 4 == 1 ? 1u + kind / 4 : 0);
		}
		data += length;
		size -= length;
	}
}

/* Feeds bytes in pieces of the size that the seed says; calls back for each frame. */
static void feed(const u8 *bytes, size_t size, u32 seed, const struct wire *w)
{
	static struct frame_decoder d;
	size_t done = 0;
	u32 got = 0;

	memset(&d, 0, sizeof(d));
	while (done < size) {
		size_t piece = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 700;
		size_t put = frame_put(&d, bytes + done, piece < size - done ? piece : size - done);
		struct ctl_header header;
		const u8 *payload;

		if (!put)
			abort();
		done += put;
		while (frame_next(&d, &header, &payload)) {
			if (payload < d.bytes + sizeof(header) || payload + header.length > d.bytes + d.fill)
				abort();
			if (!w)
				continue;
			if (got >= w->good || header.tag != got ||
			    header.length + sizeof(header) != w->good_size[got] ||
			    memcmp(payload, w->bytes + w->good_at[got] + sizeof(header), header.length) != 0)
				abort();
			got++;
		}
	}
	if (w && got != w->good)
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct wire w;
	u32 seed = 0;

	if (size < sizeof(seed))
		return 0;
	memcpy(&seed, data, sizeof(seed));
	memset(&w, 0, sizeof(w));
	w.lost = -1;
	write_script(&w, data + sizeof(seed), size - sizeof(seed));
	feed(w.bytes, w.size, seed, &w);
	feed(data, size, seed, NULL);
	return 0;
}
