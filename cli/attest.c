/* `outlive attest`: what a confidential VM was started from, by the word of the warden. */
#include "abi/control.h"
#include "cli/attest_expect.h"
#include "cli/attest_report.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/hex.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/output_file.h"
#include "cli/units.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* The warden may have other things to do for the VM, for some tenths of a second each time. */
#define TRIES 10

struct attest {
	const struct options *o;
	u8 report[sizeof(struct private_report)];
	/* What it has to say. */
	u8 key[ATTEST_KEY_BYTES];
	u8 nonce[PRIVATE_NONCE_SIZE];
	u8 warden[32];
	struct attest_expect expect;
	struct attest_wanted wanted;
};

/* ---- What is wanted ---- */

static int take_key(struct attest *a)
{
	char text[4096];
	int fd = open(a->o->key, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (got < 0) {
		message_error("%s: %s", a->o->key, strerror(error));
		return EXIT_CODE_INVALID;
	}
	text[got] = '\0';
	if (!attest_key_from_pem(text, a->key)) {
		message_error("%s is not a public key of P-256 in PEM", a->o->key);
		return EXIT_CODE_INVALID;
	}
	a->wanted.key = a->key;
	return EXIT_CODE_OK;
}

static int take_nonce(struct attest *a)
{
	size_t bytes;

	if (a->o->nonce) {
		if (!hex_parse(a->o->nonce, a->nonce, sizeof(a->nonce), &bytes)) {
			message_error("--nonce: \"%s\" is not 1 to %d bytes in hexadecimal digits",
				      a->o->nonce, PRIVATE_NONCE_SIZE);
			return EXIT_CODE_USAGE;
		}
	} else if (a->o->from) {
		return EXIT_CODE_OK;
	} else if (getrandom(a->nonce, sizeof(a->nonce), 0) != sizeof(a->nonce)) {
		message_error("no random numbers: %s", strerror(errno));
		return EXIT_CODE_FAILED;
	}
	a->wanted.nonce = a->nonce;
	return EXIT_CODE_OK;
}

static int take_warden(struct attest *a)
{
	size_t bytes;

	if (!hex_parse(a->o->warden, a->warden, sizeof(a->warden), &bytes) || bytes != sizeof(a->warden)) {
		message_error("--warden: \"%s\" is not 64 hexadecimal digits", a->o->warden);
		return EXIT_CODE_USAGE;
	}
	a->wanted.warden = a->warden;
	return EXIT_CODE_OK;
}

static int take_wanted(struct attest *a)
{
	int code = take_nonce(a);

	if (!code && a->o->key)
		code = take_key(a);
	if (!code && a->o->warden)
		code = take_warden(a);
	if (!code && a->o->expect) {
		code = attest_expect_make(a->o->expect, a->o->argument_count ? a->o->arguments[0] : NULL,
					  &a->expect);
		a->wanted.measurements = (const u8(*)[PRIVATE_DIGEST_SIZE])a->expect.digest;
		a->wanted.measurement_count = a->expect.count;
	}
	return code;
}

/* ---- The report ---- */

static int read_report(struct attest *a)
{
	u8 bytes[sizeof(a->report) + 1];
	int fd = open(a->o->from, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (got == (ssize_t)sizeof(a->report)) {
		memcpy(a->report, bytes, sizeof(a->report));
		return EXIT_CODE_OK;
	}
	message_error("%s: %s", a->o->from, got < 0 ? strerror(error) : attest_verdict_text(ATTEST_FORM));
	return EXIT_CODE_INVALID;
}

static const char *refusal(s32 status)
{
	switch (-status) {
	case EOPNOTSUPP:
		return "it is not a confidential VM";
	case ENOSYS:
		return "the warden of this machine has no key to sign with";
	case EINVAL:
		return "this hypervisor knows nothing of reports";
	default:
		return client_refusal(status);
	}
}

static int ask_report(struct attest *a)
{
	struct private_request request;
	struct client_reply reply = { 0 };
	struct client c;
	struct ctl_vm vm;
	int code = client_open(&c, a->o);

	if (code)
		return code;
	memcpy(request.nonce, a->nonce, sizeof(request.nonce));
	code = client_find_vm(&c, a->o->arguments[0], &vm);
	for (int tries = 0; !code && tries < TRIES && (!tries || reply.status == -EAGAIN); tries++)
		code = client_ask(&c, CTL_ATTEST, vm.index, &request, sizeof(request), &reply);
	if (!code && reply.status) {
		message_error("%s: %s", vm.name, refusal(reply.status));
		code = EXIT_CODE_REFUSED;
	}
	if (!code && reply.length != sizeof(a->report)) {
		message_error("%s: %s", vm.name, attest_verdict_text(ATTEST_FORM));
		code = EXIT_CODE_UNTRUSTED;
	}
	if (!code)
		memcpy(a->report, reply.payload, sizeof(a->report));
	client_close(&c);
	return code;
}

static int write_report(const struct attest *a)
{
	struct output_file f;

	if (output_begin(&f, a->o->output, a->o->overwrite) < 0)
		return EXIT_CODE_FAILED;
	output_write(&f, 0, a->report, sizeof(a->report));
	return output_end(&f, true) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

/* ---- What it says ---- */

static const char *key_text(const struct attest *a, enum attest_verdict verdict)
{
	if (verdict == ATTEST_FORM || verdict == ATTEST_SIGNATURE || verdict == ATTEST_KEY)
		return "wrong";
	return a->wanted.key ? "that of --key" : "its own, which nobody vouches for (--key)";
}

static void print_text(const struct attest *a, const struct private_report *r, enum attest_verdict verdict)
{
	char hex[2 * PRIVATE_NONCE_SIZE + 1], size[24];

	printf("report        %s\n", attest_verdict_text(verdict));
	printf("key           %s\n", key_text(a, verdict));
	printf("nonce         %s%s\n", hex_format(hex, r->nonce, sizeof(r->nonce)),
	       a->wanted.nonce ? "" : " (not compared)");
	printf("measurement   %s%s\n", hex_format(hex, r->measurement, sizeof(r->measurement)),
	       a->wanted.measurements ? "" : " (not compared)");
	printf("warden        %s%s\n", hex_format(hex, r->warden, sizeof(r->warden)),
	       a->wanted.warden ? "" : " (not compared)");
	printf("hypervisor    %s (for information)\n", hex_format(hex, r->hypervisor, sizeof(r->hypervisor)));
	printf("memory        %s at 0x%llx\n", units_format_size(size, sizeof(size), r->config.ram_size),
	       (unsigned long long)r->config.ram_base);
	printf("vCPUs         %llu\n", (unsigned long long)r->config.vcpus);
	printf("devices       %llu\n", (unsigned long long)r->config.device_count);
	printf("entry         0x%llx, a1 0x%llx\n", (unsigned long long)r->entry,
	       (unsigned long long)r->argument);
}

static json_t *json_hex(const u8 *bytes, size_t count)
{
	char hex[2 * ATTEST_KEY_BYTES + 1];

	return json_string(hex_format(hex, bytes, count));
}

static void print_json(const struct attest *a, const struct private_report *r, enum attest_verdict verdict)
{
	json_t *devices = json_array();

	for (u64 i = 0; i < r->config.device_count && i < PRIVATE_DEVICES; i++)
		json_array_append_new(devices,
				      json_pack("{s:o,s:o}", "base", json_number(r->config.device[i].base),
						"kind", json_number(r->config.device[i].kind)));
	json_out(json_pack("{s:b,s:s,s:b,s:b,s:b,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "good",
			   verdict == ATTEST_GOOD, "verdict", attest_verdict_name(verdict), "key_compared",
			   a->wanted.key != NULL, "nonce_compared", a->wanted.nonce != NULL,
			   "measurement_compared", a->wanted.measurements != NULL, "warden_compared",
			   a->wanted.warden != NULL, "nonce", json_hex(r->nonce, sizeof(r->nonce)),
			   "measurement", json_hex(r->measurement, sizeof(r->measurement)), "warden",
			   json_hex(r->warden, sizeof(r->warden)), "hypervisor",
			   json_hex(r->hypervisor, sizeof(r->hypervisor)), "public_key",
			   json_hex(r->public_key, sizeof(r->public_key)), "memory",
			   json_number(r->config.ram_size), "memory_base", json_number(r->config.ram_base),
			   "vcpus", json_number(r->config.vcpus), "entry", json_number(r->entry), "argument",
			   json_number(r->argument), "devices", devices),
		 false);
}

static int judge(const struct attest *a)
{
	enum attest_verdict verdict = attest_report_check(a->report, sizeof(a->report), &a->wanted);
	struct private_report report;

	memcpy(&report, a->report, sizeof(report));
	if (a->o->json)
		print_json(a, &report, verdict);
	else if (verdict != ATTEST_FORM)
		print_text(a, &report, verdict);
	if (verdict == ATTEST_GOOD)
		return EXIT_CODE_OK;
	message_error("%s: %s", a->o->from ? a->o->from : a->o->arguments[0], attest_verdict_text(verdict));
	return EXIT_CODE_UNTRUSTED;
}

int attest_command(const struct options *o)
{
	struct attest a = { .o = o };
	int code;

	if (!o->from && !o->argument_count) {
		message_error("attest which VM? (or --report FILE)");
		return EXIT_CODE_USAGE;
	}
	code = take_wanted(&a);
	if (!code)
		code = o->from ? read_report(&a) : ask_report(&a);
	if (!code && o->output)
		code = write_report(&a);
	if (!code)
		code = judge(&a);
	return code;
}
