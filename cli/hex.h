/* Bytes as hexadecimal digits. */
#ifndef CLI_HEX_H
#define CLI_HEX_H

#include "abi/types.h"

/* `to` has 2 * count + 1 bytes. Returns it. */
char *hex_format(char *to, const u8 *bytes, size_t count);

/* False if `text` is not an even number of digits for 1 to `room` bytes. *count: how many; the rest of `to` becomes 0. */
bool hex_parse(const char *text, u8 *to, size_t room, size_t *count);

#endif
