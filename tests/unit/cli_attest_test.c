/* Attestation: keys, reports, and what a measurement is to be. */
#include "cli/attest_expect.h"
#include "cli/attest_report.h"
#include "cli/attest_seed.h"
#include "cli/hex.h"
#include "cli/host_file.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/sha256.h"
#include <bearssl_ec.h>
#include <bearssl_hash.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char place[] = "/tmp/outlive-attest-XXXXXX";
static int directory;

/* ---- Keys ---- */

/* By openssl, of a secret that another implementation of HMAC_DRBG has made of the seed 0x00 .. 0x1f. */
static const char known_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEV+agreD82llVI23qzVyHJXfpqJdw\n"
				"K7xBXILla6HuY6w7VhIXyuQuGDLAXLPWk/jWdCve8asDdgqGg14SYBqK4Q==\n"
				"-----END PUBLIC KEY-----\n";

static void known_seed(u8 seed[PRIVATE_SEED_SIZE])
{
	for (u8 i = 0; i < PRIVATE_SEED_SIZE; i++)
		seed[i] = i;
}

static void the_key_of_a_seed_is_known(void **state)
{
	u8 seed[PRIVATE_SEED_SIZE], key[ATTEST_KEY_BYTES], back[ATTEST_KEY_BYTES];
	char *pem;

	(void)state;
	known_seed(seed);
	attest_key_of_seed(seed, key);
	pem = attest_key_pem(key);
	assert_string_equal(pem, known_pem);
	assert_true(attest_key_from_pem(pem, back));
	assert_memory_equal(key, back, sizeof(key));
	free(pem);
}

static void a_wrong_pem_is_refused(void **state)
{
	u8 key[ATTEST_KEY_BYTES];
	char *text = memory_copy(known_pem);

	(void)state;
	assert_false(attest_key_from_pem("", key));
	assert_false(attest_key_from_pem("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", key));
	for (size_t i = 0; i < strlen(known_pem); i++) {
		text[i] = '\0';
		if (i < strlen(known_pem) - 2)
			assert_false(attest_key_from_pem(text, key));
		text[i] = known_pem[i];
	}
	text[30] ^= 1; /* in what says that it is a key of P-256 */
	assert_false(attest_key_from_pem(text, key));
	free(text);
}

/* ---- Reports ---- */

struct signer {
	u8 secret[32];
	u8 key[ATTEST_KEY_BYTES];
};

static void make_signer(struct signer *s, u8 fill)
{
	br_ec_private_key secret = { .curve = BR_EC_secp256r1, .x = s->secret, .xlen = sizeof(s->secret) };

	memset(s->secret, fill, sizeof(s->secret));
	br_ec_compute_pub(&br_ec_p256_m31, NULL, s->key, &secret);
}

static void sign(struct private_report *r, struct signer *s)
{
	br_ec_private_key secret = { .curve = BR_EC_secp256r1, .x = s->secret, .xlen = sizeof(s->secret) };
	u8 digest[SHA256_BYTES];

	memcpy(r->public_key, s->key, sizeof(r->public_key));
	sha256(r, offsetof(struct private_report, signature), digest);
	assert_int_equal(
		br_ecdsa_i31_sign_raw(&br_ec_p256_m31, &br_sha256_vtable, digest, &secret, r->signature),
		sizeof(r->signature));
}

static struct private_report good_report(void)
{
	struct private_report r = { .magic = PRIVATE_REPORT_MAGIC,
				    .version = PRIVATE_VERSION,
				    .size = sizeof(r) };

	memset(r.nonce, 0x11, sizeof(r.nonce));
	memset(r.measurement, 0x22, sizeof(r.measurement));
	memset(r.warden, 0x33, sizeof(r.warden));
	return r;
}

static enum attest_verdict judge(const struct private_report *r, const struct attest_wanted *wanted)
{
	return attest_report_check(r, sizeof(*r), wanted);
}

static void a_report_is_good_as_a_whole_or_not_at_all(void **state)
{
	const struct attest_wanted nothing = { 0 };
	struct private_report r = good_report(), changed;
	struct signer s = { 0 };

	(void)state;
	make_signer(&s, 0x44);
	sign(&r, &s);
	assert_int_equal(judge(&r, &nothing), ATTEST_GOOD);
	assert_int_equal(attest_report_check(&r, sizeof(r) - 1, &nothing), ATTEST_FORM);
	assert_int_equal(attest_report_check("", 0, &nothing), ATTEST_FORM);
	for (size_t i = 0; i < sizeof(r); i += 7) {
		changed = r;
		((u8 *)&changed)[i] ^= 0x20;
		assert_int_equal(judge(&changed, &nothing), i < 16 ? ATTEST_FORM : ATTEST_SIGNATURE);
	}
	/* No signature at all. */
	changed = r;
	memset(changed.signature, 0, sizeof(changed.signature));
	assert_int_equal(judge(&changed, &nothing), ATTEST_SIGNATURE);
}

static void what_is_wanted_is_compared(void **state)
{
	u8 measurements[2][PRIVATE_DIGEST_SIZE];
	struct private_report r = good_report();
	struct signer s = { 0 }, other = { 0 };
	struct attest_wanted wanted = { .key = s.key,
					.nonce = r.nonce,
					.warden = r.warden,
					.measurements = (const u8(*)[PRIVATE_DIGEST_SIZE])measurements,
					.measurement_count = 2 };

	(void)state;
	make_signer(&s, 0x44);
	make_signer(&other, 0x55);
	memset(measurements[0], 0, sizeof(measurements[0]));
	memset(measurements[1], 0x22, sizeof(measurements[1]));
	sign(&r, &s);
	assert_int_equal(judge(&r, &wanted), ATTEST_GOOD);
	wanted.measurement_count = 1;
	assert_int_equal(judge(&r, &wanted), ATTEST_MEASUREMENT);
	wanted.measurement_count = 0; /* none that it could be */
	assert_int_equal(judge(&r, &wanted), ATTEST_MEASUREMENT);
	wanted.measurements = NULL;
	wanted.warden = measurements[0];
	assert_int_equal(judge(&r, &wanted), ATTEST_WARDEN);
	wanted.nonce = measurements[0];
	wanted.warden = NULL;
	{
		u8 nonce[PRIVATE_NONCE_SIZE] = { 0 };

		wanted.nonce = nonce;
		assert_int_equal(judge(&r, &wanted), ATTEST_NONCE);
	}
	wanted.nonce = NULL;
	sign(&r, &other);
	assert_int_equal(judge(&r, &wanted), ATTEST_KEY);
}

/* ---- Digits ---- */

static void digits_are_bytes(void **state)
{
	u8 bytes[4];
	char text[9];
	size_t count;

	(void)state;
	assert_true(hex_parse("00fFa9", bytes, sizeof(bytes), &count));
	assert_int_equal(count, 3);
	assert_string_equal(hex_format(text, bytes, 4), "00ffa900");
	assert_false(hex_parse("", bytes, sizeof(bytes), &count));
	assert_false(hex_parse("0", bytes, sizeof(bytes), &count));
	assert_false(hex_parse("0g", bytes, sizeof(bytes), &count));
	assert_false(hex_parse("0011223344", bytes, sizeof(bytes), &count));
}

/* ---- Expectations ---- */

static void put_file(const char *name, size_t size, u8 first)
{
	u8 *bytes = memory_new(1, size);
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	memset(bytes, 0x13, size);
	bytes[0] = first;
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	free(bytes);
}

static void expect(const char *text, struct attest_expect *e)
{
	struct diagnostics d = { .file = "host.yaml" };
	struct host_spec spec;
	struct host_plan plan;

	host_file_parse(text, strlen(text), place, &spec, &d);
	host_plan_make(&spec, &plan, &d);
	assert_int_equal(d.count, 0);
	memset(e, 0, sizeof(*e));
	assert_int_equal(attest_expect_plan(&plan, plan.vm_count - 1, e), 0);
	assert_int_equal(e->count, ATTEST_MACHINES);
	host_plan_free(&plan);
	host_spec_free(&spec);
	diagnostics_free(&d);
}

#define HOST(more)                                                                                                         \
	"vms: [{name: a, memory: 64MiB, kernel: kernel, format: flat, initrd: initrd, cmdline: x, confidential: true" more \
	"}]\n"

static void what_a_vm_is_made_of_is_in_its_measurement(void **state)
{
	static const char *const others[] = {
		HOST(", vcpus: 2"),
		HOST(", rng: false"),
		HOST(", console: virtio"),
		"vms: [{name: a, memory: 66MiB, kernel: kernel, format: flat, initrd: initrd, cmdline: x, confidential: true}]\n",
		"vms: [{name: a, memory: 64MiB, kernel: kernel, format: flat, initrd: initrd, cmdline: y, confidential: true}]\n",
		"vms: [{name: a, memory: 64MiB, kernel: kernel2, format: flat, initrd: initrd, cmdline: x, confidential: true}]\n",
		"vms: [{name: a, memory: 64MiB, kernel: kernel, format: flat, initrd: kernel2, cmdline: x, confidential: true}]\n",
		"vms: [{name: a, memory: 64MiB, kernel: kernel, format: flat, cmdline: x, confidential: true}]\n",
		"machine: {vector: true}\n" HOST(""),
	};
	struct attest_expect first, second;

	(void)state;
	expect(HOST(""), &first);
	/* What is the host's own business changes nothing: neither names, nor other VMs. */
	expect("machine: {harts: 3}\n"
	       "vms: [{name: o, memory: 64MiB, kernel: kernel2, format: flat}, {name: b, memory: 64MiB, kernel: kernel, "
	       "format: flat, initrd: initrd, cmdline: x, confidential: true, autostart: false}]\n",
	       &second);
	assert_memory_equal(&first, &second, sizeof(first));
	for (size_t i = 0; i < ATTEST_MACHINES; i++)
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(first.digest[i], first.digest[k], PRIVATE_DIGEST_SIZE);
	for (size_t n = 0; n < ARRAY_SIZE(others); n++) {
		expect(others[n], &second);
		for (size_t i = 0; i < ATTEST_MACHINES; i++)
			for (size_t k = 0; k < ATTEST_MACHINES; k++)
				assert_memory_not_equal(first.digest[i], second.digest[k],
							PRIVATE_DIGEST_SIZE);
	}
}

/* ---- Seeds ---- */

static char *path_of(const char *name)
{
	return memory_format("%s/%s", place, name);
}

static void a_seed_is_made_once_and_kept(void **state)
{
	struct rundir dir = { .path = place, .fd = directory };
	char *file = path_of("secret"), *first = memory_new(1, 256), *second = memory_new(1, 256);
	struct stat st;
	int fd;

	(void)state;
	message_mute(true);
	message_quiet(true);
	assert_int_equal(attest_seed_prepare(&dir, file), 0);
	fd = openat(directory, ATTEST_KEY_FILE, O_RDONLY);
	assert_true(read(fd, first, 255) > 100);
	close(fd);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fstatat(directory, ATTEST_SEED_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, sizeof(struct private_seed));
	assert_int_equal(attest_seed_prepare(&dir, file), 0);
	fd = openat(directory, ATTEST_KEY_FILE, O_RDONLY);
	assert_true(read(fd, second, 255) > 100);
	close(fd);
	assert_string_equal(first, second);
	/* Another host has another one. */
	assert_int_equal(attest_seed_prepare(&dir, NULL), 0);
	fd = openat(directory, ATTEST_KEY_FILE, O_RDONLY);
	assert_true(read(fd, second, 255) > 100);
	close(fd);
	assert_string_not_equal(first, second);
	/* A secret that others can read is none, and what is no seed is not taken for one. */
	assert_int_equal(chmod(file, 0640), 0);
	assert_int_equal(attest_seed_prepare(&dir, file), -1);
	assert_int_equal(chmod(file, 0600), 0);
	assert_int_equal(truncate(file, 10), 0);
	assert_int_equal(attest_seed_prepare(&dir, file), -1);
	message_mute(false);
	message_quiet(false);
	free(first);
	free(second);
	free(file);
}

static int make_place(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(place));
	directory = open(place, O_RDONLY | O_DIRECTORY);
	put_file("kernel", 10000, 1);
	put_file("kernel2", 10000, 2);
	put_file("initrd", 5000, 3);
	return 0;
}

static int remove_place(void **state)
{
	char command[64];

	(void)state;
	close(directory);
	snprintf(command, sizeof(command), "rm -r %s", place);
	return system(command); /* NOLINT(cert-env33-c): our own directory */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_of_a_seed_is_known),
		cmocka_unit_test(a_wrong_pem_is_refused),
		cmocka_unit_test(a_report_is_good_as_a_whole_or_not_at_all),
		cmocka_unit_test(what_is_wanted_is_compared),
		cmocka_unit_test(digits_are_bytes),
		cmocka_unit_test(what_a_vm_is_made_of_is_in_its_measurement),
		cmocka_unit_test(a_seed_is_made_once_and_kept),
	};

	return cmocka_run_group_tests_name("attestation", tests, make_place, remove_place);
}
