/* One run of a campaign again: what was known of it, and what came of it now. */
#ifndef CLI_CAMPAIGN_REPLAY_H
#define CLI_CAMPAIGN_REPLAY_H

#include "cli/campaign_lines.h"
#include <stdio.h>

/*
 * Looks for a campaign of that seed in the directory: 1 with its head and the run's result, 0 with the head alone, -ENOENT
 * if there is no such campaign.
 */
int campaign_replay_find(const char *directory, u64 seed, u64 run, struct campaign_head *head,
			 struct campaign_result *then);

/* Says in what this run's machine differs from that of the campaign, which makes its plan another. */
void campaign_replay_compare(const struct campaign_head *now, const struct campaign_head *then,
			     const char *directory);

/* `then` is NULL if nothing is known of it. */
void campaign_replay_print(FILE *to, const struct campaign_result *now, const struct campaign_result *then);
json_t *campaign_replay_json(const struct campaign_result *now, const struct campaign_result *then);

#endif
