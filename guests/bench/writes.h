/* A guest whose RAM is full and that writes to it, a little at a time: what is dumped. */
#ifndef GUESTS_BENCH_WRITES_H
#define GUESTS_BENCH_WRITES_H

#include "abi/types.h"

/*
 * Writes to `rate` pages a second, 10 or more, and sleeps in between. Does not return. Once all RAM has contents it prints ten times a second "WRITES pages P slow S mean M least L worst W gap G":
 * pages written to since the line before; how many of these writes took longer than they take by themselves; the
 * instructions of those; the longest time by which the guest ran late, in nanoseconds.
 */
_Noreturn void bench_writes(u64 rate);

#endif
