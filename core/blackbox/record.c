/* Finding records, and where the next one goes: see record.h. */
#include "core/blackbox/record.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

#define NANOSECONDS 1000000000

/* A clock that says more than this is wrong, and would be taken for the newest record's for ever. */
#define SECONDS_MAX ((s64)1 << 40)

static u32 room_of(const struct records *r)
{
	return r->layout->sizes.kmsg - PSTORE_ZONE_HEADER;
}

static u64 place_of(const struct records *r, u32 zone)
{
	return r->layout->kmsg_at + (u64)zone * r->layout->sizes.kmsg;
}

/* What is wrong with the header of a record; NULL if nothing is. */
static const char *check_header(const struct pstore_kmsg_header *h)
{
	if (h->magic != PSTORE_KMSG_MAGIC)
		return "no record's magic";
	if (h->compressed > 1)
		return "compressed is neither 0 nor 1";
	if (h->reason < PSTORE_REASON_PANIC || h->reason > PSTORE_REASON_SHUTDOWN)
		return "unknown reason";
	if (h->seconds < 0 || h->seconds > SECONDS_MAX || h->nanoseconds < 0 || h->nanoseconds >= NANOSECONDS)
		return "no such time";
	return NULL;
}

static void set_bad(struct record_info *i, const char *why)
{
	i->state = ZONE_BAD;
	i->why = why;
}

/* Fills in what the two headers say; the text is looked at elsewhere. */
static void parse(struct record_info *i, const u8 *zone, u32 room)
{
	struct pstore_zone_header z;
	struct pstore_kmsg_header k;
	const char *wrong;

	memcpy(&z, zone, sizeof(z));
	memcpy(&k, zone + sizeof(z), sizeof(k));
	*i = (struct record_info){ .state = ZONE_ABSENT };
	if (z.signature != PSTORE_SIGNATURE_OF(PSTORE_KMSG))
		return;
	wrong = check_header(&k);
	i->has_header = !wrong;
	i->compressed = k.compressed;
	i->reason = k.reason;
	i->counter = k.counter;
	i->time = (struct blackbox_time){ k.seconds, k.nanoseconds };
	if (zone_check(&z, PSTORE_KMSG, room))
		set_bad(i, zone_check(&z, PSTORE_KMSG, room));
	else if (z.start > z.datalen)
		set_bad(i, "start beyond datalen");
	else if (!z.datalen)
		i->state = ZONE_ERASED;
	else if (z.datalen < PSTORE_KMSG_HEADER)
		set_bad(i, "datalen below a record's header");
	else if (wrong)
		set_bad(i, wrong);
	else
		i->state = ZONE_GOOD;
	if (i->state == ZONE_GOOD)
		i->bytes = z.datalen - PSTORE_KMSG_HEADER;
	else if (i->state == ZONE_BAD)
		i->has_header = false;
}

/* Looks at the last byte of a text and the one behind it. */
static int check_text(struct records *r, struct blackbox_device *d, u32 zone)
{
	struct record_info *i = &r->info[zone];
	u64 end = place_of(r, zone) + PSTORE_ZONE_HEADER + PSTORE_KMSG_HEADER + i->bytes;
	u8 last = 0, behind = 0;
	int error = 0;

	/* Nobody writes a record without text; step 2 looks like one for an instant. */
	if (i->bytes)
		error = device_read(d, r->scratch, end - 1, &last, 1);
	if (!error && i->bytes < records_text_max(r))
		error = device_read(d, r->scratch, end, &behind, 1);
	if (!error && (!last || behind)) {
		i->state = ZONE_TORN;
		i->why = behind ? "text goes on behind datalen" : "text ends before datalen";
	}
	return error;
}

static bool is_later(struct blackbox_time a, struct blackbox_time b)
{
	return a.seconds != b.seconds ? a.seconds > b.seconds : a.nanoseconds > b.nanoseconds;
}

static void note(struct records *r, u32 zone)
{
	const struct record_info *i = &r->info[zone];

	if (!i->has_header)
		return;
	if (!r->has_newest || !is_later(r->newest, i->time)) {
		r->has_newest = true;
		r->newest = i->time;
		r->next = (zone + 1) % r->layout->kmsg_count;
	}
	if (i->reason == PSTORE_REASON_PANIC && i->counter > r->panics)
		r->panics = i->counter;
	if (i->reason == PSTORE_REASON_OOPS && i->counter > r->oopses)
		r->oopses = i->counter;
}

/* A zone that another layout put there. */
static bool is_foreign(const u8 *zone)
{
	struct pstore_zone_header z;

	memcpy(&z, zone, sizeof(z));
	return zone_is_other(&z, PSTORE_KMSG);
}

/* 0, or -EAGAIN: nothing is known of the zone yet. */
static int recover(struct records *r, struct blackbox_device *d, u32 zone)
{
	u8 head[PSTORE_ZONE_HEADER + PSTORE_KMSG_HEADER];
	int error = device_read(d, r->scratch, place_of(r, zone), head, sizeof(head));

	if (!error) {
		parse(&r->info[zone], head, room_of(r));
		if (r->info[zone].state == ZONE_GOOD && !r->info[zone].compressed)
			error = check_text(r, d, zone);
	}
	if (error == -EAGAIN)
		return error;
	if (error)
		r->info[zone] = (struct record_info){ .state = ZONE_UNREADABLE };
	else
		r->foreign += is_foreign(head);
	note(r, zone);
	return 0;
}

void records_init(struct records *r, const struct blackbox_layout *l, struct record_info *info, u8 *image,
		  u8 *sector, u8 *scratch)
{
	*r = (struct records){
		.layout = l, .info = info, .image = image, .sector = sector, .scratch = scratch
	};
}

int records_recover(struct records *r, struct blackbox_device *d)
{
	for (; r->recovered < r->layout->kmsg_count; r->recovered++)
		if (recover(r, d, r->recovered))
			return -EAGAIN;
	return 0;
}

u32 records_text_max(const struct records *r)
{
	return r->layout->kmsg_count ? room_of(r) - PSTORE_KMSG_HEADER : 0;
}

int records_read(struct records *r, struct blackbox_device *d, u32 zone, u32 from, void *to, u32 size)
{
	const struct record_info *i;
	int error;

	if (zone >= r->layout->kmsg_count)
		return -ENOENT;
	i = &r->info[zone];
	if (i->state != ZONE_GOOD && i->state != ZONE_TORN)
		return -ENOENT;
	if (from >= i->bytes)
		return 0;
	size = i->bytes - from < size ? i->bytes - from : size;
	error = device_read(d, r->scratch, place_of(r, zone) + PSTORE_ZONE_HEADER + PSTORE_KMSG_HEADER + from,
			    to, size);
	return error ? error : (int)size;
}
