/* A campaign's report as a drawing: outcomes by kind of fault, and how long guests stood still. See campaign_report.h. */
#include "cli/campaign_report.h"
#include "cli/memory.h"
#include "cli/statistics.h"
#include "cli/svg.h"
#include <math.h>
#include <stdlib.h>

#define WIDTH	  920.0
#define LEFT	  120.0
#define BAR_WIDTH 560.0
#define BAR	  20.0
#define STEP	  28.0
#define TOP	  132.0
#define PLOT	  220.0 /* height of the curves */

#define CURVES (PAUSE_RECOVERY + 1) /* those of recoveries */

#define ULL(value) ((unsigned long long)(value))

/* From the left: what matters first. */
static const struct {
	enum campaign_outcome outcome;
	const char *class;
} stack[] = {
	{ OUTCOME_RECOVERED, "s1" },	{ OUTCOME_VM_LOST, "s2" }, { OUTCOME_HOST_LOST, "s3" },
	{ OUTCOME_HANG, "s4" },		{ OUTCOME_SILENT, "s5" },  { OUTCOME_NO_EFFECT, "s0" },
	{ OUTCOME_NOT_INJECTED, "s7" },
};

static const char *const pause_classes[CURVES] = { "s4", "s1", "s3" };

/* ---- Outcomes ---- */

static void put_legend(FILE *to, const u64 all[OUTCOME_COUNT])
{
	double x = LEFT;

	for (size_t i = 0; i < ARRAY_SIZE(stack); i++) {
		enum campaign_outcome outcome = stack[i].outcome;
		char *text = memory_format("%s %llu", campaign_outcomes[outcome].name, ULL(all[outcome]));
		double width = 30;

		for (const char *at = text; *at; at++)
			width += 6.6;
		svg_rect(to, x, TOP - 42, 12, 12, stack[i].class, NULL);
		svg_text(to, x + 17, TOP - 32, SVG_START, "ink", "%s", text);
		free(text);
		x += width;
	}
}

static void put_bar(FILE *to, double y, const char *name, const u64 counts[OUTCOME_COUNT])
{
	u64 total = campaign_total(counts), effective = campaign_effective(counts);
	double x = LEFT;

	svg_text(to, LEFT - 8, y + BAR - 6, SVG_END, "ink", "%s", name);
	for (size_t i = 0; i < ARRAY_SIZE(stack) && total; i++) {
		u64 count = counts[stack[i].outcome];
		double width = BAR_WIDTH * (double)count / (double)total;
		char *tip = memory_format("%s, %s: %llu of %llu", name,
					  campaign_outcomes[stack[i].outcome].name, ULL(count), ULL(total));

		if (count)
			svg_rect(to, x, y, width, BAR, stack[i].class, tip);
		free(tip);
		x += width;
	}
	if (effective)
		svg_text(to, LEFT + BAR_WIDTH + 12, y + BAR - 6, SVG_START, "quiet",
			 "%llu of %llu recovered, %.1f %%", ULL(counts[OUTCOME_RECOVERED]), ULL(effective),
			 100.0 * (double)counts[OUTCOME_RECOVERED] / (double)effective);
	else
		svg_text(to, LEFT + BAR_WIDTH + 12, y + BAR - 6, SVG_START, "quiet",
			 "none of %llu did anything", ULL(total));
}

/* In brackets if it does not count among all; free() it. */
static char *name_of_row(enum fault_kind kind)
{
	bool counts = campaign_is_promised(kind);

	return memory_format("%s%s%s", counts ? "" : "(", fault_kinds[kind].name, counts ? "" : ")");
}

/* Returns where it ends. */
static double put_bars(FILE *to, const struct campaign_tally *tally, const u64 all[OUTCOME_COUNT])
{
	double y = TOP;
	char *name;

	svg_text(to, LEFT, TOP - 54, SVG_START, "head", "Outcomes by kind of fault");
	put_legend(to, all);
	for (int i = 0; i <= 4; i++) {
		double x = LEFT + BAR_WIDTH * i / 4;

		svg_text(to, x, TOP - 8, SVG_MIDDLE, "quiet", "%d %%", 25 * i);
	}
	for (int kind = 0; kind < FAULT_KINDS; kind++) {
		if (!campaign_total(tally->counts[kind]))
			continue;
		name = name_of_row((enum fault_kind)kind);
		put_bar(to, y, name, tally->counts[kind]);
		free(name);
		y += STEP;
	}
	y += STEP / 4;
	put_bar(to, y, "all", all);
	return y + STEP;
}

/* ---- Pauses ---- */

/* The plot's place, and the powers of ten between which its x axis goes. */
struct plot {
	double y;
	int from, to;
};

static bool find_bounds(const struct campaign_tally *tally, struct plot *plot)
{
	double least = INFINITY, most = 0;

	for (int i = 0; i < CURVES; i++) {
		const struct campaign_sample *s = &tally->pauses[i];

		if (!s->count)
			continue;
		least = fmin(least, s->ms[0]);
		most = fmax(most, s->ms[s->count - 1]);
	}
	if (!isfinite(least))
		return false;
	plot->from = (int)floor(log10(least));
	plot->to = (int)ceil(log10(most));
	if (plot->from == plot->to)
		plot->to++;
	return true;
}

static struct svg_point place(const struct plot *plot, double ms, double share)
{
	return (struct svg_point){ .x = LEFT + BAR_WIDTH * (log10(ms) - plot->from) / (plot->to - plot->from),
				   .y = plot->y + PLOT * (1 - share) };
}

static void put_axes(FILE *to, const struct plot *plot)
{
	static const double shares[] = { 0, 0.25, 0.5, 0.75, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		double y = plot->y + PLOT * (1 - shares[i]);

		svg_line(to, (struct svg_point){ LEFT, y }, (struct svg_point){ LEFT + BAR_WIDTH, y },
			 i ? "grid" : "ink");
		svg_text(to, LEFT - 8, y + 4, SVG_END, "quiet", "%.0f %%", 100 * shares[i]);
	}
	for (int power = plot->from; power <= plot->to; power++) {
		double x = LEFT + BAR_WIDTH * (power - plot->from) / (plot->to - plot->from);

		svg_line(to, (struct svg_point){ x, plot->y }, (struct svg_point){ x, plot->y + PLOT },
			 "grid");
		svg_text(to, x, plot->y + PLOT + 18, SVG_MIDDLE, "quiet", "%g ms", pow(10, power));
	}
}

/* The share of runs whose pause was no longer, as steps; of many runs some steps are left out. */
static void put_curve(FILE *to, const struct plot *plot, const struct campaign_sample *s, const char *class)
{
	size_t stride = s->count / 400 + 1, fill = 0;
	struct svg_point *points = memory_new(2 * (s->count / stride + 2), sizeof(*points));

	for (size_t i = 0; i < s->count; i += stride) {
		points[fill++] = place(plot, s->ms[i], (double)i / (double)s->count);
		points[fill++] = place(plot, s->ms[i], (double)(i + 1) / (double)s->count);
	}
	if (s->count)
		points[fill++] = place(plot, s->ms[s->count - 1], 1);
	svg_path(to, points, fill, class);
	free(points);
}

static double put_pauses(FILE *to, const struct campaign_tally *tally, double y)
{
	struct plot plot = { .y = y + 50 };
	double at = plot.y + 12;

	svg_text(to, LEFT, y + 30, SVG_START, "head",
		 "Pause of guests when the hypervisor was recovered: share of runs "
		 "in which it was no longer");
	if (!find_bounds(tally, &plot)) {
		svg_text(to, LEFT, plot.y + 20, SVG_START, "quiet", "There is no such run.");
		return plot.y + 40;
	}
	put_axes(to, &plot);
	for (int i = 0; i < CURVES; i++) {
		const struct campaign_sample *s = &tally->pauses[i];

		if (!s->count)
			continue;
		put_curve(to, &plot, s, pause_classes[i]);
		svg_rect(to, LEFT + BAR_WIDTH + 12, at - 10, 12, 12, pause_classes[i], NULL);
		svg_text(to, LEFT + BAR_WIDTH + 29, at, SVG_START, "ink", "%s", campaign_pause_titles[i]);
		svg_text(to, LEFT + BAR_WIDTH + 29, at + 17, SVG_START, "quiet", "%zu runs, p50 %.1f ms",
			 s->count, statistics_percentile(s->ms, s->count, 0.5));
		svg_text(to, LEFT + BAR_WIDTH + 29, at + 33, SVG_START, "quiet", "p99 %.1f ms, max %.1f ms",
			 statistics_percentile(s->ms, s->count, 0.99),
			 statistics_percentile(s->ms, s->count, 1));
		at += 62;
	}
	return plot.y + PLOT + 40;
}

/* ---- All of it ---- */

static char *summary(const u64 all[OUTCOME_COUNT])
{
	u64 effective = campaign_effective(all);
	struct interval share = statistics_wilson(all[OUTCOME_RECOVERED], effective);

	if (!effective)
		return memory_format("No fault did anything.");
	return memory_format(
		"%llu of %llu faults that did something were recovered: %.1f %% (95 %%: %.1f to %.1f %%). "
		"Silent corruption: %llu (95 %%: at most %.2f %%).",
		ULL(all[OUTCOME_RECOVERED]), ULL(effective),
		100.0 * (double)all[OUTCOME_RECOVERED] / (double)effective, 100 * share.low, 100 * share.high,
		ULL(all[OUTCOME_SILENT]), 100 * statistics_upper_bound(all[OUTCOME_SILENT], effective));
}

void campaign_report_svg(FILE *to, const struct campaign_head *head, const struct campaign_tally *tally)
{
	u64 all[OUTCOME_COUNT], rows = 0;
	char *title = memory_format("Fault campaign: %llu runs, seed %llu", ULL(campaign_runs(tally)),
				    ULL(head->seed));
	char *text;
	double y;

	campaign_promised(tally, all);
	text = summary(all);
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		rows += campaign_total(tally->counts[kind]) != 0;
	svg_begin(to, WIDTH, TOP + STEP * ((double)rows + 1.25) + 50 + PLOT + 70, title, text);
	svg_text(to, 20, 28, SVG_START, "title", "%s", title);
	svg_text(to, 20, 48, SVG_START, "ink", "%s", text);
	y = put_bars(to, tally, all);
	y = put_pauses(to, tally, y);
	svg_text(to, 20, y + 10, SVG_START, "quiet",
		 "outlive.bin of build %s, warden.bin %s, guests %s, QEMU %s, %u harts", head->build,
		 head->warden, head->guest, head->qemu, head->harts);
	svg_end(to);
	free(title);
	free(text);
}
