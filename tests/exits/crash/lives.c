/*
 * What happens to whole VMs without the control channel: a host's first life makes and starts them; guests end themselves,
 * or cannot go on.
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/sbi.h"
#include "core/vm/vm.h"
#include "tests/exits/crash/crash.h"
#include "tests/exits/packed.h"
#include <stdio.h>
#include <string.h>

/* How often a VM was started may be one more, for one whose heir begins the start again. */
static const char *const counts[] = { "boots", NULL };

static bool is_as_wanted(bool say)
{
	return view_same(&crash_wanted, &crash_now, counts, say);
}

/* ---- The first life ---- */

static void power_on(const struct crash_case *c)
{
	(void)c;
	packed_power_on();
}

static void first_life(const struct crash_case *c)
{
	(void)c;
	exits_first_life();
	exits_schedule();
}

static bool check_first_life(const struct crash_case *c)
{
	(void)c;
	view_take(&crash_now);
	return is_as_wanted(true) || crash_wrong("not the VMs that the host file names");
}

/* ---- Guests that end ---- */

struct ending {
	const char *name;
	u64 cause;
	u64 a[8]; /* of an ecall */
};

static const struct ending endings[] = {
	{ "a guest powers off", CAUSE_ECALL_VS, { [7] = SBI_EXT_SRST } },
	{ "a guest reboots", CAUSE_ECALL_VS, { 1, [7] = SBI_EXT_SRST } },
	{ "a guest reports a failure", CAUSE_ECALL_VS, { 0, 1, [7] = SBI_EXT_SRST } },
	{ "a guest cannot go on", 19, { 0 } },
};

static void start(const struct crash_case *c)
{
	(void)c;
	packed_start();
}

static void perform(const struct crash_case *c)
{
	const struct ending *e = c->what;
	int n = exits_hart_of(&vms[0]->vcpu[0]);

	if (n < 0)
		host_fail("the guest that is to end does not run");
	/* cppcheck-suppress negativeIndex ; host_fail does not return */
	memcpy(&exits_harts[n].x[10], e->a, sizeof(e->a));
	exits_trap((unsigned)n, e->cause, 0, 0);
	exits_schedule();
}

static void again(void *c)
{
	perform(c);
}

/* What the guest has set up for its call is no part of what is compared. */
static const char *const arguments[] = { "x", NULL };

static bool check(const struct crash_case *c)
{
	view_take(&crash_now);
	if (!is_as_wanted(false) && view_same(&crash_before, &crash_now, arguments, false)) {
		/* It stands before its last instruction. */
		if (host_live(again, (void *)(uintptr_t)c, 0) != HOST_RETURNED)
			return crash_wrong("the guest's end is that of the next life");
		view_take(&crash_now);
	}
	return is_as_wanted(true) || crash_wrong("the guest's end is another");
}

void crash_lives(void)
{
	struct crash_case c = { .name = "life: the first one makes and starts the VMs",
				.start = power_on,
				.perform = first_life,
				.check = check_first_life };

	crash_try(&c);
	c = (struct crash_case){ .start = start, .perform = perform, .check = check };
	for (unsigned n = 0; n < ARRAY_SIZE(endings); n++) {
		(void)snprintf(c.name, sizeof(c.name), "life: %s", endings[n].name);
		c.what = &endings[n];
		crash_try(&c);
	}
}
