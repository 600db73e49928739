/* Records that Linux compressed. */
#ifndef CLI_BLACKBOX_INFLATE_H
#define CLI_BLACKBOX_INFLATE_H

#include "abi/types.h"

/* Inflates raw deflate (no header, a window of 2^15); free() the result. NULL: it is none, or more than 16 MiB. */
char *blackbox_inflate(const void *from, size_t bytes, size_t *result);

#endif
