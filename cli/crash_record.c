/* Records of crashes: see crash_record.h. */
#include "cli/crash_record.h"
#include "abi/control.h"
#include "cli/memory.h"
#include <errno.h>
#include <string.h>

void crash_record_make_printable(char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (((u8)text[i] < ' ' && text[i] && text[i] != '\n') || (u8)text[i] > '~')
			text[i] = '?';
}

size_t crash_record_bytes(u64 hart_count)
{
	return sizeof(struct crash_record) + (size_t)hart_count * sizeof(struct crash_hart);
}

bool crash_record_check(struct crash_record *r, size_t bytes)
{
	if (bytes < sizeof(*r) || r->valid != r->life + 1 || r->hart_count > MAX_HARTS ||
	    bytes < crash_record_bytes(r->hart_count) || r->log_bytes > sizeof(r->log))
		return false;
	r->text[sizeof(r->text) - 1] = '\0';
	crash_record_make_printable(r->text, sizeof(r->text));
	crash_record_make_printable(r->log, (size_t)r->log_bytes);
	for (u64 i = 0; i < r->hart_count; i++) {
		struct crash_hart *h = &r->harts[i];

		if (h->stack_bytes > sizeof(h->stack) || h->stack_at + h->stack_bytes < h->stack_at)
			return false;
	}
	return true;
}

int crash_pieces_take(struct crash_pieces *p, const void *payload, size_t length)
{
	struct ctl_crash_data data;
	size_t count;

	if (length <= sizeof(data))
		return -EINVAL;
	memcpy(&data, payload, sizeof(data));
	count = length - sizeof(data);
	if (!p->bytes && data.size <= CRASH_RECORD_STRIDE) {
		p->size = data.size;
		p->bytes = memory_new(p->size + 1, 1);
	}
	if (!p->bytes || data.life != p->life || data.offset != p->have || data.size != p->size ||
	    count > p->size - p->have)
		return -EINVAL;
	memcpy(p->bytes + p->have, (const u8 *)payload + sizeof(data), count);
	p->have += count;
	if (p->have < p->size)
		return 0;
	return crash_record_check((struct crash_record *)p->bytes, p->size) ? 1 : -EINVAL;
}
