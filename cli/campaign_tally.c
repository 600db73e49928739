/* Sums of results: see campaign_tally.h. */
#include "cli/campaign_tally.h"
#include "cli/memory.h"
#include "cli/statistics.h"
#include <stdlib.h>
#include <string.h>

/* The report names so many; all of them are in the results. */
#define LOST_MAX 200

const char *const campaign_pause_names[PAUSE_KINDS] = { "exits", "computes", "recovery", "exits_no_effect",
							"computes_no_effect" };
const char *const campaign_pause_titles[PAUSE_KINDS] = {
	"of vCPUs that exit",
	"of a vCPU that only computes",
	"fault to last guest, as recorded",
	"without effect: of vCPUs that exit",
	"without effect: of one that only computes",
};

bool campaign_is_loss(enum campaign_outcome outcome)
{
	return outcome > OUTCOME_RECOVERED;
}

bool campaign_is_promised(enum fault_kind kind)
{
	return kind != FAULT_ESTATE;
}

static void add_pause(struct campaign_sample *sample, u64 ns)
{
	if (!ns)
		return;
	/* Room doubles, so that it grows seldom. */
	if ((sample->count & (sample->count - 1)) == 0)
		sample->ms =
			memory_resize(sample->ms, sample->count ? 2 * sample->count : 1, sizeof(*sample->ms));
	sample->ms[sample->count++] = (double)ns / 1e6;
}

void campaign_tally_add(void *arg, const struct campaign_result *result)
{
	struct campaign_tally *tally = arg;

	tally->counts[result->plan.first.kind][result->outcome]++;
	if (result->outcome == OUTCOME_RECOVERED && campaign_is_promised(result->plan.first.kind)) {
		add_pause(&tally->pauses[PAUSE_EXITS], result->pause_exits_ns);
		add_pause(&tally->pauses[PAUSE_COMPUTES], result->pause_computes_ns);
		add_pause(&tally->pauses[PAUSE_RECOVERY], result->recovery_ns);
	}
	if (result->outcome == OUTCOME_NO_EFFECT) {
		add_pause(&tally->pauses[PAUSE_EXITS_IDLE], result->pause_exits_ns);
		add_pause(&tally->pauses[PAUSE_COMPUTES_IDLE], result->pause_computes_ns);
	}
	if (!campaign_is_loss(result->outcome))
		return;
	if (tally->lost_count == LOST_MAX) {
		tally->lost_left_out++;
		return;
	}
	if (!tally->lost)
		tally->lost = memory_new(LOST_MAX, sizeof(*tally->lost));
	tally->lost[tally->lost_count++] = *result;
}

/* Silent corruption first, then by run. */
static int by_weight(const void *a, const void *b)
{
	const struct campaign_result *x = a, *y = b;

	if ((x->outcome == OUTCOME_SILENT) != (y->outcome == OUTCOME_SILENT))
		return x->outcome == OUTCOME_SILENT ? -1 : 1;
	return (x->run > y->run) - (x->run < y->run);
}

void campaign_tally_sort(struct campaign_tally *tally)
{
	for (int i = 0; i < PAUSE_KINDS; i++)
		statistics_sort(tally->pauses[i].ms, tally->pauses[i].count);
	if (tally->lost_count)
		qsort(tally->lost, tally->lost_count, sizeof(*tally->lost), by_weight);
}

void campaign_tally_free(struct campaign_tally *tally)
{
	for (int i = 0; i < PAUSE_KINDS; i++)
		free(tally->pauses[i].ms);
	free(tally->lost);
	*tally = (struct campaign_tally){ 0 };
}

u64 campaign_total(const u64 counts[OUTCOME_COUNT])
{
	u64 sum = 0;

	for (int i = 0; i < OUTCOME_COUNT; i++)
		sum += counts[i];
	return sum;
}

u64 campaign_effective(const u64 counts[OUTCOME_COUNT])
{
	return campaign_total(counts) - counts[OUTCOME_NOT_INJECTED] - counts[OUTCOME_NO_EFFECT];
}

u64 campaign_runs(const struct campaign_tally *tally)
{
	u64 sum = 0;

	for (int kind = 0; kind < FAULT_KINDS; kind++)
		sum += campaign_total(tally->counts[kind]);
	return sum;
}

void campaign_promised(const struct campaign_tally *tally, u64 counts[OUTCOME_COUNT])
{
	memset(counts, 0, OUTCOME_COUNT * sizeof(*counts));
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		for (int i = 0; i < OUTCOME_COUNT && campaign_is_promised((enum fault_kind)kind); i++)
			counts[i] += tally->counts[kind][i];
}
