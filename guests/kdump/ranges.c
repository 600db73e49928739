/* See ranges.h. */
#include "guests/kdump/ranges.h"

#include <errno.h>

int ranges_add(struct ranges *list, u64 base, u64 size, u64 map)
{
	u64 end;

	if (!size)
		return 0;
	if (__builtin_add_overflow(base, size, &end))
		return -EINVAL;
	if (list->count == RANGES_MAX)
		return -ENOSPC;
	list->range[list->count++] = (struct range){ base, size, map };
	return 0;
}

int ranges_subtract(struct ranges *list, u64 base, u64 size)
{
	struct ranges left = { 0 };
	u64 end = base + size;
	int error = 0;

	for (unsigned i = 0; i < list->count && !error; i++) {
		struct range r = list->range[i];
		u64 r_end = r.base + r.size;

		if (end <= r.base || base >= r_end) {
			error = ranges_add(&left, r.base, r.size, r.map);
			continue;
		}
		if (base > r.base)
			error = ranges_add(&left, r.base, base - r.base, r.map);
		if (!error && end < r_end)
			error = ranges_add(&left, end, r_end - end, r.map + (end - r.base));
	}
	if (!error)
		*list = left;
	return error;
}
