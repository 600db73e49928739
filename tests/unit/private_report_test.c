/* What the warden measures of a confidential VM, and its signed word about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <bearssl_ec.h>

#include "tests/private/world.h"

#define RAM_PAGE   (WORLD_RAM + MIB(1))
#define RAM_REPORT (WORLD_RAM + MIB(2))
#define PAGE(n)	   (WORLD_BLOCK(0) + (PRIVATE_FIRST_PAGES + (u64)(n)) * PAGE_SIZE)
#define ENTRY	   (WORLD_GUEST + PAGE_SIZE)
#define ARGUMENT   0x1234

static void plant_seed(void)
{
	struct private_seed *seed = port_at(RAM_PAGE);

	seed->magic = PRIVATE_SEED_MAGIC;
	for (unsigned i = 0; i < PRIVATE_SEED_SIZE; i++)
		seed->seed[i] = (u8)i;
}

/* VM 0 with two pages, `text` at the start of the second, final. */
static void launch(const char *text)
{
	world_start();
	world_vm(0, 1);
	assert_int_equal(CALL4(LINK, 0, WORLD_GUEST, 2, PAGE(0)), PRIVATE_OK);
	assert_int_equal(CALL4(LINK, 0, WORLD_GUEST, 1, PAGE(1)), PRIVATE_OK);
	assert_int_equal(CALL4(SET, 0, WORLD_GUEST, 0, PAGE(2)), PRIVATE_OK);
	assert_int_equal(CALL4(SET, 0, ENTRY, 0, PAGE(3)), PRIVATE_OK);
	memset(port_at(RAM_PAGE), 'k', PAGE_SIZE);
	assert_int_equal(CALL4(LOAD, 0, WORLD_GUEST, RAM_PAGE, PAGE_SIZE), PRIVATE_OK);
	strcpy(port_at(RAM_PAGE), text);
	assert_int_equal(CALL4(LOAD, 0, ENTRY, RAM_PAGE, strlen(text)), PRIVATE_OK);
	assert_int_equal(CALL3(VCPU, 0, 0, PAGE(4)), PRIVATE_OK);
	assert_int_equal(CALL3(FINAL, 0, ENTRY, ARGUMENT), PRIVATE_OK);
}

static void word(br_sha384_context *sha, u64 value)
{
	br_sha384_update(sha, &value, sizeof(value));
}

/* As warden/private/measure.h has it, by somebody else. */
static void expected(const char *text, u8 digest[PRIVATE_DIGEST_SIZE])
{
	const struct private_config *config = port_at(world_config(1));
	u8 page[PAGE_SIZE];
	br_sha384_context sha;

	memset(page, 'k', sizeof(page));
	br_sha384_init(&sha);
	word(&sha, 1);
	br_sha384_update(&sha, config, sizeof(*config));
	word(&sha, WORLD_GUEST);
	word(&sha, PAGE_SIZE);
	br_sha384_update(&sha, page, sizeof(page));
	word(&sha, ENTRY);
	word(&sha, strlen(text));
	br_sha384_update(&sha, text, strlen(text));
	word(&sha, ~0ull);
	word(&sha, ENTRY);
	word(&sha, ARGUMENT);
	br_sha384_out(&sha, digest);
}

static struct private_report *ask_report(u8 nonce)
{
	struct private_request *request = port_at(RAM_PAGE);

	memset(request, nonce, sizeof(*request));
	assert_int_equal(CALL3(REPORT, 0, RAM_PAGE, RAM_REPORT), PRIVATE_OK);
	return port_at(RAM_REPORT);
}

static bool signature_is_good(const struct private_report *r)
{
	u8 digest[br_sha256_SIZE], public[sizeof(r->public_key)];
	br_sha256_context sha;
	br_ec_public_key key = { BR_EC_secp256r1, public, sizeof(public) };

	memcpy(public, r->public_key, sizeof(public));
	br_sha256_init(&sha);
	br_sha256_update(&sha, r, offsetof(struct private_report, signature));
	br_sha256_out(&sha, digest);
	return br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, digest, sizeof(digest), &key, r->signature,
				     sizeof(r->signature)) == 1;
}

static void without_a_seed_there_is_no_report(void **state)
{
	(void)state;
	launch("kernel");
	assert_int_equal(CALL2(INFO, PRIVATE_INFO_KEY, 0), PRIVATE_OK);
	assert_int_equal(world.value, 0);
	assert_int_equal(CALL3(REPORT, 0, RAM_PAGE, RAM_REPORT), PRIVATE_NOT_SUPPORTED);
	report_take_seed(RAM_PAGE);
	assert_int_equal(CALL2(INFO, PRIVATE_INFO_KEY, 0), PRIVATE_OK);
	assert_int_equal(world.value, 0);
	world_stop();
}

static void a_seed_is_taken_and_wiped(void **state)
{
	(void)state;
	world_start();
	plant_seed();
	report_take_seed(RAM_PAGE);
	assert_true(world_page_is_zero(RAM_PAGE));
	assert_int_equal(CALL2(INFO, PRIVATE_INFO_KEY, 0), PRIVATE_OK);
	assert_int_equal(world.value, 1);
}

static void a_report_says_what_was_loaded(void **state)
{
	u8 digest[PRIVATE_DIGEST_SIZE];
	const struct private_report *r;

	(void)state;
	launch("kernel");
	r = ask_report(7);
	expected("kernel", digest);
	assert_memory_equal(r->measurement, digest, sizeof(digest));
	assert_int_equal(r->magic, PRIVATE_REPORT_MAGIC);
	assert_int_equal(r->version, PRIVATE_VERSION);
	assert_int_equal(r->size, sizeof(*r));
	assert_int_equal(r->nonce[0], 7);
	assert_int_equal(r->nonce[PRIVATE_NONCE_SIZE - 1], 7);
	assert_int_equal(r->warden[0], 'w');
	assert_int_equal(r->hypervisor[31], 'h');
	assert_int_equal(r->entry, ENTRY);
	assert_int_equal(r->argument, ARGUMENT);
	assert_int_equal(r->config.ram_size, WORLD_GUEST_SIZE);
	assert_int_equal(r->config.vcpus, 1);
	world_stop();
}

static void another_byte_makes_another_measurement(void **state)
{
	u8 one[PRIVATE_DIGEST_SIZE];

	(void)state;
	launch("kernel");
	memcpy(one, ask_report(0)->measurement, sizeof(one));
	world_stop();
	launch("kernek");
	assert_memory_not_equal(one, ask_report(0)->measurement, sizeof(one));
	world_stop();
}

static void a_report_is_signed(void **state)
{
	struct private_report copy;

	(void)state;
	launch("kernel");
	copy = *ask_report(7);
	assert_true(signature_is_good(&copy));
	copy.nonce[3] ^= 1;
	assert_false(signature_is_good(&copy));
	copy.nonce[3] ^= 1;
	copy.config.vcpus++;
	assert_false(signature_is_good(&copy));
	world_stop();
}

/* Computed by another program (Python's hmac, and the curve by hand), as abi/private.h says how it is made. */
static void a_key_is_that_of_its_seed(void **state)
{
	static const u8 key[65] = { 0x04, 0x57, 0xe6, 0xa0, 0xad, 0xe0, 0xfc, 0xda, 0x59, 0x55, 0x23,
				    0x6d, 0xea, 0xcd, 0x5c, 0x87, 0x25, 0x77, 0xe9, 0xa8, 0x97, 0x70,
				    0x2b, 0xbc, 0x41, 0x5c, 0x82, 0xe5, 0x6b, 0xa1, 0xee, 0x63, 0xac,
				    0x3b, 0x56, 0x12, 0x17, 0xca, 0xe4, 0x2e, 0x18, 0x32, 0xc0, 0x5c,
				    0xb3, 0xd6, 0x93, 0xf8, 0xd6, 0x74, 0x2b, 0xde, 0xf1, 0xab, 0x03,
				    0x76, 0x0a, 0x86, 0x83, 0x5e, 0x12, 0x60, 0x1a, 0x8a, 0xe1 };

	(void)state;
	launch("kernel");
	assert_memory_equal(ask_report(0)->public_key, key, sizeof(key));
	world_stop();
}

static void only_a_final_vm_has_a_report(void **state)
{
	(void)state;
	world_start();
	world_vm(0, 1);
	assert_int_equal(CALL3(REPORT, 0, RAM_PAGE, RAM_REPORT), PRIVATE_INVALID_STATE);
	world_stop();
	launch("kernel");
	assert_int_equal(CALL3(REPORT, 0, WORLD_BLOCK(0), RAM_REPORT), PRIVATE_INVALID_ADDRESS);
	assert_int_equal(CALL3(REPORT, 0, RAM_PAGE, PAGE(2)), PRIVATE_INVALID_ADDRESS);
	assert_int_equal(CALL3(REPORT, 0, RAM_PAGE, WORLD_FIRMWARE + MIB(2) - 8), PRIVATE_INVALID_ADDRESS);
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_seed_there_is_no_report),
		cmocka_unit_test(a_seed_is_taken_and_wiped),
		cmocka_unit_test(a_report_says_what_was_loaded),
		cmocka_unit_test(another_byte_makes_another_measurement),
		cmocka_unit_test(a_report_is_signed),
		cmocka_unit_test(a_key_is_that_of_its_seed),
		cmocka_unit_test(only_a_final_vm_has_a_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
