/*
 * A campaign's results as lines of JSON, for people, programs and the campaign itself, which goes on from them. The first
 * line is the head, which says what the runs have in common; each other line is the result of one run, in the order in
 * which they ended. docs/campaign.md has the fields.
 */
#ifndef CLI_CAMPAIGN_LINES_H
#define CLI_CAMPAIGN_LINES_H

#include "cli/campaign.h"
#include <jansson.h>

#define CAMPAIGN_VERSION  1
#define CAMPAIGN_RUNS_MAX 1000000 /* runs are numbered from 0 */
#define CAMPAIGN_SEED_MAX INT64_MAX

/* On what the plan of a run and its outcome depend, but for `runs`. All texts are printable ASCII. */
struct campaign_head {
	u64 seed;
	u64 runs;   /* as many were asked for when it began */
	u32 faults; /* bit n: kind n may be drawn */
	u32 harts;
	char build[48];	 /* build id of outlive.bin */
	char warden[16]; /* CRC-32C of warden.bin */
	char guest[16];	 /* CRC-32C of the guests' image */
	char qemu[64];	 /* version */
};

json_t *campaign_head_json(const struct campaign_head *head);
json_t *campaign_result_json(const struct campaign_result *result);

/*
 * A line read back, without its newline; `bytes` are hostile. 0; -EBADMSG if it is no JSON, as the last line of a writer that
 * was killed; -EINVAL if it is JSON but no such line. `why` then says what is wrong. Of the plan only seed, run and kinds
 * are set.
 */
int campaign_head_parse(struct campaign_head *head, const char *bytes, size_t count, const char **why);
int campaign_result_parse(struct campaign_result *result, const char *bytes, size_t count, const char **why);

/* "register,code" and so on; free() it. */
char *campaign_faults_text(u32 faults);

#endif
