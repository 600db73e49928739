/*
 * Pieces of work, each in a process of its own, several at once. A process and all that it leaves in its process group
 * end with its work, and with this program, however that ends.
 */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include "abi/types.h"

#define JOBS_MAX 256

struct jobs {
	unsigned count;	    /* at once, 1 to JOBS_MAX */
	unsigned limit_ms;  /* a piece of work that takes longer is ended and fails with -ETIMEDOUT */
	size_t answer_size; /* of what `work` fills in */
	void *arg;

	/* The next piece of work. False: there is no more. */
	bool (*next)(void *arg, u64 *number);

	/* Does it, in a process of its own. 0, or a negative errno. */
	int (*work)(void *arg, u64 number, void *answer);

	/*
	 * Takes the result of `work`; -EPIPE for a process that ended without one. The answer is all zeros unless that is 0.
	 * A negative errno ends everything.
	 */
	int (*done)(void *arg, u64 number, int result, const void *answer);

	/* Called four times a second or more often; may be NULL. */
	void (*tick)(void *arg);
};

/*
 * Does it all. 0; what `done` returned, if that was negative; -EINTR if SIGINT, SIGTERM or SIGHUP came, which end the
 * work under way; another negative errno if no process can be started. No child is left in any case.
 */
int jobs_run(const struct jobs *jobs);

/* How many to do at once by default: half the processors of this machine, at least one. */
unsigned jobs_default(void);

#endif
