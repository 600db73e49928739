/* Reports: see attest_report.h. */
#include "cli/attest_report.h"
#include "cli/sha256.h"
#include <bearssl_ec.h>
#include <string.h>

static bool is_signed(const struct private_report *report)
{
	br_ec_public_key key = { .curve = BR_EC_secp256r1,
				 .q = (unsigned char *)report->public_key,
				 .qlen = sizeof(report->public_key) };
	u8 digest[SHA256_BYTES];

	sha256(report, offsetof(struct private_report, signature), digest);
	return br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, digest, sizeof(digest), &key, report->signature,
				     sizeof(report->signature)) == 1;
}

static bool is_measured(const struct private_report *report, const struct attest_wanted *wanted)
{
	for (size_t i = 0; i < wanted->measurement_count; i++)
		if (memcmp(report->measurement, wanted->measurements[i], sizeof(report->measurement)) == 0)
			return true;
	return !wanted->measurements;
}

enum attest_verdict attest_report_check(const void *bytes, size_t size, const struct attest_wanted *wanted)
{
	struct private_report report;

	if (size != sizeof(report))
		return ATTEST_FORM;
	memcpy(&report, bytes, sizeof(report));
	if (report.magic != PRIVATE_REPORT_MAGIC || report.version != PRIVATE_VERSION ||
	    report.size != sizeof(report))
		return ATTEST_FORM;
	if (!is_signed(&report))
		return ATTEST_SIGNATURE;
	if (wanted->key && memcmp(report.public_key, wanted->key, sizeof(report.public_key)) != 0)
		return ATTEST_KEY;
	if (wanted->nonce && memcmp(report.nonce, wanted->nonce, sizeof(report.nonce)) != 0)
		return ATTEST_NONCE;
	if (!is_measured(&report, wanted))
		return ATTEST_MEASUREMENT;
	if (wanted->warden && memcmp(report.warden, wanted->warden, sizeof(report.warden)) != 0)
		return ATTEST_WARDEN;
	return ATTEST_GOOD;
}

static const struct {
	const char *name, *text;
} verdicts[] = {
	[ATTEST_GOOD] = { "good", "good" },
	[ATTEST_FORM] = { "form", "this is no report that this command knows" },
	[ATTEST_SIGNATURE] = { "signature", "the signature is wrong: somebody has changed the report" },
	[ATTEST_KEY] = { "key", "it is signed by another key than the one of --key" },
	[ATTEST_NONCE] = { "nonce", "it has another nonce: it was made for somebody else, or before" },
	[ATTEST_MEASUREMENT] = { "measurement", "the VM was started from something else than expected" },
	[ATTEST_WARDEN] = { "warden", "another warden keeps the VM than the one of --warden" },
};

const char *attest_verdict_text(enum attest_verdict verdict)
{
	return verdicts[verdict].text;
}

const char *attest_verdict_name(enum attest_verdict verdict)
{
	return verdicts[verdict].name;
}
