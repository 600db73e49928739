/* What a host in the foreground shows: its log, and what happens to its VMs. */
#ifndef CLI_RUN_VIEW_H
#define CLI_RUN_VIEW_H

#include "cli/broker.h"

struct run_view {
	struct broker_view view;
	const struct host_plan *plan;
	bool json;
	u64 started; /* ms */
};

/* The log on standard output and messages on stderr (none with `quiet`), or all of it as JSON lines. */
const struct broker_view *run_view_init(struct run_view *v, const struct host_plan *plan, bool json,
					bool quiet);

#endif
