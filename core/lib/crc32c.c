/*
 * CRC-32C by nibbles: a table of 64 bytes, which costs less cache than it would save time on records of a few
 * kilobytes.
 */
#include "core/lib/crc32c.h"

/* Remainders of the sixteen values of four bits; the reflected polynomial is 0x82f63b78. */
static const u32 rest[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

u32 crc32c(u32 crc, const void *data, size_t bytes)
{
	const u8 *at = data;

	crc = ~crc;
	while (bytes--) {
		crc ^= *at++;
		crc = (crc >> 4) ^ rest[crc & 15];
		crc = (crc >> 4) ^ rest[crc & 15];
	}
	return ~crc;
}
