/*
 * The black box: records that outlive hypervisor, machine and power, in zones on a disk (abi/pstore.h).
 *
 * One owner calls everything here, under one lock of its own; nothing waits, allocates or locks in here. The order of a
 * life is: blackbox_open, read what the life before left, blackbox_settle, then blackbox_flush again and again. A life
 * that ends without an heir calls blackbox_dying.
 */
#ifndef CORE_BLACKBOX_BLACKBOX_H
#define CORE_BLACKBOX_BLACKBOX_H

#include "core/blackbox/record.h"
#include "core/blackbox/ring.h"
#include "core/blackbox/text.h"

struct blackbox {
	struct blackbox_device *device;
	struct blackbox_layout layout;
	void *memory;
	bool busy; /* a call is under way: who dies now must not trust what it was changing */
	bool has_pmsg, has_console;
	enum {
		BLACKBOX_RECORDS,
		BLACKBOX_PMSG,
		BLACKBOX_CONSOLE,
		BLACKBOX_OPEN
	} opening;   /* what comes next */
	u32 foreign; /* rings that begin with the signature of another type */
	struct ring pmsg, console;
	struct records records;
	struct ring *under_way; /* whose request the device has said -EAGAIN to */
	u8 refused; /* what the device has refused since blackbox_flush last said something else than -EAGAIN */
	int error; /* and how */
	/* The host's log on its way to the console ring; NULL: none. */
	const struct blackbox_log *log;
	u64 log_taken;	 /* offset of the first byte of the log that the ring has not taken */
	u64 log_written; /* the same of what is on the medium */
	u64 log_lost;	 /* bytes that the log had dropped before they were taken */
};

/* Most memory that a host gives its black box: it lies in the slot of a life. */
#define BLACKBOX_HOST_MEMORY MIB(1)

/* Bytes of memory that a black box of this layout needs; it begins at a multiple of BLACKBOX_SECTOR_MAX. */
u64 blackbox_memory(const struct blackbox_layout *l);

/*
 * Reads and checks all zones of the device; changes nothing on it. What is in `memory` (blackbox_memory bytes) belongs to
 * the black box from now on. -EINVAL: the device has not the bytes of the layout, or a sector of another size. A zone that
 * is bad or cannot be read costs itself only: see the states in `pmsg`, `console` and records.info.
 *
 * -EAGAIN: the device is at it; blackbox_open_more goes on.
 */
int blackbox_open(struct blackbox *b, struct blackbox_device *d, const struct blackbox_layout *l,
		  void *memory);
int blackbox_open_more(struct blackbox *b);

/* Zones that begin with the signature of another type: what is on the device is a black box of another layout. */
u32 blackbox_foreign(const struct blackbox *b);

/*
 * Lets the console ring follow a log from byte `taken` on: blackbox_log_written of the life before, or 0. What lies
 * between is repeated if in doubt, never left out.
 */
void blackbox_follow(struct blackbox *b, const struct blackbox_log *log, u64 taken);

/* Offset up to which the log is on the medium: to be kept where the heir finds it. */
u64 blackbox_log_written(const struct blackbox *b);

/* Prepares the rings for writing after recovery, so that the dying need not. As blackbox_flush. */
int blackbox_settle(struct blackbox *b);

/*
 * Makes a record with the end of the log and the line `why`. -EBUSY if one waits still, unless this one is a panic, which
 * takes the other's place; -ENODEV if the layout has no kmsg zones. It is on disk when blackbox_flush returned 0.
 */
int blackbox_record(struct blackbox *b, u32 reason, struct blackbox_time now, const char *why);

/*
 * Writes all that waits: kmsg, then console with what is new in the log, then pmsg. A zone that the device refuses does not
 * keep the others. 0: nothing waits any more; else the first error, and the next call goes on.
 */
int blackbox_flush(struct blackbox *b);

/* True if something waits. */
bool blackbox_dirty(const struct blackbox *b);

/*
 * The last words of a life without an heir: the record of its panic, then everything that waits, through a device that
 * is polled and has been reset if its state was in doubt. The state of *b is whatever another hart left, perhaps in the
 * middle of a call: what makes no sense is dropped. With `why` NULL there is no record: the life ends in order. 0, or the first error after all has been tried.
 */
int blackbox_dying(struct blackbox *b, struct blackbox_device *polled, struct blackbox_time now,
		   const char *why);

#endif
