/* Records of crashes (abi/crash.h), as they come from a dump or, in pieces, from a running host. */
#ifndef CLI_CRASH_RECORD_H
#define CLI_CRASH_RECORD_H

#include "abi/crash.h"

/* Bytes of a record with that many harts. */
size_t crash_record_bytes(u64 hart_count);

/* True if that many bytes are a record that can be believed; its texts are terminated and printable then. */
bool crash_record_check(struct crash_record *record, size_t bytes);

/* What goes to a terminal later must not command it: what is neither text nor a line's end becomes '?'. */
void crash_record_make_printable(char *text, size_t bytes);

/* Answers to CTL_CRASH_RECORD (abi/control.h), put together. */
struct crash_pieces {
	u64 life; /* that was asked for */
	u8 *bytes;
	u64 size, have;
};

/*
 * The next answer. 1: the record is complete and can be believed; 0: ask for what follows, from byte `have` on; -EINVAL: it
 * does not fit, perhaps because another life has ended meanwhile.
 */
int crash_pieces_take(struct crash_pieces *p, const void *payload, size_t length);

#endif
