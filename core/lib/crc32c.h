/* CRC-32C (Castagnoli), the checksum of every record, frame and pack. */
#ifndef CORE_LIB_CRC32C_H
#define CORE_LIB_CRC32C_H

#include "abi/types.h"

/*
 * Checksum of what `crc` already covers followed by `bytes` bytes at `data`; start with 0. The usual form: reflected,
 * inverted at both ends (RFC 3720, appendix B.4), so that crc32c(0, "123456789", 9) is 0xe3069283.
 */
u32 crc32c(u32 crc, const void *data, size_t bytes);

#endif
