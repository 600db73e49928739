/*
 * Assertions on our own invariants, and arithmetic on other people's numbers.
 *
 * ASSERT ends a life, so it is never for input: a guest, a disk, a file or the control channel must not reach one.
 */
#ifndef CORE_LIB_CHECK_H
#define CORE_LIB_CHECK_H

#include "abi/types.h"

/* Ends this life with the text. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define ASSERT(c)                                                                      \
	do {                                                                           \
		if (__builtin_expect(!(c), 0))                                         \
			panic("assertion failed: %s (%s:%d)", #c, __FILE__, __LINE__); \
	} while (0)

/* True if [at, at + bytes) lies inside [from, from + size), without overflow anywhere. */
static inline bool range_inside(u64 at, u64 bytes, u64 from, u64 size)
{
	return at >= from && bytes <= size && at - from <= size - bytes;
}

/* True if the two ranges share a byte. Neither may wrap. */
static inline bool ranges_overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a_size && b_size && a < b + b_size && b < a + a_size;
}

#endif
