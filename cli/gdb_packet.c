/* Packets of gdb's remote protocol: see gdb_packet.h. */
#include "cli/gdb_packet.h"
#include <errno.h>

#define REPEAT_LEAST 29

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void put(struct gdb_decoder *d, char c)
{
	if (d->fill < GDB_PACKET_MAX)
		d->data[d->fill++] = c;
	else
		d->is_too_long = true;
}

static void take_data(struct gdb_decoder *d, u8 byte)
{
	if (d->is_repeated) {
		d->is_repeated = false;
		for (int n = byte - REPEAT_LEAST; n > 0 && d->fill; n--)
			put(d, d->data[d->fill - 1]);
	} else if (d->is_escaped) {
		d->is_escaped = false;
		put(d, (char)(byte ^ 0x20));
	} else if (byte == '}') {
		d->is_escaped = true;
	} else if (byte == '*') {
		d->is_repeated = true;
	} else {
		put(d, (char)byte);
	}
	d->sum = (u8)(d->sum + byte);
}

static enum gdb_decoded take_between(struct gdb_decoder *d, u8 byte)
{
	if (byte == '+')
		return GDB_ACK;
	if (byte == '-')
		return GDB_NAK;
	if (byte == '$')
		*d = (struct gdb_decoder){ .state = GDB_DATA };
	return GDB_MORE;
}

enum gdb_decoded gdb_decode(struct gdb_decoder *d, u8 byte)
{
	switch (d->state) {
	case GDB_BETWEEN:
		return take_between(d, byte);
	case GDB_DATA:
		if (byte == '#')
			d->state = GDB_SUM_HIGH;
		else
			take_data(d, byte);
		return GDB_MORE;
	case GDB_SUM_HIGH:
		d->said = (u8)((unsigned)digit((char)byte) << 4);
		d->state = GDB_SUM_LOW;
		return GDB_MORE;
	case GDB_SUM_LOW:
		break;
	}
	d->said |= (u8)digit((char)byte);
	d->state = GDB_BETWEEN;
	d->data[d->fill] = '\0';
	return d->said == d->sum && !d->is_too_long ? GDB_PACKET : GDB_BROKEN;
}

size_t gdb_encode(char *to, size_t size, const char *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	u8 sum = 0;

	if (size < 4 || length > size - 4)
		return 0;
	to[0] = '$';
	for (size_t i = 0; i < length; i++) {
		to[1 + i] = data[i];
		sum = (u8)(sum + (u8)data[i]);
	}
	to[1 + length] = '#';
	to[2 + length] = digits[sum >> 4];
	to[3 + length] = digits[sum & 15];
	return length + 4;
}

u64 gdb_number(const char **text)
{
	u64 number = 0;

	for (int n = 0; n < 16 && digit(**text) >= 0; n++)
		number = number << 4 | (u64)digit(*(*text)++);
	return number;
}

long gdb_bytes(const char *text, u8 *to, size_t max)
{
	size_t count = 0;

	for (; text[0] && count < max; text += 2, count++) {
		int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);

		if (low < 0)
			return -EINVAL;
		to[count] = (u8)(high << 4 | low);
	}
	return (long)count;
}

void gdb_put_bytes(char *to, const u8 *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
	to[2 * count] = '\0';
}
