/* The requests of a root VM, and the exception by which it is told that it inherits the machine. */
#include "abi/guest.h"
#include "arch/riscv64/csr.h"
#include "core/root/takeover.h"
#include "tests/exits/crash/crash.h"
#include "tests/exits/root_scene.h"
#include <stdio.h>

static void set_up(const struct crash_case *c)
{
	u64 function = *(const u64 *)c->what;

	root_start();
	root_set_policy(CRASH_RECOVER);
	if (function != GUEST_ROOT_PREPARE)
		root_request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL);
	if (function == GUEST_ROOT_DEVIRTUALISE)
		root_request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL);
}

static void ask(const struct crash_case *c)
{
	u64 function = *(const u64 *)c->what;

	if (function == GUEST_ROOT_DEVIRTUALISE)
		root_takes_machine();
	else
		root_request(&root->vcpu[0], function, NULL);
}

static void ask_again(void *c)
{
	ask(c);
}

static bool is_done(u64 function)
{
	u64 steps = root->s->root_steps;

	return function == GUEST_ROOT_PREPARE	? steps & ROOT_PREPARED
	       : function == GUEST_ROOT_SUSPEND ? steps & ROOT_SUSPENDED
						: exits_firmware.gone;
}

static bool check(const struct crash_case *c)
{
	u64 function = *(const u64 *)c->what;

	if (!vms[0] || !vms[1])
		return crash_wrong("a VM is lost");
	root_find();
	/* Another may have its hart, for as long as a slice is. */
	for (unsigned n = 0; n < 3 && exits_hart_of(&root->vcpu[0]) != 0; n++)
		exits_advance(estate.machine.timebase / 100);
	if (exits_hart_of(&root->vcpu[0]) != 0)
		return crash_wrong("the boot vCPU does not go on");
	if (!is_done(function) && host_live(ask_again, (void *)(uintptr_t)c, 0) != HOST_RETURNED)
		return crash_wrong("the repeated request ends the life");
	if (!is_done(function))
		return crash_wrong("the request has no effect");
	if (exits_firmware.gone)
		return true;
	if ((exits_hart_of(&other->vcpu[0]) >= 0) != (function == GUEST_ROOT_PREPARE))
		return crash_wrong("the other VM runs, or does not");
	view_take(&crash_now);
	return view_same(&crash_wanted, &crash_now, NULL, true) || crash_wrong("not what guests would see");
}

/* ---- An heir that hands over ---- */

HOST_KEEP static unsigned boot; /* the hart that the heir begins on */

static unsigned idle_hart(void)
{
	unsigned n = 0;

	while (exits_harts[n].where != EXITS_WFI)
		n++;
	return n;
}

static void set_up_crash(const struct crash_case *c)
{
	(void)c;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	exits_harts[0].csr.vstvec = ROOT_VECTOR;
	exits_harts[0].pc = ROOT_PC + 8;
	boot = idle_hart();
	exits_stop(boot);
}

static void hand_over(const struct crash_case *c)
{
	(void)c;
	exits_heir(boot);
}

static bool is_struck(const struct crash_case *c)
{
	const struct exits_hart *h = &exits_harts[0];

	(void)c;
	root_find();
	if (exits_hart_of(&root->vcpu[0]) != 0 || h->pc != ROOT_VECTOR || h->csr.vsepc != ROOT_PC + 8 ||
	    h->csr.vscause != CAUSE_BREAKPOINT)
		return crash_wrong("the root VM is not told, or twice");
	return exits_hart_of(&other->vcpu[0]) < 0 || crash_wrong("the other VM runs");
}

/* ---- It ends, while the others are suspended for it ---- */

static void set_up_alone(const struct crash_case *c)
{
	(void)c;
	root_start();
	root_set_policy(CRASH_RECOVER);
	root_get_ready();
	other->vcpu[0].r->state = VCPU_WAITING;
	other->vcpu[0].r->vstimecmp = host->now + 1000;
}

static void end_root(const struct crash_case *c)
{
	(void)c;
	root_end();
}

static void end_again(void *context)
{
	end_root(context);
}

static bool is_ended(const struct crash_case *c)
{
	(void)c;
	root_find();
	if (root->s->run_state == VM_RUNNING && host_live(end_again, NULL, 0) != HOST_RETURNED)
		return crash_wrong("its end is that of the next life");
	if (root->s->run_state != VM_STOPPED || root->s->root_steps)
		return crash_wrong("it has not ended");
	/* One that waited may wait on, until its timer is due. */
	return crash_let_time_pass() &&
	       (exits_hart_of(&other->vcpu[0]) >= 0 || crash_wrong("the other VM does not run"));
}

/* ---- A device of the machine interrupts ---- */

static void set_up_device(const struct crash_case *c)
{
	(void)c;
	root_start();
	root_set_policy(CRASH_RECOVER);
}

static void let_interrupt(const struct crash_case *c)
{
	(void)c;
	root_device_interrupts();
}

static bool has_interrupted(const struct crash_case *c)
{
	(void)c;
	root_find();
	return root->s->plic.pending >> ROOT_DEVICE_IRQ & 1 || crash_wrong("the interrupt is lost");
}

void crash_root(void)
{
	static const u64 functions[] = { GUEST_ROOT_PREPARE, GUEST_ROOT_SUSPEND, GUEST_ROOT_DEVIRTUALISE };
	static const char *const names[] = { "root: prepare", "root: suspend", "root: devirtualise" };
	struct crash_case c = { .start = set_up, .perform = ask, .check = check };

	for (unsigned n = 0; n < ARRAY_SIZE(functions); n++) {
		(void)snprintf(c.name, sizeof(c.name), "%s", names[n]);
		c.what = &functions[n];
		crash_try(&c);
	}
	c = (struct crash_case){ .name = "root: it inherits the machine",
				 .start = set_up_crash,
				 .perform = hand_over,
				 .check = is_struck };
	crash_try(&c);
	c = (struct crash_case){ .name = "root: it ends, and the others go on",
				 .start = set_up_alone,
				 .perform = end_root,
				 .check = is_ended };
	crash_try(&c);
	c = (struct crash_case){ .name = "root: its device interrupts",
				 .start = set_up_device,
				 .perform = let_interrupt,
				 .check = has_interrupted };
	crash_try(&c);
}
