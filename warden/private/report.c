#include "warden/private/report.h"

#include <bearssl_ec.h>
#include <bearssl_rand.h>

#define SCALAR_SIZE 32

static struct {
	bool present;
	bool has_public;
	struct port_lock lock; /* of has_public and public */
	u8 secret[SCALAR_SIZE];
	u8 public[65];
} key;

bool report_has_key(void)
{
	return key.present;
}

/* Order of the group, FIPS 186-4, appendix D.1.2.3. */
static const u8 order[SCALAR_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
				       0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
				       0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

static bool is_scalar(const u8 *s)
{
	bool zero = true;
	u32 i;

	for (i = 0; i < SCALAR_SIZE; i++)
		zero = zero && !s[i];
	for (i = 0; i < SCALAR_SIZE; i++)
		if (s[i] != order[i])
			return !zero && s[i] < order[i];
	return false;
}

/* The secret is what a generator that was fed with the seed puts out: the first of its numbers that is a scalar. */
static void make_secret(const u8 *seed)
{
	br_hmac_drbg_context generator;

	br_hmac_drbg_init(&generator, &br_sha256_vtable, seed, PRIVATE_SEED_SIZE);
	do {
		br_hmac_drbg_generate(&generator, key.secret, sizeof(key.secret));
	} while (!is_scalar(key.secret));
	port_wipe(&generator, sizeof(generator));
}

void report_take_seed(u64 address)
{
	struct private_seed *seed = port_at(address);

	if (seed->magic != PRIVATE_SEED_MAGIC)
		return;
	make_secret(seed->seed);
	port_wipe(seed, sizeof(*seed));
	key.present = true;
}

static br_ec_private_key secret_key(void)
{
	return (br_ec_private_key){ .curve = BR_EC_secp256r1, .x = key.secret, .xlen = sizeof(key.secret) };
}

/* Costs as much as a signature, so not before somebody wants one. Two harts may do it at once, with one result. */
static void public_key(u8 out[65])
{
	const br_ec_private_key secret = secret_key();
	bool done;

	port_lock(&key.lock);
	done = key.has_public;
	if (done)
		port_copy(out, key.public, sizeof(key.public));
	port_unlock(&key.lock);
	if (done)
		return;
	br_ec_compute_pub(&br_ec_p256_m31, NULL, out, &secret);
	port_lock(&key.lock);
	port_copy(key.public, out, sizeof(key.public));
	key.has_public = true;
	port_unlock(&key.lock);
}

s64 report_make(const struct private_vm *vm, const u8 nonce[PRIVATE_NONCE_SIZE],
		struct private_report *report)
{
	const br_ec_private_key secret = secret_key();
	u8 digest[br_sha256_SIZE];
	br_sha256_context sha;

	if (!key.present)
		return PRIVATE_NOT_SUPPORTED;
	*report = (struct private_report){
		.magic = PRIVATE_REPORT_MAGIC,
		.version = PRIVATE_VERSION,
		.size = sizeof(*report),
		.config = vm->config,
		.entry = vm->entry,
		.argument = vm->argument,
	};
	port_copy(report->nonce, nonce, PRIVATE_NONCE_SIZE);
	port_copy(report->measurement, vm->measurement, PRIVATE_DIGEST_SIZE);
	port_warden_digest(report->warden);
	port_hypervisor_digest(report->hypervisor);
	public_key(report->public_key);

	br_sha256_init(&sha);
	br_sha256_update(&sha, report, offsetof(struct private_report, signature));
	br_sha256_out(&sha, digest);
	return br_ecdsa_i31_sign_raw(&br_ec_p256_m31, &br_sha256_vtable, digest, &secret,
				     report->signature) == sizeof(report->signature)
		       ? PRIVATE_OK
		       : PRIVATE_FAILED;
}

/* It is made in the warden's memory: what is signed there cannot be changed by whoever shares the caller's. */
s64 report_call(struct private_ask *a)
{
	struct private_report report;
	u8 nonce[PRIVATE_NONCE_SIZE];
	s64 rc;

	port_copy(nonce, port_at(a->arg[1]), sizeof(nonce));
	rc = report_make(a->vm, nonce, &report);
	if (!rc)
		port_copy(a->host, &report, sizeof(report));
	return rc;
}
