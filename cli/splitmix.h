/* splitmix64: random numbers that a seed decides, the same on every machine. */
#ifndef CLI_SPLITMIX_H
#define CLI_SPLITMIX_H

#include "abi/types.h"

/* The mixing function alone: a permutation of the 64-bit numbers. */
static inline u64 splitmix_mix(u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* The next number of a stream, which begins with any value of *state. */
static inline u64 splitmix_next(u64 *state)
{
	return splitmix_mix(*state += 0x9e3779b97f4a7c15ull);
}

#endif
