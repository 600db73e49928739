/* Reports of a campaign: text for people, JSON for programs, a drawing. All take a tally that has been sorted. */
#ifndef CLI_CAMPAIGN_REPORT_H
#define CLI_CAMPAIGN_REPORT_H

#include "cli/campaign_lines.h"
#include "cli/campaign_tally.h"
#include <stdio.h>

void campaign_report_text(FILE *to, const struct campaign_head *head, const struct campaign_tally *tally);

json_t *campaign_report_json(const struct campaign_head *head, const struct campaign_tally *tally);

void campaign_report_svg(FILE *to, const struct campaign_head *head, const struct campaign_tally *tally);

/* Outcomes by kind of fault, as a table. */
void campaign_report_table(FILE *to, const struct campaign_tally *tally);

/*
 * Writes report.txt and report.svg into the directory, over those that are there. 0, or a negative errno with the error
 * printed.
 */
int campaign_report_write(const char *directory, const struct campaign_head *head,
			  const struct campaign_tally *tally);

#endif
