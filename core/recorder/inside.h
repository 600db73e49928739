/* Between the parts of the recorder. */
#ifndef CORE_RECORDER_INSIDE_H
#define CORE_RECORDER_INSIDE_H

#include "abi/estate.h"
#include "core/blackbox/blackbox.h"
#include "core/lib/lock.h"
#include "core/recorder/disk.h"

enum recorder_stage { RECORDER_OFF, RECORDER_OPENING, RECORDER_READY };

struct recorder {
	struct lock lock;
	u32 stage; /* enum recorder_stage; with the lock, but any hart may look */
	u64 next;  /* see recorder_next */
	struct recorder_disk disk;
	struct blackbox_layout layout;
	struct blackbox box;
	void *memory;
	struct recorder_record *keep;
	u64 begun_at;  /* ticks */
	u64 crash;     /* number of the life whose record is being written; 0: none */
	bool is_first; /* what `keep` says of the start of the machine is not on the disk yet */
	bool failing;
	bool is_slow;
	/* What somebody who waits for it wants to be read from the disk. */
	u64 wanted_at;
	u32 wanted_bytes;
	int wanted_error;	     /* what became of it */
	char why[BLACKBOX_WHY_SIZE]; /* there is none */
};

extern struct recorder recorder;

#define RECORDER_WHY_MAX 400u

/* Begins the line that each run of the machine begins with in the rings; ticks and the clock follow, in seconds. */
#define RECORDER_MARK	  "---- machine started "
#define RECORDER_MARK_MAX 96u

/* What the clock said at that time, in ticks; without a clock seconds since the machine was started. */
struct blackbox_time recorder_time(u64 ticks);

struct life_record;

/* One line about how a life ended. */
void recorder_describe(char *to, size_t size, const struct life_record *l);

/* Lines of guests that the black box has not got yet; moves some to its ring; all that were moved are on the disk. */
bool pmsg_waits(void);
void pmsg_move(struct ring *to);
void pmsg_written(void);

/* As pmsg_move, for the dying: takes no lock, which a hart that has stopped may hold. False: nothing waits, or there is no room. */
bool pmsg_move_last(struct ring *to);

/* The texts of recorder_oops that have no record yet. */
bool oops_waits(void);
bool oops_take(char *to, size_t size);

#endif
