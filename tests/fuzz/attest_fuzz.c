/*
 * What the command reads of keys and reports. The first byte says which. A report that differs from a good one in any bit is none,
 * which the input cannot know how to change.
 */
#include "cli/attest_report.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_key(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	u8 key[ATTEST_KEY_BYTES], again[ATTEST_KEY_BYTES];

	memcpy(text, data, size);
	if (attest_key_from_pem(text, key)) {
		char *pem = attest_key_pem(key);

		if (!attest_key_from_pem(pem, again) || memcmp(key, again, sizeof(key)) != 0)
			abort();
		free(pem);
	}
	free(text);
}

static void take_report(const uint8_t *data, size_t size)
{
	const struct attest_wanted wanted = { 0 };
	struct private_report report = { .magic = PRIVATE_REPORT_MAGIC,
					 .version = PRIVATE_VERSION,
					 .size = sizeof(report) };

	if (attest_report_check(data, size, &wanted) == ATTEST_GOOD)
		abort();
	if (size > sizeof(report) - 16)
		size = sizeof(report) - 16;
	memcpy(report.nonce, data, size);
	if (attest_report_check(&report, sizeof(report), &wanted) == ATTEST_GOOD)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] & 1)
		take_key(data + 1, size - 1);
	else if (size)
		take_report(data + 1, size - 1);
	return 0;
}
