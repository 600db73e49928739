/* Reports of the warden about confidential VMs (abi/private.h): are they what somebody asked for? */
#ifndef CLI_ATTEST_REPORT_H
#define CLI_ATTEST_REPORT_H

#include "abi/private.h"
#include "cli/attest_key.h"

/* What a report has to say; NULL: anything. */
struct attest_wanted {
	const u8 *key;	 /* [ATTEST_KEY_BYTES] */
	const u8 *nonce; /* [PRIVATE_NONCE_SIZE] */
	const u8 *warden;
	const u8 (*measurements)[PRIVATE_DIGEST_SIZE]; /* any one of them */
	size_t measurement_count;
};

enum attest_verdict {
	ATTEST_GOOD,
	ATTEST_FORM,	  /* these bytes are no report, or of a version that is not known */
	ATTEST_SIGNATURE, /* not by the key that it names */
	ATTEST_KEY,	  /* signed by another key than wanted */
	ATTEST_NONCE,	  /* made for somebody else, or before */
	ATTEST_MEASUREMENT,
	ATTEST_WARDEN,
};

/* Looks at `size` bytes of any origin. The first thing that is wrong, in the order of the enumeration. */
enum attest_verdict attest_report_check(const void *bytes, size_t size, const struct attest_wanted *wanted);

/* For people: "good", "the signature is wrong", ... */
const char *attest_verdict_text(enum attest_verdict verdict);

/* For programs: "good", "signature", ... */
const char *attest_verdict_name(enum attest_verdict verdict);

#endif
