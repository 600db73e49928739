/*
 * A piece of a VM's memory, as answers to CTL_DUMP_READ bring it (abi/control.h), and its vCPUs, by CTL_DUMP_VCPU. Nothing in an
 * answer is believed: the stream may be damaged, and the host of another make.
 */
#ifndef CLI_DUMP_PIECE_H
#define CLI_DUMP_PIECE_H

#include "abi/control.h"

#define PIECE_PAGES 64u
#define PIECE_SIZE  (PIECE_PAGES * PAGE_SIZE)

struct dump_piece {
	u64 at, end;	      /* guest physical */
	u64 next;	      /* all below it is here; `end` when complete */
	u32 tag;	      /* of the request that is under way, 0: none */
	u8 kind[PIECE_PAGES]; /* enum ctl_dump_kind: ZERO, UNTOUCHED, or RAW: its bytes are there */
	u8 bytes[PIECE_SIZE];
};

/* The last long run of pages without bytes that an answer told of: often all the rest of a range. */
struct dump_known {
	u64 from, to;
	enum ctl_dump_kind kind;
};

/* Begins a piece of at most PIECE_SIZE bytes. */
void dump_piece_begin(struct dump_piece *p, u64 at, u64 end);

/* Fills in what is known without asking. */
void dump_piece_fill(struct dump_piece *p, const struct dump_known *known);

/*
 * Takes the answer to a request for what begins at p->next. `range_end` bounds what it may tell of; what lies behind the piece is
 * dropped, but for *known. False if it makes no sense; the piece is as before then, but for bytes behind p->next.
 */
bool dump_piece_take(struct dump_piece *p, const u8 *answer, size_t length, u64 range_end,
		     struct dump_known *known);

/* Takes the answer to a request for the vCPUs from the at-th on, at most `most`. Their number; 0 if it makes no sense. */
size_t dump_vcpus_take(struct ctl_dump_vcpu *to, u64 at, u64 most, const u8 *answer, size_t length);

#endif
