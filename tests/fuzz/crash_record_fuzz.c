/*
 * Answers of a host that is out of its mind to what the command asks of the record of a crash. The input's first byte
 * says how: as it is, or a record with the input in it that comes in pieces as it should, but for what the input says.
 */
#include "abi/control.h"
#include "cli/crash_record.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIFE  3u
#define HARTS 2u

/* Everything of it that others use without a further look. */
static void use(const struct crash_pieces *p)
{
	const struct crash_record *r = (const struct crash_record *)p->bytes;

	if (p->have != p->size || crash_record_bytes(r->hart_count) > p->size ||
	    r->log_bytes > sizeof(r->log) || !memchr(r->text, 0, sizeof(r->text)) ||
	    memchr(r->log, 27, r->log_bytes))
		abort();
	for (u64 i = 0; i < r->hart_count; i++)
		if (r->harts[i].stack_bytes > sizeof(r->harts[i].stack))
			abort();
}

static void take_as_it_is(const uint8_t *data, size_t size)
{
	struct crash_pieces p = { .life = LIFE };
	int got = 0;

	while (size && !got) {
		size_t part = data[0] + 1u < size ? data[0] + 1u : size;

		got = crash_pieces_take(&p, data, part);
		data += part;
		size -= part;
	}
	if (got == 1)
		use(&p);
	free(p.bytes);
}

static void take_record(const uint8_t *data, size_t size)
{
	size_t bytes = crash_record_bytes(HARTS), step = 64 + (size ? data[0] : 0) * 8u;
	struct crash_record *r = calloc(1, bytes);
	struct crash_pieces p = { .life = LIFE };
	u8 payload[sizeof(struct ctl_crash_data) + 4096];
	int got = 0;

	r->valid = LIFE + 1;
	r->life = LIFE;
	r->hart_count = HARTS;
	/* Where in the record, two bytes, and what is flipped there. */
	for (size_t i = 1; i + 2 < size; i += 3)
		((u8 *)r)[((size_t)data[i] << 8 | data[i + 1]) % bytes] ^= data[i + 2];
	while (!got) {
		struct ctl_crash_data d = { .life = LIFE, .offset = p.have, .size = bytes };
		size_t count = bytes - p.have < step ? bytes - p.have : step;

		if (size > 9 && data[1] == 0xfe && p.have > step)
			memcpy(&d.size, data + 2, sizeof(d.size));
		memcpy(payload, &d, sizeof(d));
		memcpy(payload + sizeof(d), (u8 *)r + p.have, count);
		got = crash_pieces_take(&p, payload, sizeof(d) + count);
	}
	if (got == 1)
		use(&p);
	free(p.bytes);
	free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		take_as_it_is(data + 1, size - 1);
	else
		take_record(data + 1, size - 1);
	return 0;
}
