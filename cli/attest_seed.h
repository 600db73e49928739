/* The seed of the warden's key, as a file that QEMU puts into the machine. */
#ifndef CLI_ATTEST_SEED_H
#define CLI_ATTEST_SEED_H

#include "cli/rundir.h"

/* In the run directory: struct private_seed, and the public key that comes of it. */
#define ATTEST_SEED_FILE "attestation.seed"
#define ATTEST_KEY_FILE	 "attestation.pem"

/*
 * Writes both into a host's run directory. The seed is that of `file`, a struct private_seed, which is made if it is not there; NULL: a
 * new one. -1 with the error printed: not readable, of somebody else, for others to read, not a seed.
 */
int attest_seed_prepare(struct rundir *dir, const char *file);

#endif
