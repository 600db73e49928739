/* See sha256.h. */
#include "cli/sha256.h"
#include <bearssl_hash.h>

void sha256(const void *bytes, size_t count, u8 digest[SHA256_BYTES])
{
	br_sha256_context context;

	br_sha256_init(&context);
	br_sha256_update(&context, bytes, count);
	br_sha256_out(&context, digest);
}
