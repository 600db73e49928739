/* Writing records, one step at a time: see record.h. */
#include "core/blackbox/record.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

#define NANOSECONDS 1000000000

static u8 *text_of(struct records *r)
{
	return r->image + PSTORE_ZONE_HEADER + PSTORE_KMSG_HEADER;
}

char *records_text(struct records *r)
{
	return (char *)text_of(r);
}

u32 records_next_counter(const struct records *r, u32 reason)
{
	u32 last = reason == PSTORE_REASON_PANIC ? r->panics : r->oopses;

	if (reason != PSTORE_REASON_PANIC && reason != PSTORE_REASON_OOPS)
		return 0;
	return last == UINT32_MAX ? last : last + 1;
}

/* `now`, or the least time that is later than the newest record's. */
static struct blackbox_time raise(const struct records *r, struct blackbox_time now)
{
	struct blackbox_time after = r->newest;

	if (now.seconds < 0 || now.nanoseconds < 0 || now.nanoseconds >= NANOSECONDS)
		now = (struct blackbox_time){ 0 };
	if (!r->has_newest || now.seconds > after.seconds ||
	    (now.seconds == after.seconds && now.nanoseconds > after.nanoseconds))
		return now;
	if (++after.nanoseconds == NANOSECONDS) {
		after.nanoseconds = 0;
		after.seconds++;
	}
	return after;
}

/* Length with newlines such that no half of datalen is below 40; without them if there is no room. */
static u32 pad(struct records *r, u32 bytes)
{
	u32 most = records_text_max(r);

	while ((PSTORE_KMSG_HEADER + bytes) % 256 &&
	       (PSTORE_KMSG_HEADER + bytes) % 256 < PSTORE_KMSG_HEADER) {
		if (bytes < most)
			text_of(r)[bytes++] = '\n';
		else
			bytes -= (PSTORE_KMSG_HEADER + bytes) % 256;
	}
	return bytes;
}

static void set_datalen(struct records *r, u32 datalen)
{
	struct pstore_zone_header z = { .signature = PSTORE_SIGNATURE_OF(PSTORE_KMSG), .datalen = datalen };

	memcpy(r->image, &z, sizeof(z));
}

void records_begin(struct records *r, u32 reason, struct blackbox_time now, u32 bytes)
{
	struct pstore_kmsg_header k = { .magic = PSTORE_KMSG_MAGIC, .reason = reason };
	struct blackbox_time time = raise(r, now);

	bytes = bytes < records_text_max(r) ? bytes : records_text_max(r);
	for (u32 n = 0; n < bytes; n++)
		if (!text_of(r)[n])
			text_of(r)[n] = ' ';
	bytes = pad(r, bytes);
	memset(text_of(r) + bytes, 0, records_text_max(r) - bytes);
	k.counter = records_next_counter(r, reason);
	if (reason == PSTORE_REASON_PANIC)
		r->panics = k.counter;
	if (reason == PSTORE_REASON_OOPS)
		r->oopses = k.counter;
	k.seconds = time.seconds;
	k.nanoseconds = time.nanoseconds;
	memcpy(r->image + PSTORE_ZONE_HEADER, &k, sizeof(k));
	r->bytes = bytes;
	r->written = (struct record_info){
		.state = ZONE_GOOD,
		.has_header = true,
		.reason = reason,
		.counter = k.counter,
		.time = time,
		.bytes = bytes,
	};
	r->phase = RECORD_WAITING;
}

/* ---- The steps ---- */

static int begin_erase(struct records *r, struct blackbox_device *d, u32 zone)
{
	u64 at = r->layout->kmsg_at + (u64)zone * r->layout->sizes.kmsg;
	int error = d->read(d, at, r->sector, d->sector);

	if (error)
		return error;
	memset(r->sector + offsetof(struct pstore_zone_header, datalen), 0,
	       sizeof(struct pstore_zone_header) - offsetof(struct pstore_zone_header, datalen));
	transfer_begin(&r->transfer, r->sector, at);
	transfer_add(&r->transfer, 0, PSTORE_ZONE_HEADER);
	r->zone = zone;
	r->phase = RECORD_ERASE;
	return 0;
}

static void begin_data(struct records *r, struct blackbox_device *d)
{
	u32 bytes =
		PSTORE_ZONE_HEADER + PSTORE_KMSG_HEADER + r->bytes + (r->bytes < records_text_max(r) ? 1 : 0);

	set_datalen(r, PSTORE_KMSG_HEADER);
	transfer_begin(&r->transfer, r->image, r->layout->kmsg_at + (u64)r->zone * r->layout->sizes.kmsg);
	/* The first sector last, so that a device that keeps the order shows no record without its text. */
	if (bytes > d->sector)
		transfer_add(&r->transfer, d->sector, bytes - d->sector);
	transfer_add(&r->transfer, 0, bytes < d->sector ? bytes : d->sector);
	r->phase = RECORD_DATA;
}

static void begin_header(struct records *r)
{
	set_datalen(r, PSTORE_KMSG_HEADER + r->bytes);
	transfer_begin(&r->transfer, r->image, r->transfer.at);
	transfer_add(&r->transfer, 0, PSTORE_ZONE_HEADER);
	r->phase = RECORD_HEADER;
}

static void finish(struct records *r)
{
	r->info[r->zone] = r->written;
	r->next = (r->zone + 1) % r->layout->kmsg_count;
	r->has_newest = true;
	r->newest = r->written.time;
	r->phase = RECORD_IDLE;
}

/* Only a zone that is known to hold no record needs no erasing first. */
static bool needs_erasing(const struct record_info *i)
{
	return i->state != ZONE_ERASED && i->state != ZONE_ABSENT;
}

static int begin_zone(struct records *r, struct blackbox_device *d)
{
	r->zone = r->next;
	if (needs_erasing(&r->info[r->zone]))
		return begin_erase(r, d, r->zone);
	begin_data(r, d);
	return 0;
}

/* The step that is under way, and those behind it. */
static int go_on(struct records *r, struct blackbox_device *d)
{
	int error = r->phase == RECORD_WAITING ? begin_zone(r, d) : 0;

	while (!error && r->phase != RECORD_IDLE) {
		error = transfer_run(&r->transfer, d);
		if (error)
			return error;
		switch (r->phase) {
		case RECORD_ERASE:
			r->info[r->zone].state = ZONE_ERASED;
			begin_data(r, d);
			break;
		case RECORD_DATA:
			begin_header(r);
			break;
		case RECORD_HEADER:
		case RECORD_WAITING:
		case RECORD_IDLE:
			finish(r);
			break;
		}
	}
	return error;
}

int records_flush(struct records *r, struct blackbox_device *d)
{
	for (u32 tries = 0; r->phase != RECORD_IDLE && tries < r->layout->kmsg_count; tries++) {
		int error = go_on(r, d);

		if (!error || error == -EAGAIN)
			return error;
		/* What is in the zone now is not known. */
		r->info[r->zone] = (struct record_info){ .state = ZONE_UNREADABLE };
		r->next = (r->zone + 1) % r->layout->kmsg_count;
		r->phase = RECORD_WAITING;
	}
	return r->phase == RECORD_IDLE ? 0 : -EIO;
}

bool records_dirty(const struct records *r)
{
	return r->phase != RECORD_IDLE;
}

void records_drop(struct records *r)
{
	if (r->phase > RECORD_WAITING)
		r->info[r->zone] = (struct record_info){ .state = ZONE_TORN };
	r->phase = RECORD_IDLE;
}

void records_restart(struct records *r)
{
	if (r->phase == RECORD_IDLE)
		return;
	if (r->phase > RECORD_WAITING)
		r->info[r->zone] = (struct record_info){ .state = ZONE_TORN };
	r->phase = RECORD_WAITING;
}

int records_erase(struct records *r, struct blackbox_device *d, u32 zone)
{
	int error;

	if (zone >= r->layout->kmsg_count || r->info[zone].state == ZONE_ABSENT)
		return -ENOENT;
	error = begin_erase(r, d, zone);
	if (!error)
		error = transfer_run(&r->transfer, d);
	r->phase = RECORD_IDLE;
	if (!error)
		r->info[zone].state = ZONE_ERASED;
	return error;
}
