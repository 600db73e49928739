/* See blackbox.h. */
#include "core/blackbox/blackbox.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

/* ---- Opening ---- */

struct carver {
	u8 *at;
};

static u8 *carve(struct carver *c, u64 bytes)
{
	u8 *at = c->at;

	c->at += ALIGN_UP(bytes, (u64)BLACKBOX_SECTOR_MAX);
	return at;
}

static u64 info_bytes(const struct blackbox_layout *l)
{
	return (u64)l->kmsg_count * sizeof(struct record_info);
}

u64 blackbox_memory(const struct blackbox_layout *l)
{
	u64 bytes =
		2 * BLACKBOX_SECTOR_MAX + ALIGN_UP(info_bytes(l), (u64)BLACKBOX_SECTOR_MAX) + l->sizes.kmsg;

	if (l->sizes.pmsg)
		bytes += l->sizes.pmsg + RING_PENDING;
	if (l->sizes.console)
		bytes += l->sizes.console + RING_PENDING;
	return bytes;
}

/* Where the parts of a black box lie in its memory. */
struct parts {
	u8 *scratch, *sector, *info, *image, *pmsg, *pmsg_pending, *console, *console_pending;
};

static struct parts parts_of(const struct blackbox_layout *l, void *memory)
{
	struct carver c = { memory };
	struct parts p = { 0 };

	p.scratch = carve(&c, BLACKBOX_SECTOR_MAX);
	p.sector = carve(&c, BLACKBOX_SECTOR_MAX);
	p.info = carve(&c, info_bytes(l));
	p.image = carve(&c, l->sizes.kmsg);
	if (l->sizes.pmsg) {
		p.pmsg = carve(&c, l->sizes.pmsg);
		p.pmsg_pending = carve(&c, RING_PENDING);
	}
	if (l->sizes.console) {
		p.console = carve(&c, l->sizes.console);
		p.console_pending = carve(&c, RING_PENDING);
	}
	return p;
}

/* -EAGAIN from the device, or 0. */
static int open_ring(struct blackbox *b, struct ring *r, enum pstore_type type, u32 size, u64 at, u8 *image,
		     u8 *pending)
{
	int error = b->device->read(b->device, at, image, size);
	struct pstore_zone_header h;

	if (error == -EAGAIN)
		return error;
	if (error) {
		ring_unreadable(r, type, image, size, at, pending);
		return 0;
	}
	memcpy(&h, image, sizeof(h));
	b->foreign += zone_is_other(&h, type);
	ring_recover(r, type, image, size, at, pending);
	return 0;
}

int blackbox_open_more(struct blackbox *b)
{
	const struct blackbox_layout *l = &b->layout;
	const struct parts p = parts_of(l, b->memory);
	int error = 0;

	if (b->opening == BLACKBOX_RECORDS) {
		error = records_recover(&b->records, b->device);
		b->opening += !error;
	}
	if (b->opening == BLACKBOX_PMSG) {
		error = p.pmsg ? open_ring(b, &b->pmsg, PSTORE_PMSG, l->sizes.pmsg, 0, p.pmsg, p.pmsg_pending)
			       : 0;
		b->opening += !error;
	}
	if (b->opening == BLACKBOX_CONSOLE) {
		error = p.console ? open_ring(b, &b->console, PSTORE_CONSOLE, l->sizes.console, l->console_at,
					      p.console, p.console_pending)
				  : 0;
		b->opening += !error;
	}
	return error;
}

int blackbox_open(struct blackbox *b, struct blackbox_device *d, const struct blackbox_layout *l,
		  void *memory)
{
	struct parts p;

	if (!device_usable(d) || l->end > d->bytes)
		return -EINVAL;
	*b = (struct blackbox){ .device = d, .layout = *l, .memory = memory };
	b->has_pmsg = l->sizes.pmsg;
	b->has_console = l->sizes.console;
	p = parts_of(&b->layout, memory);
	records_init(&b->records, &b->layout, (struct record_info *)(void *)p.info, p.image, p.sector,
		     p.scratch);
	return blackbox_open_more(b);
}

u32 blackbox_foreign(const struct blackbox *b)
{
	return b->foreign + b->records.foreign;
}

/* ---- The log ---- */

void blackbox_follow(struct blackbox *b, const struct blackbox_log *log, u64 taken)
{
	b->log = log;
	b->log_taken = log && taken <= log->head() ? taken : 0;
	b->log_written = b->log_taken;
}

u64 blackbox_log_written(const struct blackbox *b)
{
	return b->log_written;
}

/* Taken from the log at a time: lines are shorter. */
#define LOG_PART 1024u
#define GAP_LINE 80u

/* Whole lines of `text`; all of it if there is no end of line, which is longer than any line. */
static u32 whole_lines(const char *text, u32 bytes)
{
	for (u32 n = bytes; n; n--)
		if (text[n - 1] == '\n')
			return n;
	return bytes;
}

static void report_gap(struct blackbox *b, u64 bytes)
{
	char line[GAP_LINE];
	u32 length =
		(u32)format(line, sizeof(line), "[%lu bytes of the log are lost]\n", (unsigned long)bytes);

	b->log_lost += bytes;
	ring_append(&b->console, line, length);
}

/* Takes some lines of the log into the ring; false if there is none or no room for any. */
static bool take_log(struct blackbox *b)
{
	char text[LOG_PART];
	u64 from = b->log_taken;
	u32 bytes, skip = 0;

	if (!b->log || !b->has_console || ring_free(&b->console) < LOG_PART + GAP_LINE)
		return false;
	bytes = (u32)b->log->read(&from, text, sizeof(text));
	if (!bytes)
		return false;
	bytes = whole_lines(text, bytes);
	if (from > b->log_taken) {
		/* The oldest line that is left has lost its beginning. */
		const char *end = memchr(text, '\n', bytes);

		skip = end ? (u32)(end - text) + 1 : bytes;
		report_gap(b, from + skip - b->log_taken);
	}
	ring_append(&b->console, text + skip, bytes - skip);
	b->log_taken = from + bytes;
	return true;
}

/* Everything that the log had when this began, so that a log which grows as fast as it is written does not hold us. */
static int flush_console(struct blackbox *b)
{
	u64 end = b->log ? b->log->head() : 0;
	bool took;

	if (!b->has_console)
		return 0;
	do {
		int error;

		took = false;
		while (b->log_taken < end && take_log(b))
			took = true;
		error = ring_flush(&b->console, b->device);
		if (error)
			return error;
		b->log_written = b->log_taken;
	} while (took && b->log_taken < end);
	return 0;
}

/* ---- Writing ---- */

static int make_record(struct blackbox *b, u32 reason, struct blackbox_time now, const char *why)
{
	struct records *r = &b->records;
	u32 bytes;

	if (records_dirty(r)) {
		if (reason != PSTORE_REASON_PANIC)
			return -EBUSY;
		records_drop(r);
	}
	bytes = text_compose(records_text(r), records_text_max(r), reason, records_next_counter(r, reason),
			     b->log, why);
	records_begin(r, reason, now, bytes);
	return 0;
}

int blackbox_record(struct blackbox *b, u32 reason, struct blackbox_time now, const char *why)
{
	int error;

	if (!b->layout.kmsg_count)
		return -ENODEV;
	b->busy = true;
	error = make_record(b, reason, now, why);
	b->busy = false;
	return error;
}

/* A device that asks for patience has one request at a time: the ring that waits for it goes first. */
static int finish_under_way(struct blackbox *b)
{
	int error = b->under_way ? ring_settle(b->under_way, b->device) : 0;

	if (error != -EAGAIN)
		b->under_way = NULL;
	return error;
}

static int remember(struct blackbox *b, struct ring *r, int error)
{
	if (error == -EAGAIN)
		b->under_way = r;
	return error;
}

/* What has been refused is left alone until the others have had their turn, however many calls that takes. */
enum { REFUSED_RECORDS = 1, REFUSED_CONSOLE = 2, REFUSED_PMSG = 4 };

static void note_refusal(struct blackbox *b, u8 part, int error)
{
	if (!error)
		return;
	b->refused |= part;
	b->error = b->error ? b->error : error;
}

static int flush_all(struct blackbox *b)
{
	u8 under_way = b->under_way == &b->console ? REFUSED_CONSOLE : REFUSED_PMSG;
	int error = finish_under_way(b);

	if (error == -EAGAIN)
		return error;
	note_refusal(b, under_way, error);
	error = b->refused & REFUSED_RECORDS ? 0 : records_flush(&b->records, b->device);
	if (error == -EAGAIN)
		return error;
	note_refusal(b, REFUSED_RECORDS, error);
	error = b->refused & REFUSED_CONSOLE ? 0 : remember(b, &b->console, flush_console(b));
	if (error == -EAGAIN)
		return error;
	note_refusal(b, REFUSED_CONSOLE, error);
	error = !b->has_pmsg || b->refused & REFUSED_PMSG
			? 0
			: remember(b, &b->pmsg, ring_flush(&b->pmsg, b->device));
	if (error == -EAGAIN)
		return error;
	note_refusal(b, REFUSED_PMSG, error);
	error = b->error;
	b->refused = 0;
	b->error = 0;
	return error;
}

int blackbox_flush(struct blackbox *b)
{
	int error;

	b->busy = true;
	error = flush_all(b);
	b->busy = false;
	return error;
}

static int settle_all(struct blackbox *b)
{
	int first = finish_under_way(b), error;

	if (first == -EAGAIN)
		return first;
	first = b->has_console ? remember(b, &b->console, ring_settle(&b->console, b->device)) : 0;
	if (first == -EAGAIN)
		return first;
	error = b->has_pmsg ? remember(b, &b->pmsg, ring_settle(&b->pmsg, b->device)) : 0;
	return error == -EAGAIN || !first ? error : first;
}

int blackbox_settle(struct blackbox *b)
{
	int error;

	b->busy = true;
	error = settle_all(b);
	b->busy = false;
	return error;
}

bool blackbox_dirty(const struct blackbox *b)
{
	return records_dirty(&b->records) || (b->has_pmsg && ring_dirty(&b->pmsg)) ||
	       (b->has_console && (ring_dirty(&b->console) || (b->log && b->log_taken < b->log->head())));
}

/* ---- The end ---- */

/* Text that waited when somebody else's call was cut short: all of it is written, perhaps for the second time. */
static void keep_pending(struct ring *r, u32 bytes)
{
	r->pending_bytes = bytes < RING_PENDING ? bytes : RING_PENDING;
	for (u32 n = 0; n < r->pending_bytes; n++)
		r->pending[n] = r->pending[n] ? r->pending[n] : ' ';
}

/* What is in RAM cannot be trusted, what is on disk can be recovered. */
static int open_again(struct blackbox *b, struct blackbox_device *polled)
{
	struct blackbox_layout layout = b->layout;
	const struct blackbox_log *log = b->log;
	u64 written = b->log_written;
	u32 waiting = b->has_pmsg ? b->pmsg.pending_bytes : 0;
	int error = blackbox_open(b, polled, &layout, b->memory);

	if (error)
		return error;
	blackbox_follow(b, log, written);
	if (b->has_pmsg)
		keep_pending(&b->pmsg, waiting);
	return 0;
}

int blackbox_dying(struct blackbox *b, struct blackbox_device *polled, struct blackbox_time now,
		   const char *why)
{
	int error = 0;

	if (b->busy) {
		error = open_again(b, polled);
		if (error)
			return error;
	}
	b->device = polled;
	b->under_way = NULL;
	b->refused = 0;
	b->error = 0;
	ring_restart(&b->console);
	ring_restart(&b->pmsg);
	records_restart(&b->records);
	/* One that waited is written first: there is memory for one only. */
	records_flush(&b->records, polled);
	if (why && b->layout.kmsg_count)
		make_record(b, PSTORE_REASON_PANIC, now, why);
	return flush_all(b);
}
