/* See hex.h. */
#include "cli/hex.h"
#include <string.h>

char *hex_format(char *to, const u8 *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
	to[2 * count] = '\0';
	return to;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_parse(const char *text, u8 *to, size_t room, size_t *count)
{
	size_t length = strlen(text);

	*count = length / 2;
	if (!length || length % 2 || *count > room)
		return false;
	memset(to, 0, room);
	for (size_t i = 0; i < *count; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (u8)(high << 4 | low);
	}
	return true;
}
