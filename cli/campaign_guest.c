/* What the guests of a run say: see campaign_guest.h. */
#include "cli/campaign_guest.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const count_names[GUEST_COUNTS] = { "t",    "mem",	"disk", "net",
						       "regs", "ticks", "ipis", "fences" };

/* ---- Lines ---- */

/* What stands behind " NAME=" in a line; NULL if nothing does. */
static const char *find(const char *line, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = strchr(line, ' '); at; at = strchr(at + 1, ' '))
		if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '=')
			return at + 2 + length;
	return NULL;
}

/* A number that ends at a space, a comma or the end. */
static bool number(const char *text, u64 *value)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && (*end == ' ' || *end == ',' || *end == '\0');
}

static bool is_absent(const char *text)
{
	return text && text[0] == '-' && (text[1] == ' ' || text[1] == '\0');
}

static bool read_gaps(struct guest_line *line, const char *text)
{
	for (u32 i = 0; i < line->vcpus; i++) {
		if (!number(text, &line->gaps_us[i]))
			return false;
		text += strcspn(text, ", ");
		if (*text == ',')
			text++;
		else if (i + 1 < line->vcpus)
			return false;
	}
	return true;
}

bool guest_line_read(struct guest_line *line, const char *text)
{
	const char *at = find(text, "boot");
	u64 vcpus;

	*line = (struct guest_line){ 0 };
	if (strncmp(text, "WITNESS ", 8) != 0 || !at)
		return false;
	snprintf(line->boot, sizeof(line->boot), "%.*s", (int)strcspn(at, " "), at);
	for (int i = 0; i < GUEST_COUNTS; i++) {
		at = find(text, count_names[i]);
		line->has[i] = number(at, &line->counts[i]);
		if (!line->has[i] && !is_absent(at))
			return false;
	}
	if (!number(find(text, "vcpus"), &vcpus) || !vcpus || vcpus > GUEST_VCPUS_MAX)
		return false;
	line->vcpus = (u32)vcpus;
	at = find(text, "gap_spin_us");
	if (!number(at, &line->gap_spin_us) && !is_absent(at))
		return false;
	/* The errors come last: what has them is whole. */
	return number(find(text, "gap_exit_us"), &line->gap_exit_us) &&
	       read_gaps(line, find(text, "gaps_us")) && number(find(text, "errors"), &line->errors);
}

/* ---- A guest ---- */

void campaign_guest_open(struct campaign_guest *g, const char *name, int directory)
{
	*g = (struct campaign_guest){ .directory = directory, .fd = -1 };
	snprintf(g->name, sizeof(g->name), "%s", name);
}

void campaign_guest_close(struct campaign_guest *g)
{
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
}

static u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

static void take_figures(struct campaign_guest *g, const struct guest_line *line)
{
	if (!g->lines++)
		memcpy(g->boot, line->boot, sizeof(g->boot));
	g->last = *line;
	/* The gaps of the first line after the mark may lie before it. */
	for (u32 i = 0; i < line->vcpus && g->lines > g->lines_marked + 1; i++)
		g->alive[i] |= line->gaps_us[i] != 0;
	g->gap_exit_us = max_u64(g->gap_exit_us, line->gap_exit_us);
	g->gap_spin_us = max_u64(g->gap_spin_us, line->gap_spin_us);
}

static void take_line(struct campaign_guest *g)
{
	struct guest_line line;

	if (guest_line_read(&line, g->text)) {
		take_figures(g, &line);
		g->is_restarted |= strcmp(line.boot, g->boot) != 0;
		if (!line.errors)
			return;
	} else if (strncmp(g->text, "WITNESS ERROR", 13) != 0) {
		return;
	}
	if (!*g->trouble)
		snprintf(g->trouble, sizeof(g->trouble), "%s", g->text);
}

void campaign_guest_read(struct campaign_guest *g)
{
	char piece[4096];
	ssize_t got;

	if (g->fd < 0) {
		char file[40];

		snprintf(file, sizeof(file), "console-%s.log", g->name);
		g->fd = openat(g->directory, file, O_RDONLY | O_CLOEXEC);
	}
	while (g->fd >= 0 && (got = read(g->fd, piece, sizeof(piece))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			char c = piece[i];

			if (c == '\n') {
				g->text[g->fill] = '\0';
				take_line(g);
				g->fill = 0;
			} else if (c != '\r' && g->fill + 1 < sizeof(g->text)) {
				/* It may have gone mad; a result has printable text. */
				g->text[g->fill++] = (char)(c >= ' ' && c <= '~' ? c : '?');
			}
		}
	}
}

void campaign_guest_mark(struct campaign_guest *g)
{
	g->marked = g->last;
	g->lines_marked = g->lines;
	memset(g->alive, 0, sizeof(g->alive));
}

void campaign_guest_forget_gaps(struct campaign_guest *g)
{
	g->gap_exit_us = g->gap_spin_us = 0;
}

bool campaign_guest_moved(const struct campaign_guest *g, char *why, size_t size)
{
	char text[64] = "";

	if (g->lines < g->lines_marked + 2)
		snprintf(text, sizeof(text), "says nothing");
	for (int i = 0; i < GUEST_COUNTS && !*text; i++)
		if (g->marked.has[i] && g->last.counts[i] <= g->marked.counts[i])
			snprintf(text, sizeof(text), "%s stands at %llu", count_names[i],
				 (unsigned long long)g->last.counts[i]);
	for (u32 i = 0; i < g->last.vcpus && !*text; i++)
		if (!g->alive[i])
			snprintf(text, sizeof(text), "vCPU %u does nothing", i);
	if (*text && why)
		snprintf(why, size, "%s: %s", g->name, text);
	return !*text;
}

bool campaign_guest_is_well(const struct campaign_guest *g, char *why, size_t size)
{
	if (*g->trouble && why)
		snprintf(why, size, "%s: %.200s", g->name, g->trouble);
	return !*g->trouble;
}
