/* How far something long is, for a person: a line on a terminal that is written again, else a line now and then. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "abi/types.h"

struct progress {
	const char *what; /* begins each line */
	u64 total;	  /* bytes */
	u64 begun, shown; /* ms */
	bool is_quiet, has_line;
};

void progress_begin(struct progress *p, const char *what, u64 total, bool quiet);

/* To be called often; says something after the first second. */
void progress_show(struct progress *p, u64 done);

/* Removes the line from the terminal. */
void progress_end(struct progress *p);

#endif
