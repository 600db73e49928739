/* What the results of a campaign come to. */
#ifndef CLI_CAMPAIGN_TALLY_H
#define CLI_CAMPAIGN_TALLY_H

#include "cli/campaign.h"

enum campaign_pause {
	PAUSE_EXITS,	/* of vCPUs that exit */
	PAUSE_COMPUTES, /* of one that only computes */
	PAUSE_RECOVERY, /* fault to last guest, as the hypervisor recorded it */
	/* The same as the first two, of runs in which nothing happened: what the machine under the machine does. */
	PAUSE_EXITS_IDLE,
	PAUSE_COMPUTES_IDLE,
	PAUSE_KINDS,
};

extern const char *const campaign_pause_names[PAUSE_KINDS]; /* "exits": in JSON */
extern const char *const campaign_pause_titles[PAUSE_KINDS];

struct campaign_sample {
	double *ms;
	size_t count;
};

/* All-zero is one without results. */
struct campaign_tally {
	u64 counts[FAULT_KINDS][OUTCOME_COUNT];
	struct campaign_sample
		pauses[PAUSE_KINDS];  /* of runs that recovered, as promised; or without effect */
	struct campaign_result *lost; /* those that are worth a look; sorted: silent ones first, by run */
	size_t lost_count, lost_left_out;
};

/* A campaign_visit. */
void campaign_tally_add(void *tally, const struct campaign_result *result);

/* For a report, which needs it sorted. */
void campaign_tally_sort(struct campaign_tally *tally);
void campaign_tally_free(struct campaign_tally *tally);

/* Worse than recovered. */
bool campaign_is_loss(enum campaign_outcome outcome);

/* A fault in the estate promises nothing: it is reported apart. */
bool campaign_is_promised(enum fault_kind kind);

/* Faults that were injected and did something. */
u64 campaign_effective(const u64 counts[OUTCOME_COUNT]);
u64 campaign_total(const u64 counts[OUTCOME_COUNT]);

/* All results. */
u64 campaign_runs(const struct campaign_tally *tally);

/* The sums over all kinds from which recovery is promised. */
void campaign_promised(const struct campaign_tally *tally, u64 counts[OUTCOME_COUNT]);

#endif
