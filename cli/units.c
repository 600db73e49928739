/* Sizes, durations, addresses and sets as text: see units.h. */
#include "cli/units.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The number that text begins with; *end is what follows it. Signs and spaces are not numbers. */
static bool leading_number(const char *text, u64 *value, const char **end)
{
	u64 v = 0;

	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (u64)(*text - '0'), &v))
			return false;
	*value = v;
	*end = text;
	return true;
}

bool units_parse_number(const char *text, u64 *value)
{
	const char *end;

	return leading_number(text, value, &end) && !*end;
}

struct suffix {
	const char *name;
	u64 factor;
};

/* A number with one of the suffixes, which may stand behind a space. */
static bool parse_quantity(const char *text, const struct suffix *suffixes, size_t count, u64 *value)
{
	const char *end;

	if (!leading_number(text, value, &end))
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(end, suffixes[i].name) == 0)
			return !__builtin_mul_overflow(*value, suffixes[i].factor, value);
	return false;
}

bool units_parse_size(const char *text, u64 *bytes)
{
	static const struct suffix suffixes[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "K", KIB(1) },
		{ "KiB", KIB(1) },
		{ "M", MIB(1) },
		{ "MiB", MIB(1) },
		{ "G", GIB(1) },
		{ "GiB", GIB(1) },
		{ "T", GIB(1) * 1024 },
		{ "TiB", GIB(1) * 1024 },
	};

	return parse_quantity(text, suffixes, ARRAY_SIZE(suffixes), bytes);
}

bool units_parse_duration(const char *text, u64 *ms)
{
	static const struct suffix suffixes[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 } };

	if (strcmp(text, "off") == 0 || strcmp(text, "0") == 0) {
		*ms = 0;
		return true;
	}
	return parse_quantity(text, suffixes, ARRAY_SIZE(suffixes), ms);
}

bool units_parse_mac(const char *text, u8 mac[6])
{
	for (int i = 0; i < 6; i++, text += 3) {
		unsigned byte;

		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return false;
		if (text[2] != (i < 5 ? ':' : '\0') || sscanf(text, "%2x", &byte) != 1)
			return false;
		mac[i] = (u8)byte;
	}
	return !(mac[0] & 1);
}

bool units_parse_set(const char *text, u64 *mask)
{
	*mask = 0;
	for (;; text++) {
		u64 first, last;

		if (!leading_number(text, &first, &text))
			return false;
		last = first;
		if (*text == '-' && !leading_number(text + 1, &last, &text))
			return false;
		if (first > last || last > 63)
			return false;
		for (u64 n = first; n <= last; n++)
			*mask |= 1ull << n;
		if (!*text)
			return true;
		if (*text != ',')
			return false;
	}
}

const char *units_format_size(char *to, size_t size, u64 bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;
	u64 rest = 0;

	while (bytes >= 1024 && unit + 1 < ARRAY_SIZE(names)) {
		rest = bytes % 1024;
		bytes /= 1024;
		unit++;
	}
	if (rest)
		snprintf(to, size, "%llu.%llu %s", (unsigned long long)bytes,
			 (unsigned long long)(rest * 10 / 1024), names[unit]);
	else
		snprintf(to, size, "%llu %s", (unsigned long long)bytes, names[unit]);
	return to;
}

double units_microseconds(u64 from, u64 to, u64 hz)
{
	if (!from || !to || !hz || to < from)
		return 0;
	return (double)(to - from) * 1e6 / (double)hz;
}
