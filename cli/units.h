/* Quantities as a person writes and reads them. */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include "abi/types.h"

/* Decimal digits only. False if it is not a number or does not fit. */
bool units_parse_number(const char *text, u64 *value);

/* "512MiB", "2GiB", "64KiB", "1TiB"; M, G, K and T mean the same; digits alone are bytes. False if it is not a size. */
bool units_parse_size(const char *text, u64 *bytes);

/* "100ms", "2s", "1min"; "off" and "0" are 0. Milliseconds. False if it is not a duration. */
bool units_parse_duration(const char *text, u64 *ms);

/* "02:00:00:00:00:01"; a unicast address. */
bool units_parse_mac(const char *text, u8 mac[6]);

/* "0-2,5": bit n for the number n, all below 64. */
bool units_parse_set(const char *text, u64 *mask);

/* "512 MiB", exact or with one decimal; returns `to`. 16 bytes are enough. */
const char *units_format_size(char *to, size_t size, u64 bytes);

/* Microseconds between two times in ticks of a clock with `hz`; 0 if one of them is 0 (not taken) or hz is. */
double units_microseconds(u64 from, u64 to, u64 hz);

#endif
