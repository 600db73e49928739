/*
 * kmsg zones: one record each, of a panic or an oops, with reason, counter, time and text.
 *
 * A new record goes to the zone after the newest one. It takes three steps, each on the medium before the next, so
 * that a record that is not complete never passes for one:
 *
 *   1. erase: datalen 0, if the zone holds a record;
 *   2. data: all of the record, with a datalen that covers its header only;
 *   3. header: the right datalen.
 *
 * Text has no NUL and a NUL follows it, so text behind datalen, or a NUL at its end, tells of an interrupted write. The
 * low byte of datalen is 0 or at least 40: half of one is then never a number below 40, which would hide other zones from
 * Linux.
 */
#ifndef CORE_BLACKBOX_RECORD_H
#define CORE_BLACKBOX_RECORD_H

#include "core/blackbox/layout.h"
#include "core/blackbox/transfer.h"
#include "core/blackbox/zone.h"

struct blackbox_time {
	s64 seconds; /* since 1970 */
	s64 nanoseconds;
};

/* What recovery knows of one kmsg zone. */
struct record_info {
	enum zone_state state;
	const char *why; /* a text on TORN and BAD, or NULL */
	bool has_header; /* what follows is valid: also in an erased zone */
	bool compressed;
	u32 reason;
	u32 counter;
	struct blackbox_time time;
	u32 bytes; /* of text */
};

enum record_phase { RECORD_IDLE, RECORD_WAITING, RECORD_ERASE, RECORD_DATA, RECORD_HEADER };

struct records {
	const struct blackbox_layout *layout;
	struct record_info *info; /* one a zone */
	u8 *scratch;		  /* BLACKBOX_SECTOR_MAX */

	u32 recovered;	    /* zones that have been looked at */
	u32 foreign;	    /* of them, those that another type's signature is in */
	u32 next;	    /* zone that the next record goes to */
	u32 panics, oopses; /* highest counter of each */
	bool has_newest;
	struct blackbox_time newest;

	/* The record that is being written, and the first sector of the zone as it is now, for step 1. */
	u8 *image;
	u8 *sector;
	u32 bytes; /* of text */
	struct record_info written;
	enum record_phase phase;
	u32 zone;
	struct transfer transfer;
};

/*
 * `info` has an entry for each kmsg zone, `image` the size of a zone, `sector` and `scratch` BLACKBOX_SECTOR_MAX bytes.
 * records_recover follows.
 */
void records_init(struct records *r, const struct blackbox_layout *l, struct record_info *info, u8 *image,
		  u8 *sector, u8 *scratch);

/* Reads what the kmsg zones hold. A zone that cannot be read costs itself only. 0, or -EAGAIN from the device: call again. */
int records_recover(struct records *r, struct blackbox_device *d);

/* Most bytes of text that a record takes. */
u32 records_text_max(const struct records *r);

/* Where to put the text of the next record, records_text_max bytes. Not while records_dirty. */
char *records_text(struct records *r);

/*
 * Makes a record of `bytes` bytes at records_text and lets it wait for records_flush. NULs become blanks; up to 39 newlines
 * may be added. The time is raised to just after that of the newest record, because the newest decides on the places: a
 * machine without a clock must not overwrite its latest record first.
 */
void records_begin(struct records *r, u32 reason, struct blackbox_time now, u32 bytes);

/* Counter that a record of this reason gets next; 0 for reasons that are not counted. */
u32 records_next_counter(const struct records *r, u32 reason);

/*
 * Writes the record that waits; a zone that the device refuses is passed over for the next. 0 (also if there is nothing
 * to be done), -EAGAIN from the device, or -EIO after each zone has been tried: the record goes on waiting.
 */
int records_flush(struct records *r, struct blackbox_device *d);

/* True if a record waits or is being written. */
bool records_dirty(const struct records *r);

/* Drops a record that has not been written. The zone that it was going to may be torn. */
void records_drop(struct records *r);

/* The device was reset: the record that is under way begins again. */
void records_restart(struct records *r);

/* Copies text of the record in `zone` from byte `from` on. Returns bytes, or a negative errno; -ENOENT: no record there. */
int records_read(struct records *r, struct blackbox_device *d, u32 zone, u32 from, void *to, u32 size);

/* Sets datalen of the zone to 0 and keeps the rest. Not while records_dirty. 0 or the device's error. */
int records_erase(struct records *r, struct blackbox_device *d, u32 zone);

#endif
