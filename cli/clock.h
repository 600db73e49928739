/* Time for time limits. */
#ifndef CLI_CLOCK_H
#define CLI_CLOCK_H

#include "abi/types.h"
#include <time.h>

/* Milliseconds of a clock that nobody sets. */
static inline u64 clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

#endif
