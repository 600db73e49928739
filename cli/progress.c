/* Progress of something long: see progress.h. */
#include "cli/progress.h"
#include "cli/clock.h"
#include "cli/message.h"
#include "cli/units.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_MS    1000
#define TERMINAL_MS 250
#define LOG_MS	    5000

void progress_begin(struct progress *p, const char *what, u64 total, bool quiet)
{
	*p = (struct progress){ .what = what, .total = total, .begun = clock_ms(), .is_quiet = quiet };
}

void progress_show(struct progress *p, u64 done)
{
	bool is_terminal = isatty(STDERR_FILENO);
	u64 now = clock_ms(), rate;
	char text[160], of[16], per_second[16];

	if (p->is_quiet || !p->total || now - p->begun < FIRST_MS ||
	    (p->shown && now - p->shown < (is_terminal ? TERMINAL_MS : LOG_MS)))
		return;
	p->shown = now;
	rate = done * 1000 / (now - p->begun);
	snprintf(text, sizeof(text), "%s: %llu %% of %s, %s/s", p->what,
		 (unsigned long long)(done * 100 / p->total), units_format_size(of, sizeof(of), p->total),
		 units_format_size(per_second, sizeof(per_second), ALIGN_DOWN(rate, KIB(100))));
	if (rate)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %llu s left",
			 (unsigned long long)((p->total - done + rate - 1) / rate));
	p->has_line = is_terminal;
	if (is_terminal)
		fprintf(stderr, "\r\033[Koutlive: %s", text);
	else
		message_note("%s", text);
}

void progress_end(struct progress *p)
{
	if (p->has_line)
		fputs("\r\033[K", stderr);
	p->has_line = false;
}
