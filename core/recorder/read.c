/* What the operator may read of the black box of a host that runs; see recorder.h. */
#include "abi/control.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/recorder/inside.h"
#include "core/recorder/recorder.h"

void recorder_status(struct ctl_box *box)
{
	const struct blackbox *b = &recorder.box;

	memset(box, 0, sizeof(*box));
	lock_take(&recorder.lock);
	box->stage = recorder.stage == RECORDER_READY	  ? CTL_BOX_OPEN
		     : recorder.stage == RECORDER_OPENING ? CTL_BOX_OPENING
							  : CTL_BOX_NONE;
	box->disk = estate.machine.evidence.blackbox_disk ? estate.machine.evidence.blackbox_disk - 1 : 0;
	if (box->stage == CTL_BOX_OPEN) {
		box->records = b->layout.kmsg_count;
		box->console = b->has_console ? ring_bytes(&b->console, false) : 0;
		box->pmsg = b->has_pmsg ? ring_bytes(&b->pmsg, false) : 0;
	}
	memcpy(box->why, recorder.why, sizeof(box->why));
	lock_release(&recorder.lock);
}

/* True if the record was there when the machine was started: later ones have later times, whatever the clock says. */
static bool is_previous(const struct record_info *i)
{
	const struct recorder_record *keep = recorder.keep;
	u64 seconds = (u64)i->time.seconds, nanoseconds = (u64)i->time.nanoseconds;

	return seconds != estate_load(&keep->newest_seconds)
		       ? seconds < estate_load(&keep->newest_seconds)
		       : nanoseconds <= estate_load(&keep->newest_nanoseconds);
}

static void describe(u32 number, const struct record_info *i, struct ctl_box_record *record)
{
	*record = (struct ctl_box_record){ .number = number,
					   .reason = i->reason,
					   .counter = i->counter,
					   .seconds = i->time.seconds,
					   .nanoseconds = i->time.nanoseconds,
					   .bytes = i->bytes };
	record->flags = (is_previous(i) ? CTL_BOX_PREVIOUS : 0) | (i->compressed ? CTL_BOX_COMPRESSED : 0) |
			(i->state == ZONE_TORN ? CTL_BOX_TORN : 0);
}

int recorder_find(u32 number, struct ctl_box_record *record)
{
	const struct blackbox *b = &recorder.box;
	int error = -ENOENT;

	lock_take(&recorder.lock);
	for (u32 n = number; recorder.stage == RECORDER_READY && n < b->layout.kmsg_count; n++) {
		const struct record_info *i = &b->records.info[n];

		if (i->state != ZONE_GOOD && i->state != ZONE_TORN)
			continue;
		describe(n, i, record);
		error = 0;
		break;
	}
	lock_release(&recorder.lock);
	return error;
}

static int read_ring(const struct ring *r, u64 from, struct ctl_log *head, void *to, u32 size)
{
	head->head = ring_bytes(r, false);
	return from > head->head ? 0 : (int)ring_read(r, false, (u32)from, to, size);
}

/* Out of pages that the recorder fetches beside its other work. */
static int read_record(u32 number, u64 from, struct ctl_log *head, void *to, u32 size)
{
	const struct blackbox *b = &recorder.box;
	const struct record_info *i = &b->records.info[number];
	u64 at = b->layout.kmsg_at + (u64)number * b->layout.sizes.kmsg + PSTORE_ZONE_HEADER +
		 PSTORE_KMSG_HEADER + from;
	int error;

	if (number >= b->layout.kmsg_count || (i->state != ZONE_GOOD && i->state != ZONE_TORN))
		return -ENOENT;
	head->head = i->bytes;
	if (from >= i->bytes)
		return 0;
	size = i->bytes - from < size ? (u32)(i->bytes - from) : size;
	if (disk_kept(&recorder.disk, at, to, size))
		return (int)size;
	error = recorder.wanted_bytes ? 0 : recorder.wanted_error;
	recorder.wanted_error = 0;
	recorder.wanted_at = at;
	recorder.wanted_bytes = size;
	return error ? error : -EAGAIN;
}

int recorder_read(const struct ctl_box_at *at, struct ctl_log *head, void *to, u32 size)
{
	const struct blackbox *b = &recorder.box;
	int got = -ENOENT;

	*head = (struct ctl_log){ .offset = at->offset };
	lock_take(&recorder.lock);
	if (recorder.stage != RECORDER_READY)
		got = recorder.stage == RECORDER_OPENING ? -EAGAIN : -ENOENT;
	else if (at->type == PSTORE_CONSOLE && b->has_console)
		got = read_ring(&b->console, at->offset, head, to, size);
	else if (at->type == PSTORE_PMSG && b->has_pmsg)
		got = read_ring(&b->pmsg, at->offset, head, to, size);
	else if (at->type == PSTORE_KMSG && at->number < b->layout.kmsg_count)
		got = read_record(at->number, at->offset, head, to, size);
	lock_release(&recorder.lock);
	if (got == -EAGAIN)
		arch_kick(arch_hart());
	return got;
}
