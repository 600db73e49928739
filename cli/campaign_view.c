/* A campaign's progress: see campaign_view.h. */
#include "cli/campaign_view.h"
#include "cli/campaign_report.h"
#include "cli/clock.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TERMINAL_MS 500
#define LOG_MS	    30000

void campaign_view_begin(struct campaign_view *view, u64 total, u64 before, bool quiet)
{
	u64 now = clock_ms();

	*view = (struct campaign_view){ .total = total,
					.before = before,
					.begun = now,
					.shown = now,
					.is_quiet = quiet,
					.is_terminal = isatty(STDERR_FILENO) };
}

static char *duration(u64 seconds)
{
	unsigned long long s = seconds;

	if (s < 100)
		return memory_format("%llu s", s);
	if (s < 100 * 60ull)
		return memory_format("%llu min", (s + 30) / 60);
	return memory_format("%llu h %llu min", s / 3600, s / 60 % 60);
}

char *campaign_view_line(u64 done, u64 total, u64 before, u64 elapsed)
{
	double rate = elapsed && done > before ? 1000.0 * (double)(done - before) / (double)elapsed : 0;
	char *left = rate > 0 && total >= done ? duration((u64)((double)(total - done) / rate + 0.5)) : NULL;
	char *line = rate > 0 ? memory_format("%llu of %llu runs, %.2f/s, %s left", (unsigned long long)done,
					      (unsigned long long)total, rate, left ? left : "nothing")
			      : memory_format("%llu of %llu runs", (unsigned long long)done,
					      (unsigned long long)total);

	free(left);
	return line;
}

void campaign_view_clear(struct campaign_view *view)
{
	if (view->lines)
		fprintf(stderr, "\033[%uA\r\033[J", view->lines);
	view->lines = 0;
}

/* Draws a text whose lines are cut to the terminal's width, so that each takes one. */
static void draw(struct campaign_view *view, const char *text)
{
	struct winsize window = { 0 };
	int columns = 80;
	unsigned rows = 24;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col && window.ws_row) {
		columns = window.ws_col;
		rows = window.ws_row;
	}
	campaign_view_clear(view);
	while (*text && view->lines + 1 < rows) {
		int length = (int)strcspn(text, "\n");

		fprintf(stderr, "%.*s\n", length < columns ? length : columns - 1, text);
		view->lines++;
		text += length + (text[length] == '\n');
	}
}

void campaign_view_show(struct campaign_view *view, const struct campaign_tally *tally)
{
	u64 now = clock_ms(), done = campaign_runs(tally);
	char *line, *text = NULL;
	size_t size;
	FILE *to;

	if (view->is_quiet || now - view->shown < (view->is_terminal ? TERMINAL_MS : LOG_MS))
		return;
	view->shown = now;
	line = campaign_view_line(done, view->total, view->before, now - view->begun);
	if (!view->is_terminal) {
		message_note("%s", line);
	} else if ((to = open_memstream(&text, &size))) {
		fprintf(to, "outlive: %s\n", line);
		if (done)
			campaign_report_table(to, tally);
		fclose(to);
		draw(view, text);
		free(text);
	}
	free(line);
}
