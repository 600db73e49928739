/*
 * The key that the warden signs reports with: made of a seed (struct private_seed), which `outlive run` puts into the machine. What
 * others need is the public half, in PEM as openssl has it.
 */
#ifndef CLI_ATTEST_KEY_H
#define CLI_ATTEST_KEY_H

#include "abi/private.h"

#define ATTEST_KEY_BYTES 65 /* uncompressed point of P-256 */

/* The public key of a seed. */
void attest_key_of_seed(const u8 seed[PRIVATE_SEED_SIZE], u8 key[ATTEST_KEY_BYTES]);

/* "-----BEGIN PUBLIC KEY-----..."; free() it. */
char *attest_key_pem(const u8 key[ATTEST_KEY_BYTES]);

/* False if the text is no public key of that curve in PEM. Any text. */
bool attest_key_from_pem(const char *text, u8 key[ATTEST_KEY_BYTES]);

#endif
