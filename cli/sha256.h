/* SHA-256, which is BearSSL's, as in the warden. */
#ifndef CLI_SHA256_H
#define CLI_SHA256_H

#include "abi/types.h"

#define SHA256_BYTES 32

void sha256(const void *bytes, size_t count, u8 digest[SHA256_BYTES]);

#endif
