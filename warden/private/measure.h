/*
 * The measurement of a VM: SHA-384 over numbers of 8 bytes, little endian, and bytes, in this order:
 *
 *   PRIVATE_VERSION, struct private_config
 *   for each PRIVATE_LOAD: guest address, bytes, and so many bytes
 *   ~0, pc, a1 of PRIVATE_FINAL
 *
 * The command computes the same from a host file (`outlive attest --expect`).
 */
#ifndef WARDEN_PRIVATE_MEASURE_H
#define WARDEN_PRIVATE_MEASURE_H

#include <bearssl_hash.h>

#include "warden/private/port.h"

struct measure {
	br_sha384_context sha;
};

void measure_begin(struct measure *m, const struct private_config *config);
void measure_load(struct measure *m, u64 at, const void *bytes, u64 count);
void measure_end(struct measure *m, u64 pc, u64 a1, u8 digest[PRIVATE_DIGEST_SIZE]);

#endif
