/*
 * Packets of gdb's remote protocol: "$DATA#CS", where CS is the sum of DATA's bytes in hexadecimal. In what a stub sends "}x"
 * stands for x ^ 0x20, and "x*n" for n - 29 more x. Between packets there are acknowledgements, '+' and '-'.
 */
#ifndef CLI_GDB_PACKET_H
#define CLI_GDB_PACKET_H

#include "abi/types.h"

/* More than QEMU's stub has in one packet, with what escapes and repetitions unfold to. */
#define GDB_PACKET_MAX 16384

struct gdb_decoder {
	enum { GDB_BETWEEN, GDB_DATA, GDB_SUM_HIGH, GDB_SUM_LOW } state;
	bool is_escaped, is_repeated, is_too_long;
	u8 sum, said;
	size_t fill;
	char data[GDB_PACKET_MAX + 1]; /* terminated */
};

enum gdb_decoded {
	GDB_MORE,   /* nothing yet */
	GDB_PACKET, /* decoder.data has one */
	GDB_ACK,
	GDB_NAK,
	GDB_BROKEN, /* a packet whose sum is wrong, or that is too long: to be asked for again with '-' */
};

/* Takes the next byte. All-zero is a decoder at its beginning. */
enum gdb_decoded gdb_decode(struct gdb_decoder *d, u8 byte);

/*
 * Writes a packet with `data` of `length` bytes, which contain none of "$#}*", to `to`. Returns its length, 0 if `size` does
 * not suffice.
 */
size_t gdb_encode(char *to, size_t size, const char *data, size_t length);

/* The number of hexadecimal digits at *text, most significant first, which *text is moved behind. At most 16 digits. */
u64 gdb_number(const char **text);

/* Bytes that stand there as pairs of digits. How many there were, at most `max`; -EINVAL for anything that is no digit. */
long gdb_bytes(const char *text, u8 *to, size_t max);

/* Writes them as pairs of digits, terminated: 2 * count + 1 bytes. */
void gdb_put_bytes(char *to, const u8 *bytes, size_t count);

#endif
