/*
 * What the warden must have measured of a VM (warden/private/measure.h), computed from its host file: the same files, put into the
 * same places by the hypervisor's own code (core/vm/load_plan.h, guest_fdt.h).
 *
 * The guest's device tree says what the machine's processors have, which is not in the host file: there is a measurement for each
 * machine that there could be.
 */
#ifndef CLI_ATTEST_EXPECT_H
#define CLI_ATTEST_EXPECT_H

#include "abi/private.h"
#include "cli/host_plan.h"

#define ATTEST_MACHINES 6

struct attest_expect {
	u8 digest[ATTEST_MACHINES][PRIVATE_DIGEST_SIZE];
	size_t count;
};

/*
 * `what`: the digits of a measurement, or a host file, of which `vm` is meant; without a name the only confidential one. An exit
 * code, with the error printed.
 */
int attest_expect_make(const char *what, const char *vm, struct attest_expect *expect);

/* The same of VM `index` of a plan. 0, or -1 with the error printed. */
int attest_expect_plan(const struct host_plan *plan, u32 index, struct attest_expect *expect);

#endif
