/*
 * What an heir does about an estate that is damaged: it loses the VM to which the damage belongs, or nothing, and says so. Also if it
 * dies on the way.
 *
 * Which word leads to what is the business of estate_words_test; these have an heir store what it does not otherwise.
 */
#include "core/devices/virtio.h"
#include "core/lib/log.h"
#include "core/survive/scrub.h"
#include "tests/exits/crash/crash.h"
#include "tests/exits/scene.h"
#include <stdio.h>
#include <string.h>

struct damage {
	const char *name;
	void (*apply)(void);
	bool loses;	  /* VM 0 */
	const char *says; /* in the log; NULL: nothing */
	bool boxed;	  /* with a black box */
};

static void configuration(void)
{
	struct vm_record *r = estate_vm(0);

	for (unsigned n = 0; n < 2; n++)
		r->config[n][sizeof(struct cold_head)] ^= 1;
}

static void transaction(void)
{
	estate.harts[1].redo.count = ~0ull;
}

static void log_head_word(void)
{
	estate.log->head |= 1ull << 63;
}

static void lines(void)
{
	estate.pmsg->written = estate.pmsg->head + 1;
}

/* The warden went back from an update whose life had not come to write its record. */
static void update(void)
{
	estate.warden->cause = LIFE_UPDATE;
	estate.warden->update = WARDEN_UPDATE_UNDONE;
	fixture_life++;
}

/* The hypervisor itself has trapped in the trap entry: the guest's trap registers are gone. */
static void trap_entry(void)
{
	struct hart_record *h = &estate.harts[exits_hart_of(&vms[0]->vcpu[0])];

	h->found.state = FOUND_HS;
	h->found.hstatus = 0;
	h->found.pc = h->entry_begin + 4;
	exits_harts[h - estate.harts].where = EXITS_HS;
}

static const struct damage damages[] = {
	{ "configuration of a VM", configuration, true, "VM 0 is lost: its configuration record is damaged",
	  false },
	{ "transaction", transaction, false, "its transaction is damaged", false },
	{ "head of the log", log_head_word, false, NULL, false },
	{ "lines for the black box", lines, false, NULL, true },
	{ "a trap in the trap entry", trap_entry, true, "its registers are lost in the trap entry", false },
	{ "the record of an update is not there", update, false, NULL, false },
};

HOST_KEEP static unsigned boot; /* the hart that the heir begins on */

static void start(const struct crash_case *c)
{
	const struct damage *d = c->what;
	const struct scene_exit scene = { .devices = d->boxed };

	scene_start(&scene);
	boot = 0;
	while (exits_harts[boot].where != EXITS_WFI)
		boot++;
	exits_stop(boot);
	d->apply();
}

static void go_on(const struct damage *d)
{
	for (unsigned n = 0; n < 20 && d->boxed; n++)
		exits_schedule();
}

static void adopt(const struct crash_case *c)
{
	exits_heir(boot);
	go_on(c->what);
}

static bool is_lost(unsigned vm)
{
	return !vms[vm] || vms[vm]->s->run_state == VM_CRASHED;
}

static bool check(const struct crash_case *c)
{
	const struct damage *d = c->what;

	go_on(d);
	view_take(&crash_now);
	if (is_lost(0) != d->loses || is_lost(1))
		return crash_wrong("another VM is lost, or none");
	if (!view_same(&crash_wanted, &crash_now, NULL, true))
		return crash_wrong("not what guests would see");
	return !d->says || strstr(fixture_log(), d->says) || crash_wrong("the log does not tell");
}

/* ---- Tables of a guest that lead to another's RAM, as a life finds out that is not ended by it ---- */

#define WRONG_AT (GUEST_RAM_BASE + BLOCK_SIZE)

static void start_with_wrong_leaf(const struct crash_case *c)
{
	static const struct scene_exit scene = { 0 };

	(void)c;
	scene_start(&scene);
	if (gstage_map(&vms[0]->gstage, GPA(WRONG_AT), 1, HPA(vms[1]->config.extents[0].hpa), GSTAGE_ALL))
		host_fail("no room in the tables");
}

static void find_out(const struct crash_case *c)
{
	(void)c;
	scrub_translations(vms[0]);
}

/* What they may have read of each other is not theirs: both are given up, unless the life did not live to say so. */
static bool check_given_up(const struct crash_case *c)
{
	const struct view_item *i;

	(void)c;
	view_take(&crash_now);
	for (unsigned n = 0; n < crash_now.count; n++) {
		i = &crash_now.item[n];
		if (strcmp(i->what, "run_state") == 0 && i->value != VM_RUNNING && i->value != VM_CRASHED)
			return crash_wrong("VM %u neither goes on nor is given up", i->vm);
	}
	return (vms[0] && vms[1]) || crash_wrong("a VM is not there");
}

void crash_damage(void)
{
	struct crash_case c = { .start = start, .perform = adopt, .check = check };

	for (unsigned n = 0; n < ARRAY_SIZE(damages); n++) {
		(void)snprintf(c.name, sizeof(c.name), "damage: %s", damages[n].name);
		c.what = &damages[n];
		crash_try(&c);
	}
	c = (struct crash_case){ .name = "damage: tables lead to another VM",
				 .start = start_with_wrong_leaf,
				 .perform = find_out,
				 .check = check_given_up,
				 .ends = HOST_ENDED };
	crash_try(&c);
}
