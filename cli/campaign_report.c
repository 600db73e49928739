/* A campaign's report in words and for programs: see campaign_report.h. */
#include "cli/campaign_report.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/output_file.h"
#include "cli/statistics.h"
#include "cli/table.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ULL(value) ((unsigned long long)(value))

/* ---- Text ---- */

static void put_row(struct table *t, const char *name, const u64 counts[OUTCOME_COUNT])
{
	u64 effective = campaign_effective(counts);
	struct interval share = statistics_wilson(counts[OUTCOME_RECOVERED], effective);

	table_cell(t, "%s", name);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		table_cell(t, "%llu", ULL(counts[i]));
	table_cell(t, "%llu", ULL(effective));
	if (effective)
		table_cell(t, "%.1f %%", 100.0 * (double)counts[OUTCOME_RECOVERED] / (double)effective);
	else
		table_cell(t, "-");
	if (effective)
		table_cell(t, "%.0f-%.0f %%", 100 * share.low, 100 * share.high);
	else
		table_cell(t, "-");
}

static char *capitals(const char *text)
{
	char *copy = memory_copy(text);

	for (char *at = copy; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return copy;
}

void campaign_report_table(FILE *to, const struct campaign_tally *tally)
{
	const char *heads[OUTCOME_COUNT + 4] = { "FAULT" };
	char *names[OUTCOME_COUNT];
	u64 all[OUTCOME_COUNT];
	struct table t;

	for (int i = 0; i < OUTCOME_COUNT; i++)
		heads[1 + i] = names[i] = capitals(campaign_outcomes[i].name);
	heads[OUTCOME_COUNT + 1] = "EFFECTIVE";
	heads[OUTCOME_COUNT + 2] = "SHARE";
	heads[OUTCOME_COUNT + 3] = "95 %";
	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (int i = 0; i < OUTCOME_COUNT; i++)
		free(names[i]);
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		if (campaign_is_promised((enum fault_kind)kind) && campaign_total(tally->counts[kind]))
			put_row(&t, fault_kinds[kind].name, tally->counts[kind]);
	campaign_promised(tally, all);
	put_row(&t, "all", all);
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		if (!campaign_is_promised((enum fault_kind)kind) && campaign_total(tally->counts[kind])) {
			char *name = memory_format("(%s)", fault_kinds[kind].name);

			put_row(&t, name, tally->counts[kind]);
			free(name);
		}
	table_print(&t, to);
}

static void put_head(FILE *to, const struct campaign_head *head, const struct campaign_tally *tally)
{
	char *faults = campaign_faults_text(head->faults);

	fprintf(to, "Fault campaign: %llu runs with seed %llu on machines of %u harts\n",
		ULL(campaign_runs(tally)), ULL(head->seed), head->harts);
	fprintf(to, "Faults: %s\n", faults);
	fprintf(to, "outlive.bin of build %s, warden.bin %s, guests %s, QEMU %s\n\n", head->build,
		head->warden, head->guest, head->qemu);
	free(faults);
}

static void put_shares(FILE *to, const u64 all[OUTCOME_COUNT])
{
	u64 effective = campaign_effective(all), recovered = all[OUTCOME_RECOVERED];
	struct interval share = statistics_wilson(recovered, effective);

	fprintf(to, "\nFaults that did something: %llu\n", ULL(effective));
	if (!effective)
		return;
	fprintf(to, "Recovered: %llu of %llu, %.2f %% (95 %% confidence: %.2f %% to %.2f %%)\n",
		ULL(recovered), ULL(effective), 100.0 * (double)recovered / (double)effective,
		100 * share.low, 100 * share.high);
	fprintf(to, "Silent corruption: %llu of %llu, at most %.2f %% of such faults (95 %% confidence)\n",
		ULL(all[OUTCOME_SILENT]), ULL(effective),
		100 * statistics_upper_bound(all[OUTCOME_SILENT], effective));
}

static void put_pauses(FILE *to, const struct campaign_tally *tally)
{
	static const char *const heads[] = { "PAUSE IN MS", "RUNS", "P50", "P99", "MAX" };
	static const double shares[] = { 0.5, 0.99, 1 };
	struct table t;

	fputc('\n', to);
	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (int i = 0; i < PAUSE_KINDS; i++) {
		const struct campaign_sample *s = &tally->pauses[i];

		table_cell(&t, "%s", campaign_pause_titles[i]);
		table_cell(&t, "%zu", s->count);
		for (size_t n = 0; n < ARRAY_SIZE(shares); n++)
			if (s->count)
				table_cell(&t, "%.1f", statistics_percentile(s->ms, s->count, shares[n]));
			else
				table_cell(&t, "-");
	}
	table_print(&t, to);
}

static void put_lost(FILE *to, const struct campaign_head *head, const struct campaign_tally *tally)
{
	if (!tally->lost_count)
		return;
	fputs("\nNot recovered (outlive campaign --replay SEED:RUN with the same --faults and --harts tries one again):\n",
	      to);
	for (size_t i = 0; i < tally->lost_count; i++) {
		const struct campaign_result *r = &tally->lost[i];

		fprintf(to, "%llu:%llu  %s  %s\n", ULL(head->seed), ULL(r->run),
			campaign_outcomes[r->outcome].name,
			*r->fault ? r->fault : fault_kinds[r->plan.first.kind].name);
		if (*r->reason)
			fprintf(to, "    %s\n", r->reason);
		if (*r->dump)
			fprintf(to, "    kept in %s\n", r->dump);
	}
	if (tally->lost_left_out)
		fprintf(to, "and %zu more, which are in results.jsonl\n", tally->lost_left_out);
}

void campaign_report_text(FILE *to, const struct campaign_head *head, const struct campaign_tally *tally)
{
	u64 all[OUTCOME_COUNT];

	campaign_promised(tally, all);
	put_head(to, head, tally);
	campaign_report_table(to, tally);
	put_shares(to, all);
	put_pauses(to, tally);
	put_lost(to, head, tally);
}

/* ---- JSON ---- */

static json_t *json_of_counts(const u64 counts[OUTCOME_COUNT])
{
	json_t *o = json_object();

	for (int i = 0; i < OUTCOME_COUNT; i++)
		json_object_set_new(o, campaign_outcomes[i].name, json_number(counts[i]));
	return o;
}

static json_t *json_of_percentile(const struct campaign_sample *s, double p)
{
	return s->count ? json_real(statistics_percentile(s->ms, s->count, p)) : json_null();
}

static json_t *json_of_pauses(const struct campaign_tally *tally)
{
	json_t *o = json_object();

	for (int i = 0; i < PAUSE_KINDS; i++) {
		const struct campaign_sample *s = &tally->pauses[i];

		json_object_set_new(o, campaign_pause_names[i],
				    json_pack("{s:I,s:o,s:o,s:o}", "runs", (json_int_t)s->count, "p50_ms",
					      json_of_percentile(s, 0.5), "p99_ms",
					      json_of_percentile(s, 0.99), "max_ms",
					      json_of_percentile(s, 1)));
	}
	return o;
}

static json_t *json_of_lost(const struct campaign_tally *tally)
{
	json_t *array = json_array();

	for (size_t i = 0; i < tally->lost_count; i++)
		json_array_append_new(array, campaign_result_json(&tally->lost[i]));
	return array;
}

static json_t *json_of_share(const u64 counts[OUTCOME_COUNT])
{
	u64 effective = campaign_effective(counts), recovered = counts[OUTCOME_RECOVERED];
	struct interval share = statistics_wilson(recovered, effective);

	if (!effective)
		return json_null();
	return json_pack("{s:f,s:f,s:f}", "value", (double)recovered / (double)effective, "low", share.low,
			 "high", share.high);
}

static json_t *json_of_kinds(const struct campaign_tally *tally)
{
	json_t *kinds = json_object();

	for (int kind = 0; kind < FAULT_KINDS; kind++)
		if (campaign_total(tally->counts[kind])) {
			json_t *o = json_of_counts(tally->counts[kind]);

			json_object_set_new(o, "recovered_share", json_of_share(tally->counts[kind]));
			json_object_set_new(kinds, fault_kinds[kind].name, o);
		}
	return kinds;
}

json_t *campaign_report_json(const struct campaign_head *head, const struct campaign_tally *tally)
{
	json_t *o = campaign_head_json(head);
	u64 all[OUTCOME_COUNT], effective;

	campaign_promised(tally, all);
	effective = campaign_effective(all);
	json_object_set_new(o, "done", json_number(campaign_runs(tally)));
	json_object_set_new(o, "effective", json_number(effective));
	json_object_set_new(o, "outcomes", json_of_counts(all));
	json_object_set_new(o, "kinds", json_of_kinds(tally));
	json_object_set_new(o, "recovered_share", json_of_share(all));
	json_object_set_new(o, "silent_share_at_most",
			    json_real(statistics_upper_bound(all[OUTCOME_SILENT], effective)));
	json_object_set_new(o, "pauses", json_of_pauses(tally));
	json_object_set_new(o, "lost", json_of_lost(tally));
	return o;
}

/* ---- Files ---- */

typedef void report_writer(FILE *to, const struct campaign_head *head, const struct campaign_tally *tally);

static int write_file(const char *directory, const char *name, report_writer *write,
		      const struct campaign_head *head, const struct campaign_tally *tally)
{
	char *path = memory_format("%s/%s", directory, name), *text = NULL;
	struct output_file file;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);
	int error = to ? 0 : -ENOMEM;

	if (to) {
		write(to, head, tally);
		error = fclose(to) ? -ENOMEM : output_begin(&file, path, true);
		if (!error) {
			output_write(&file, 0, text, length);
			error = output_end(&file, true);
		}
	}
	free(text);
	free(path);
	return error;
}

int campaign_report_write(const char *directory, const struct campaign_head *head,
			  const struct campaign_tally *tally)
{
	int error = write_file(directory, "report.txt", campaign_report_text, head, tally);

	return error ? error : write_file(directory, "report.svg", campaign_report_svg, head, tally);
}
