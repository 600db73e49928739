/* Takes answers to CTL_DUMP_READ and CTL_DUMP_VCPU apart: see dump_piece.h. */
#include "cli/dump_piece.h"
#include "core/control/frame.h"
#include <lz4.h>
#include <string.h>

/* An LZ4 block stands for at most so much. */
#define LZ4_PAGES_MAX 32u

void dump_piece_begin(struct dump_piece *p, u64 at, u64 end)
{
	p->at = p->next = at;
	p->end = end;
	p->tag = 0;
}

/* Pages from `at` on, which is not below p->at, as far as they lie in the piece. `bytes` NULL: there are none. */
static void put(struct dump_piece *p, u64 at, u64 pages, enum ctl_dump_kind kind, const u8 *bytes)
{
	u64 room = at < p->end ? (p->end - at) / PAGE_SIZE : 0;
	u64 first = (at - p->at) / PAGE_SIZE;

	if (pages > room)
		pages = room;
	if (!pages)
		return;
	memset(p->kind + first, (int)(bytes ? CTL_DUMP_RAW : kind), pages);
	if (bytes)
		memcpy(p->bytes + first * PAGE_SIZE, bytes, pages * PAGE_SIZE);
}

void dump_piece_fill(struct dump_piece *p, const struct dump_known *known)
{
	u64 to = known->to < p->end ? known->to : p->end;

	if (p->next < known->from || p->next >= to)
		return;
	put(p, p->next, (to - p->next) / PAGE_SIZE, known->kind, NULL);
	p->next = to;
}

/* One run, whose bytes are `run.bytes` many at `from`. */
static bool take_run(struct dump_piece *p, u64 at, struct ctl_dump_run run, const u8 *from)
{
	static u8 pages[LZ4_PAGES_MAX * PAGE_SIZE];

	switch (run.kind) {
	case CTL_DUMP_ZERO:
	case CTL_DUMP_UNTOUCHED:
		put(p, at, run.pages, (enum ctl_dump_kind)run.kind, NULL);
		return run.bytes == 0;
	case CTL_DUMP_RAW:
		if (run.pages != 1 || run.bytes != PAGE_SIZE)
			return false;
		put(p, at, 1, CTL_DUMP_RAW, from);
		return true;
	case CTL_DUMP_LZ4:
		if (run.pages > LZ4_PAGES_MAX ||
		    LZ4_decompress_safe((const char *)from, (char *)pages, run.bytes,
					(int)(run.pages * PAGE_SIZE)) != (int)(run.pages * PAGE_SIZE))
			return false;
		put(p, at, run.pages, CTL_DUMP_RAW, pages);
		return true;
	default:
		return false;
	}
}

/* Takes the head off and the mask away: what follows gets into `bytes` (CTL_PAYLOAD_MAX). False: not even a head, or of `at`. */
static bool take_head(const u8 *answer, size_t *length, u64 at, struct ctl_dump_data *head, u8 *bytes)
{
	if (*length < sizeof(*head) || *length > CTL_PAYLOAD_MAX)
		return false;
	memcpy(head, answer, sizeof(*head));
	*length -= sizeof(*head);
	memcpy(bytes, answer + sizeof(*head), *length);
	frame_unmask(bytes, *length, head->mask);
	return head->at == at;
}

size_t dump_vcpus_take(struct ctl_dump_vcpu *to, u64 at, u64 most, const u8 *answer, size_t length)
{
	u8 bytes[CTL_PAYLOAD_MAX];
	struct ctl_dump_data head;
	u64 count;

	if (!take_head(answer, &length, at, &head, bytes))
		return 0;
	count = length / sizeof(*to);
	if (length % sizeof(*to) || count > most || head.next != at + count)
		return 0;
	memcpy(to, bytes, length);
	return count;
}

bool dump_piece_take(struct dump_piece *p, const u8 *answer, size_t length, u64 range_end,
		     struct dump_known *known)
{
	struct dump_known longest = { 0 };
	u8 bytes[CTL_PAYLOAD_MAX];
	struct ctl_dump_data head;
	size_t done = 0;
	u64 at = p->next;

	if (!take_head(answer, &length, at, &head, bytes) || head.next <= at || head.next > range_end ||
	    head.next % PAGE_SIZE)
		return false;
	while (done < length) {
		struct ctl_dump_run run;

		if (length - done < sizeof(run))
			return false;
		memcpy(&run, bytes + done, sizeof(run));
		done += sizeof(run);
		if (!run.pages || run.pages > (head.next - at) / PAGE_SIZE || run.bytes > length - done ||
		    !take_run(p, at, run, bytes + done))
			return false;
		done += run.bytes;
		if (!run.bytes && run.pages * PAGE_SIZE > longest.to - longest.from)
			longest = (struct dump_known){ .from = at,
						       .to = at + run.pages * PAGE_SIZE,
						       .kind = (enum ctl_dump_kind)run.kind };
		at += run.pages * PAGE_SIZE;
	}
	if (at != head.next)
		return false;
	p->next = at < p->end ? at : p->end;
	if (longest.to > p->end)
		*known = longest;
	return true;
}
