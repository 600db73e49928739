/* The moment of a fault: see campaign_run.h. */
#include "cli/campaign_run.h"
#include <errno.h>
#include <poll.h>
#include <time.h>

/* How long a hart has time to come to the place of a fault. */
#define PLACE_MS      400
#define HEIR_PLACE_MS 100

/* How long an heir may take until it is entered: a hart that hangs is found after half a second, on a machine that is not busy. */
#define HEIR_MS 20000

/* Where no hart is in the hypervisor, another moment is tried: so often, and so much later. */
#define TRIES_MAX 60
#define TRY_US	  700

static void sleep_us(u64 us)
{
	struct timespec t = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

/* ---- Places ---- */

static int set_places(struct campaign_run *r, u64 slot, const u64 *places, bool is_set)
{
	int error = 0;

	for (int i = 0; i < FAULT_PLACES && !error; i++) {
		bool is_again = false;

		for (int n = 0; n < i; n++)
			is_again |= places[n] == places[i];
		if (!is_again)
			error = gdb_set_breakpoint(&r->gdb, slot + places[i], is_set);
	}
	return error;
}

/* Past the breakpoint that a hart is at. */
static int step_over(struct campaign_run *r, u32 hart)
{
	u64 at = r->machine.harts[hart].pc;
	int error = gdb_set_breakpoint(&r->gdb, at, false);

	if (!error)
		error = gdb_step(&r->gdb, hart);
	return error ? error : gdb_set_breakpoint(&r->gdb, at, true);
}

/*
 * Goes on until a hart has been at one of the places often enough; the machine stands still then. 1: *hart is there; 0: not within
 * `ms`. A guest's code may have the same addresses, which counts for nothing.
 */
static int wait_for_place(struct campaign_run *r, const struct fault_moment *moment, u64 ms, u32 *hart)
{
	u32 times = 0;
	int got;

	/* A guest that comes along all the time does not keep us for ever. */
	for (u32 stops = 0; stops < 4 * moment->times + 16; stops++) {
		got = gdb_continue(&r->gdb);
		if (!got)
			got = gdb_wait(&r->gdb, ms, hart);
		if (!got)
			got = gdb_stop(&r->gdb, hart);
		if (got <= 0)
			return got;
		if (*hart >= r->machine.hart_count)
			return -EPROTO;
		got = fault_machine_look(&r->machine);
		if (got)
			return got;
		if (r->machine.harts[*hart].is_inside && ++times >= moment->times)
			return 1;
		got = step_over(r, *hart);
		if (got)
			return got;
	}
	return 0;
}

static int try_places(struct campaign_run *r, const struct fault *f, u64 slot, u64 ms, u32 *hart)
{
	int got = set_places(r, slot, f->moment.places, true), error;

	*hart = FAULT_NO_HART;
	if (!got)
		got = wait_for_place(r, &f->moment, ms, hart);
	if (got < 0)
		return got;
	if (!got)
		*hart = FAULT_NO_HART;
	error = set_places(r, slot, f->moment.places, false);
	return error ? error : got;
}

/* ---- Times ---- */

static int run_for(struct campaign_run *r, u64 us)
{
	u32 hart;
	int error = gdb_continue(&r->gdb);

	if (error)
		return error;
	sleep_us(us);
	error = gdb_stop(&r->gdb, &hart);
	return error < 0 ? error : fault_machine_look(&r->machine);
}

/* A hart in the hypervisor goes on by some instructions, if it stays there. 1: *hart is it; 0: there is none. */
static int step_inside(struct campaign_run *r, const struct fault *f, u64 slot, u32 *hart)
{
	const struct fault_hart *h = fault_machine_inside(&r->machine, f->hart);
	int error = 0;

	if (!h)
		return 0;
	*hart = (u32)(h - r->machine.harts);
	for (u32 n = 0; n < f->moment.steps && !error; n++)
		error = gdb_step(&r->gdb, *hart);
	if (!error)
		error = fault_machine_look(&r->machine);
	if (slot)
		r->machine.slot = slot;
	return error ? error : h->is_inside;
}

/* Makes it here, or if nothing of its kind is here, a little later. `slot`: the life that is meant, 0: that which runs. */
static int make_soon(struct campaign_run *r, const struct fault *f, u32 hart, u64 slot)
{
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		int got = 1;

		if (slot)
			r->machine.slot = slot;
		if (hart == FAULT_NO_HART && fault_is_of_hart(f->kind))
			got = step_inside(r, f, slot, &hart);
		if (got > 0)
			got = fault_make(&r->machine, f, hart, r->result);
		if (got)
			return got;
		hart = FAULT_NO_HART;
		got = run_for(r, TRY_US);
		if (got)
			return got;
	}
	return 0;
}

/* ---- Faults ---- */

/* The machine stands still, before and after. */
static int inject_first(struct campaign_run *r, const struct fault *f)
{
	u32 hart = FAULT_NO_HART;
	int got = 0;

	if (f->moment.is_place && f->kind != FAULT_RECOVERY)
		got = try_places(r, f, r->machine.slot, PLACE_MS, &hart);
	if (!got)
		got = run_for(r, f->moment.delay_us);
	if (got < 0)
		return got;
	return make_soon(r, f, hart, 0);
}

/* A panic has been made: into the heir with it. */
static int inject_second(struct campaign_run *r, const struct fault *f)
{
	u64 dead = r->machine.slot;
	u64 heir = fault_machine_slot(dead == fault_machine_slot(0));
	u64 entry = heir + r->image.heir_entry;
	u32 hart = FAULT_NO_HART;
	int got = gdb_set_breakpoint(&r->gdb, entry, true);

	if (!got)
		got = gdb_continue(&r->gdb);
	if (!got)
		got = gdb_wait(&r->gdb, HEIR_MS, &hart);
	if (got <= 0)
		return got;
	got = gdb_set_breakpoint(&r->gdb, entry, false);
	if (!got && f->moment.is_place)
		got = try_places(r, f, heir, HEIR_PLACE_MS, &hart);
	else
		hart = FAULT_NO_HART;
	if (!got)
		got = run_for(r, f->moment.delay_us);
	if (got < 0)
		return got;
	return make_soon(r, f, hart, heir);
}

int campaign_inject(struct campaign_run *r, const struct campaign_fault *plan)
{
	int got = gdb_connect(&r->gdb, r->host.fd, "gdb", 5000);

	if (got)
		return got;
	r->has_gdb = true;
	r->machine =
		(struct fault_machine){ .gdb = &r->gdb, .image = &r->image, .hart_count = r->host.harts };
	got = fault_machine_look(&r->machine);
	if (!got && r->machine.slot)
		got = inject_first(r, &plan->first);
	r->life = r->machine.life;
	for (int i = 0; i < CAMPAIGN_GUESTS; i++)
		campaign_guest_forget_gaps(&r->host.guests[i]);
	if (got > 0 && plan->first.kind == FAULT_RECOVERY)
		got = inject_second(r, &plan->second);
	if (got >= 0) {
		int error = gdb_continue(&r->gdb);

		got = error ? error : got;
	}
	return got;
}
