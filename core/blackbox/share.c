/* See share.h. */
#include "core/blackbox/share.h"
#include "core/lib/string.h"

#define NANOSECONDS 1000000000ull

/* More than this many bytes a second or at once is as good as no bound, and keeps the products below 2^64. */
#define BYTES_MAX (1ull << 30)

/* Of a report, behind the name: "[", a number, " lines dropped]", and the end of the line. */
#define REPORT_MAX 37u

void share_open(struct share *s, const char *name, u64 total_rate, u64 total_burst, u32 weight, u32 weights,
		u64 now)
{
	u64 rate = total_rate < BYTES_MAX ? total_rate : BYTES_MAX;
	u64 burst = total_burst < BYTES_MAX ? total_burst : BYTES_MAX;

	*s = (struct share){ .name = name, .then = now };
	weights = weights > weight ? weights : weight;
	if (weights) {
		s->rate = rate * weight / weights;
		s->burst = burst * weight / weights;
	}
	s->burst = s->burst > SHARE_LINE_MAX ? s->burst : SHARE_LINE_MAX;
	s->tokens = s->rate ? s->burst * NANOSECONDS : 0;
}

static void refill(struct share *s, u64 now)
{
	u64 full = s->burst * NANOSECONDS;
	u64 passed = now > s->then ? now - s->then : 0;

	s->then = now > s->then ? now : s->then;
	if (!s->rate)
		return;
	if (passed >= (full - s->tokens) / s->rate)
		s->tokens = full;
	else
		s->tokens += passed * s->rate;
}

/* Appends a line if there are tokens and room for it. */
static bool pass(struct share *s, const struct share_sink *to, const char *line, u32 bytes)
{
	u64 price = bytes * NANOSECONDS;

	if (s->tokens < price || to->append(to->owner, line, bytes))
		return false;
	s->tokens -= price;
	return true;
}

/* The report takes its tokens like any line, but goes before the lines that come after the gap. */
static bool report(struct share *s, const struct share_sink *to)
{
	char line[SHARE_LINE_MAX];
	u32 bytes;

	if (!s->dropped)
		return true;
	bytes = (u32)format(line, sizeof(line), "%.*s: [%lu lines dropped]\n", (int)SHARE_NAME_MAX, s->name,
			    (unsigned long)s->dropped);
	if (!pass(s, to, line, bytes))
		return false;
	s->dropped = 0;
	return true;
}

static void end_line(struct share *s, const struct share_sink *to)
{
	u32 bytes = s->line_bytes;

	s->line[bytes++] = '\n';
	s->line_bytes = 0;
	if (report(s, to) && pass(s, to, s->line, bytes))
		return;
	s->dropped++;
	s->dropped_ever++;
}

static void begin_line(struct share *s)
{
	s->line_bytes = (u32)format(s->line, sizeof(s->line), "%.*s: ", (int)SHARE_NAME_MAX, s->name);
}

static void put(struct share *s, const struct share_sink *to, u8 c)
{
	if (c == '\r')
		return;
	if (c == '\n') {
		if (s->line_bytes)
			end_line(s, to);
		return;
	}
	if (!s->line_bytes)
		begin_line(s);
	if ((c < ' ' && c != '\t') || c == 0x7f)
		c = '.';
	s->line[s->line_bytes++] = (char)c;
	if (s->line_bytes == SHARE_LINE_MAX - 1)
		end_line(s, to);
}

void share_write(struct share *s, const struct share_sink *to, const void *bytes, u32 count, u64 now)
{
	refill(s, now);
	for (u32 i = 0; i < count; i++)
		put(s, to, ((const u8 *)bytes)[i]);
}

void share_report(struct share *s, const struct share_sink *to, u64 now)
{
	refill(s, now);
	report(s, to);
}

/* As end_line and put have it. */
static u64 price_of(const struct share *s, const u8 *bytes, u32 count)
{
	u32 name = (u32)strnlen(s->name, SHARE_NAME_MAX) + 2, line = s->line_bytes;
	u64 price = s->dropped ? name + REPORT_MAX : 0;

	for (u32 i = 0; i < count; i++) {
		bool ends = bytes[i] == '\n';

		if (bytes[i] == '\r' || (ends && !line))
			continue;
		line = ends ? line : (line ? line : name) + 1;
		if (!ends && line < SHARE_LINE_MAX - 1)
			continue;
		price += line + 1;
		line = 0;
	}
	return line ? price + line + 1 : price;
}

bool share_fits(struct share *s, const void *bytes, u32 count, u64 now)
{
	u64 price = price_of(s, bytes, count);

	refill(s, now);
	return s->tokens >= (price < s->burst ? price : s->burst) * NANOSECONDS && s->rate;
}
