/* Lists of ranges of physical addresses. */
#ifndef GUESTS_KDUMP_RANGES_H
#define GUESTS_KDUMP_RANGES_H

#include "abi/types.h"

/* `map` is where the first byte is seen in the dump: the virtual address that goes with the physical one. */
struct range {
	u64 base;
	u64 size; /* bytes; base + size does not overflow */
	u64 map;
};

#define RANGES_MAX 96

struct ranges {
	unsigned count;
	struct range range[RANGES_MAX];
};

/* Appends a range. An empty one is none. -EINVAL if its end overflows, -ENOSPC if there are too many. */
int ranges_add(struct ranges *list, u64 base, u64 size, u64 map);

/* Takes [base, base + size) out of all ranges, which may make them more: -ENOSPC if too many. The end must not overflow. */
int ranges_subtract(struct ranges *list, u64 base, u64 size);

#endif
