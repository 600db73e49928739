/* Keys for attestation: see attest_key.h. */
#include "cli/attest_key.h"
#include "cli/memory.h"
#include <bearssl_ec.h>
#include <bearssl_rand.h>
#include <ctype.h>
#include <string.h>

/* SubjectPublicKeyInfo of a key of P-256 (RFC 5480), up to the point. */
static const u8 spki[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
			   0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00 };
#define DER_BYTES (sizeof(spki) + ATTEST_KEY_BYTES)

static const char pem_head[] = "-----BEGIN PUBLIC KEY-----", pem_foot[] = "-----END PUBLIC KEY-----";
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Order of P-256 (FIPS 186-4, D.1.2.3). */
static const u8 order[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
			      0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
			      0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

static bool is_secret(const u8 number[32])
{
	static const u8 zero[32];

	return memcmp(number, zero, sizeof(zero)) > 0 && memcmp(number, order, sizeof(order)) < 0;
}

void attest_key_of_seed(const u8 seed[PRIVATE_SEED_SIZE], u8 key[ATTEST_KEY_BYTES])
{
	br_ec_private_key secret = { .curve = BR_EC_secp256r1 };
	br_hmac_drbg_context generator;
	u8 number[32];

	br_hmac_drbg_init(&generator, &br_sha256_vtable, seed, PRIVATE_SEED_SIZE);
	do
		br_hmac_drbg_generate(&generator, number, sizeof(number));
	while (!is_secret(number));
	explicit_bzero(&generator, sizeof(generator));
	secret.x = number;
	secret.xlen = sizeof(number);
	br_ec_compute_pub(&br_ec_p256_m31, NULL, key, &secret);
	explicit_bzero(number, sizeof(number));
}

char *attest_key_pem(const u8 key[ATTEST_KEY_BYTES])
{
	u8 der[DER_BYTES + 2] = { 0 };
	char text[2 * DER_BYTES];
	size_t length = 0;

	memcpy(der, spki, sizeof(spki));
	memcpy(der + sizeof(spki), key, ATTEST_KEY_BYTES);
	for (size_t i = 0; i < DER_BYTES; i += 3) {
		u32 bits = (u32)der[i] << 16 | (u32)der[i + 1] << 8 | der[i + 2];

		for (int k = 0; k < 4; k++)
			text[length++] = i + (size_t)k > DER_BYTES ? '=' : digits[bits >> (18 - 6 * k) & 63];
		if (length % 65 == 64)
			text[length++] = '\n';
	}
	return memory_format("%s\n%.*s\n%s\n", pem_head, (int)length, text, pem_foot);
}

bool attest_key_from_pem(const char *text, u8 key[ATTEST_KEY_BYTES])
{
	const char *at = strstr(text, pem_head), *end = at ? strstr(at, pem_foot) : NULL;
	u8 der[DER_BYTES];
	size_t have = 0;
	u32 bits = 0, count = 0;

	if (!end)
		return false;
	for (at += sizeof(pem_head) - 1; at < end && *at != '='; at++) {
		const char *digit = strchr(digits, *at);

		if (isspace((unsigned char)*at))
			continue;
		if (!digit)
			return false;
		bits = bits << 6 | (u32)(digit - digits);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (have == sizeof(der))
			return false;
		der[have++] = (u8)(bits >> count);
	}
	if (have != sizeof(der) || memcmp(der, spki, sizeof(spki)) != 0)
		return false;
	memcpy(key, der + sizeof(spki), ATTEST_KEY_BYTES);
	return true;
}
