/* A campaign carried out: runs side by side, results into its file, reports at the end. */
#ifndef CLI_CAMPAIGN_WORK_H
#define CLI_CAMPAIGN_WORK_H

#include "cli/campaign_lines.h"
#include "cli/campaign_tally.h"

struct campaign_order {
	const char *directory; /* made if it is not there */
	struct campaign_head head;
	u64 runs;	  /* 1 to CAMPAIGN_RUNS_MAX */
	unsigned jobs;	  /* at once */
	u64 keep;	  /* what so many lost runs leave is kept, in DIRECTORY/kept */
	const char *qemu; /* NULL: the default */
	bool json;	  /* each result as a line on standard output */
	bool quiet;
	/* campaign_run_one, or what a test has in its place. */
	int (*run)(const struct campaign_settings *settings, u64 run, struct campaign_result *result);
};

/*
 * Does those of the runs 0 to `runs` - 1 that the directory has no result of, and writes the reports. 0; -EINTR if a signal
 * ended it; another negative errno with the error printed. Whatever it returns, the results so far are in the directory, and
 * in `tally`, sorted; campaign_tally_free it.
 */
int campaign_carry_out(const struct campaign_order *order, struct campaign_tally *tally);

/* One run alone, all that it leaves kept in DIRECTORY/replay. 0, or a negative errno with the error printed. */
int campaign_carry_out_one(const struct campaign_order *order, u64 run, struct campaign_result *result);

#endif
