/*
 * What guests write to the black box: lines with the VM's name in front, each VM within its share.
 *
 * A VM has a token bucket of bytes. Its rate is its part of the rate that the host file allows to all of them together,
 * so that one VM that floods pushes out others' lines no faster than its share; what exceeds it is dropped, counted, and
 * reported by a line once there is room again.
 */
#ifndef CORE_BLACKBOX_SHARE_H
#define CORE_BLACKBOX_SHARE_H

#include "abi/types.h"

/* Longest line with name, its newline included; a longer one is cut into several. */
#define SHARE_LINE_MAX 512u
#define SHARE_NAME_MAX 64u

/* Where lines go: takes one whole, or refuses it. */
struct share_sink {
	int (*append)(void *owner, const void *line, u32 bytes);
	void *owner;
};

struct share {
	const char *name; /* the VM's; kept by the caller, below SHARE_NAME_MAX bytes */
	u64 rate;	  /* bytes a second; 0: nothing passes */
	u64 burst;	  /* bytes that may come at once after a rest; at least SHARE_LINE_MAX */
	u64 tokens;	  /* in billionths of a byte */
	u64 then;	  /* nanoseconds, when tokens were counted last */
	u64 dropped;	  /* lines since the last report */
	u64 dropped_ever;
	u32 line_bytes; /* of a line whose end has not come */
	char line[SHARE_LINE_MAX];
};

/*
 * Gives a VM its part of `total_rate` bytes a second and of `total_burst`: `weight` of `weights`. The bucket is full.
 * `now` is nanoseconds of any clock that does not go back.
 */
void share_open(struct share *s, const char *name, u64 total_rate, u64 total_burst, u32 weight, u32 weights,
		u64 now);

/*
 * Takes bytes as the guest writes them, in any pieces; control characters become '.'. Lines that are complete and within
 * the share go to the sink. Never waits, never fails: what does not fit is counted. The caller holds what
 * protects the sink.
 */
void share_write(struct share *s, const struct share_sink *to, const void *bytes, u32 count, u64 now);

/*
 * True if the share has room for all lines that these bytes would make now, with the names in front of them, a report that is
 * due, and the end of the last one. More than ever fits at once counts as fitting when nothing has been taken.
 */
bool share_fits(struct share *s, const void *bytes, u32 count, u64 now);

/* Reports what was dropped, if share and sink allow it now. For a VM that writes no more: its next line would do so. */
void share_report(struct share *s, const struct share_sink *to, u64 now);

#endif
