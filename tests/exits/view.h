/* What the guests of VMs 0 and 1 on fake harts can see, to be compared with what they could see before, or should. */
#ifndef TESTS_EXITS_VIEW_H
#define TESTS_EXITS_VIEW_H

#include "tests/lib/fixture.h"

/* What guests can see, as numbers with names; statistics and where things are kept are not part of it. */
#define VIEW_MAX 2600
struct view {
	unsigned count;
	struct view_item {
		const char *what;
		unsigned vm, index;
		u64 value;
		u64 may_rise; /* bits that a recovery may set (an interrupt once too often) */
	} item[VIEW_MAX];
};

void view_take(struct view *v);

/* True if `now` is what `wanted` says; prints the differences if `say`. Items named in `except` (NULL-terminated) are left out. */
bool view_same(const struct view *wanted, const struct view *now, const char *const *except, bool say);

#endif
