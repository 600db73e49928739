/*
 * How far a campaign is, for a person: on a terminal the table of outcomes and a line with rate and time left, which are
 * drawn again and again; elsewhere a line now and then.
 */
#ifndef CLI_CAMPAIGN_VIEW_H
#define CLI_CAMPAIGN_VIEW_H

#include "cli/campaign_tally.h"

struct campaign_view {
	u64 total, before; /* runs of the campaign; those that were there when it went on */
	u64 begun, shown;  /* ms */
	unsigned lines;	   /* that are drawn */
	bool is_quiet, is_terminal;
};

void campaign_view_begin(struct campaign_view *view, u64 total, u64 before, bool quiet);

/* To be called often. */
void campaign_view_show(struct campaign_view *view, const struct campaign_tally *tally);

/* Removes what is drawn: before anything else is printed, too. */
void campaign_view_clear(struct campaign_view *view);

/* The line: "12 of 100 runs, 1.4/s, 63 s left". Pure, for `elapsed` ms since it went on. free() it. */
char *campaign_view_line(u64 done, u64 total, u64 before, u64 elapsed);

#endif
