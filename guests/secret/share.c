/* Pages that it shows to the host, and takes back: see secret.h. */
#include "abi/guest.h"
#include "abi/private.h"
#include "guests/lib/guest.h"
#include "guests/lib/sbi.h"
#include "guests/secret/secret.h"

#define DENIED	      (-4)
#define INVALID_PARAM (-3)
#define NOT_SUPPORTED (-2)

static s64 share(u64 at, u64 bytes)
{
	return sbi(GUEST_EXT, GUEST_SHARE, at, bytes, 0, 0, 0).error;
}

static s64 unshare(u64 at, u64 bytes)
{
	return sbi(GUEST_EXT, GUEST_UNSHARE, at, bytes, 0, 0, 0).error;
}

static volatile u64 *word(u64 at)
{
	return (volatile u64 *)at;
}

static void expect(const char *what, s64 expected, s64 got)
{
	if (expected != got)
		secret_error(what, 0, (u64)expected, (u64)got);
}

/* The host never sees what was in the page before, and the guest does not see what the host has put there after it. */
static void there_and_back(u64 at, u64 pages)
{
	const u64 bytes = pages * PAGE_SIZE;

	for (u64 n = 0; n < bytes / 8; n++)
		*word(at + 8 * n) = secret_word(n % 64);
	expect("share", 0, share(at, bytes));
	for (u64 n = 0; n < bytes / 8; n++) {
		volatile u64 *shown = word((at + 8 * n) | PRIVATE_SHARED_BIT);

		if (*shown) {
			secret_error("shared page", at + 8 * n, 0, *shown);
			break;
		}
		*shown = 0x6f70656e6f70656eull;
	}
	for (u64 n = 0; n < bytes / 8; n++) {
		if (*word((at + 8 * n) | PRIVATE_SHARED_BIT) != 0x6f70656e6f70656eull) {
			secret_error("shared page", at + 8 * n, 0x6f70656e6f70656eull, 0);
			break;
		}
	}
	expect("share twice", INVALID_PARAM, share(at, bytes));
	expect("unshare", 0, unshare(at, bytes));
	for (u64 n = 0; n < bytes / 8; n++) {
		if (*word(at + 8 * n)) {
			secret_error("page taken back", at + 8 * n, 0, *word(at + 8 * n));
			break;
		}
	}
	expect("unshare twice", INVALID_PARAM, unshare(at, bytes));
}

bool secret_try_share(u64 area)
{
	s64 error = share(area, PAGE_SIZE);

	if (error == DENIED || error == NOT_SUPPORTED)
		return false;
	expect("share", 0, error);
	expect("unshare", 0, unshare(area, PAGE_SIZE));
	expect("share nothing", INVALID_PARAM, share(area, 0));
	expect("share half a page", INVALID_PARAM, share(area + 8, PAGE_SIZE));
	expect("share no RAM", INVALID_PARAM, share(0x10000000, PAGE_SIZE));
	expect("share beyond RAM", INVALID_PARAM,
	       share(guest_ram_base + guest_ram_size - PAGE_SIZE, 2 * PAGE_SIZE));
	expect("share too much", INVALID_PARAM, share(area, MIB(2) + PAGE_SIZE));
	for (unsigned n = 0; n < 3; n++) {
		there_and_back(area + PAGE_SIZE, 1);
		there_and_back(area + 5 * PAGE_SIZE, 17);
	}
	print("SECRET ok: shared pages\n");
	return true;
}
