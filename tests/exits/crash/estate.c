/*
 * The first life makes the estate. Until it is complete there is none: the warden's next life finds that out and has the machine
 * reset, which loses nothing.
 */
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "tests/exits/crash/crash.h"
#include <stdio.h>
#include <string.h>

#define RAM MIB(64)

static void make(void *machine)
{
	if (estate_create(host->ram + LAYOUT_ESTATE_OFFSET, machine))
		host_fail("no estate");
}

void crash_estate(void)
{
	struct machine_record m;
	bool complete = false;
	int found;

	if (crash_pattern && !strstr("estate", crash_pattern))
		return;
	crash_totals.cases++;
	for (u64 n = 1;; n++) {
		fixture_machine(&m, RAM, 4);
		if (host_live(make, &m, n) != HOST_DIED)
			break;
		crash_totals.points++;
		host_next_life();
		found = estate_adopt(host->ram + LAYOUT_ESTATE_OFFSET);
		/* With the header's first copy it is there, and stays. */
		complete = complete || !found;
		if (found == (complete ? 0 : -ENOENT))
			continue;
		(void)printf("estate: one whose life ends before store %llu: %d\n", (unsigned long long)n,
			     found);
		crash_totals.failures++;
	}
	host_next_life();
	if (!estate_adopt(host->ram + LAYOUT_ESTATE_OFFSET) && estate.machine.hart_count == 4)
		return;
	(void)printf("estate: one that is complete is not adopted\n");
	crash_totals.failures++;
}
