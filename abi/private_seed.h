/*
 * The seed of the warden's key for attestation. Who loads the warden (`outlive run`, a board's boot stage) puts it into the last
 * page of the warden's RAM; the warden derives its key, and wipes the page, before anything else than itself has run.
 */
#ifndef ABI_PRIVATE_SEED_H
#define ABI_PRIVATE_SEED_H

#include "abi/layout.h"
#include "abi/types.h"

#define PRIVATE_SEED_OFFSET (LAYOUT_WARDEN_SIZE - PAGE_SIZE) /* from the start of RAM */
#define PRIVATE_SEED_MAGIC  0x315444455356544full	     /* the bytes "OTVSEDT1" */
#define PRIVATE_SEED_SIZE   32

struct private_seed {
	u64 magic;
	u64 size; /* PRIVATE_SEED_SIZE */
	/*
	 * The secret key is the first of SHA-256(seed, n), n a byte counting from 0, that lies between 1 and the order of P-256
	 * less 1, as a big-endian number.
	 */
	u8 seed[PRIVATE_SEED_SIZE];
};

#endif
