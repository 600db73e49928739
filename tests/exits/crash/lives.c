/*
 * What happens to whole VMs without the control channel: a host's first life makes and starts them; guests end themselves,
 * or cannot go on.
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/sbi.h"
#include "core/survive/life.h"
#include "core/vm/vm.h"
#include "tests/exits/box.h"
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

static const struct beginning {
	const char *name;
	enum packed_extra extra;
} beginnings[] = {
	{ "the first one makes and starts the VMs", PACKED_PLAIN },
	{ "the first one, with a black box", PACKED_BOX },
	{ "the first one, and a VM cannot be made", PACKED_LACKING },
};

static void power_on(const struct crash_case *c)
{
	packed_power_on(((const struct beginning *)c->what)->extra);
}

static void first_life(const struct crash_case *c)
{
	(void)c;
	exits_first_life();
	packed_settle();
}

static const char *last_line(void)
{
	const char *log = fixture_log(), *line = log;

	for (const char *at = log; (at = strchr(at, '\n')) && at[1];)
		line = ++at;
	return line;
}

static bool check_first_life(const struct crash_case *c)
{
	const struct beginning *b = c->what;

	packed_settle();
	view_take(&crash_now);
	if (!is_as_wanted(true))
		return crash_wrong("not the VMs that the host file names");
	if (b->extra == PACKED_LACKING && vms[1])
		return crash_wrong("a VM with a device that the machine lacks");
	if (b->extra != PACKED_BOX)
		return true;
	if (!strstr(box_log(), "---- machine started") || !strstr(box_log(), last_line()))
		return crash_wrong("the black box lacks lines of the log");
	/* A life that ends before it has a record has none there either. */
	return life_number() == 1 || box_has_record("life 1 ended by panic") ||
	       crash_wrong("the black box has no record of the crash");
}

/* ---- An heir that writes what explains the end before it ---- */

static void start_with_box(const struct crash_case *c)
{
	(void)c;
	packed_power_on(PACKED_BOX);
	exits_first_life();
	packed_settle();
	exits_stop(0);
	exits_heir(0);
}

static void write_record(const struct crash_case *c)
{
	(void)c;
	packed_settle();
}

static bool check_record(const struct crash_case *c)
{
	(void)c;
	packed_settle();
	view_take(&crash_now);
	if (!is_as_wanted(true))
		return crash_wrong("not what guests would see");
	return box_has_record("life 1 ended by panic") ||
	       crash_wrong("the black box has no record of the first crash");
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
	struct crash_case c = { .start = power_on, .perform = first_life, .check = check_first_life };

	for (unsigned n = 0; n < ARRAY_SIZE(beginnings); n++) {
		(void)snprintf(c.name, sizeof(c.name), "life: %s", beginnings[n].name);
		c.what = &beginnings[n];
		crash_try(&c);
	}
	c = (struct crash_case){ .name = "life: an heir writes to the black box",
				 .start = start_with_box,
				 .perform = write_record,
				 .check = check_record };
	crash_try(&c);
	c = (struct crash_case){ .start = start, .perform = perform, .check = check };
	for (unsigned n = 0; n < ARRAY_SIZE(endings); n++) {
		(void)snprintf(c.name, sizeof(c.name), "life: %s", endings[n].name);
		c.what = &endings[n];
		crash_try(&c);
	}
}
