/* Parts of a run of the campaign: see campaign.h for the whole. */
#ifndef CLI_CAMPAIGN_RUN_H
#define CLI_CAMPAIGN_RUN_H

#include "cli/campaign_host.h"
#include "cli/fault_make.h"

struct campaign_run {
	const struct campaign_settings *settings;
	struct campaign_result *result;
	struct fault_image image;
	struct campaign_host host;
	struct gdb_remote gdb;
	bool has_gdb;
	struct fault_machine machine;
	u64 life; /* that the fault was made in; 0: not made */
};

/*
 * Stops the machine at the plan's moment, makes the fault, and lets it go on. 1: made; 0: there was no such moment. A negative
 * errno of the stub's. (campaign_inject.c)
 */
int campaign_inject(struct campaign_run *r, const struct campaign_fault *plan);

/* Watches what comes of it, and says so in the result. (campaign_watch.c) */
void campaign_watch(struct campaign_run *r);

/* Keeps what the run leaves, if the settings say so, before the machine is ended. (campaign_keep.c) */
void campaign_keep(struct campaign_run *r);

#endif
