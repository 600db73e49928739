/*
 * Exits of confidential vCPUs: the warden asks until it is answered, each question is answered once, and with what it would
 * have been answered without a crash.
 */
#include "core/private/private.h"
#include "abi/guest.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/sbi.h"
#include "core/memory/backing.h"
#include "core/vcpu/sched.h"
#include "tests/exits/confidential.h"
#include "tests/exits/crash/crash.h"
#include "tests/exits/exits.h"
#include <stdio.h>
#include <string.h>

/* The vCPUs sleep until then. */
#define LATER 100000

#define WORDS(...)          \
	{                   \
		__VA_ARGS__ \
	}

static const struct private_case {
	const char *name;
	struct confidential_exit exit;
	u64 result[2];
	bool question;
	u64 state[2];	     /* of vCPUs 0 and 1 in the end; 0: the VM has ended */
	bool second_stopped; /* in the beginning */
} cases[] = {
	{ "a load",
	  { PRIVATE_EXIT_LOAD, 0, WORDS(0x10000005, 1) },
	  { 0x60, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "a store",
	  { PRIVATE_EXIT_STORE, 0, WORDS(0x10000000, 1, 'a') },
	  { 0, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "a load of nothing",
	  { PRIVATE_EXIT_LOAD, 0, WORDS(0x40000000, 8) },
	  { 0, 1 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "a store to nothing",
	  { PRIVATE_EXIT_STORE, 0, WORDS(0x40000000, 8, 1) },
	  { 0, 1 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "an IPI",
	  { PRIVATE_EXIT_CALL, 0, WORDS(2, 0, 0, 0, 0, 0, 0, SBI_EXT_IPI) },
	  { 0, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "a call that is none",
	  { PRIVATE_EXIT_CALL, 0, WORDS(1, 2, 3, 4, 5, 6, 7, SBI_EXT_RFENCE) },
	  { (u64)SBI_ERR_NOT_SUPPORTED, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "text",
	  { PRIVATE_EXIT_CONSOLE, 16, WORDS(0x2073692073696874, 0x0a2e747865742061) },
	  { 0, 16 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "text for nobody",
	  { PRIVATE_EXIT_PMSG, 16, WORDS(0x2073692073696874, 0x0a2e747865742061) },
	  { (u64)SBI_ERR_NOT_SUPPORTED, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "a start",
	  { PRIVATE_EXIT_START, 0, WORDS(1) },
	  { 0, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  true },
	{ "a stop", { PRIVATE_EXIT_STOPPED, 0, { 0 } }, { 0 }, false, { VCPU_STOPPED, VCPU_WAITING }, 0 },
	{ "a wait",
	  { PRIVATE_EXIT_WAIT, 0, WORDS(3 * LATER) },
	  { 0 },
	  false,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "an interrupt", { PRIVATE_EXIT_NONE, 0, { 0 } }, { 0 }, false, { VCPU_WAITING, VCPU_WAITING }, 0 },
	{ "a fault",
	  { PRIVATE_EXIT_FAULT, 0, WORDS(GUEST_RAM_BASE + MIB(2)) },
	  { 0 },
	  false,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "a conversion of what is no RAM",
	  { PRIVATE_EXIT_CONVERT, 0, WORDS(0x1000, 0x1000, 1) },
	  { (u64)SBI_ERR_INVALID_PARAM, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "a conversion to shared",
	  { PRIVATE_EXIT_CONVERT, 0, WORDS(GUEST_RAM_BASE, 0x3000, 1) },
	  { 0, 0 },
	  true,
	  { VCPU_WAITING, VCPU_WAITING },
	  0 },
	{ "what the warden cannot go on with",
	  { PRIVATE_EXIT_BROKEN, 0, WORDS(5, 0x1000) },
	  { 0 },
	  false,
	  { 0 },
	  0 },
};

static void start(const struct crash_case *c)
{
	const struct private_case *p = c->what;
	struct vm_config config = { .memory = MIB(4), .vcpus = 2, .flags = VM_CONFIDENTIAL };
	char why[160];
	struct confidential_exit sleep = { PRIVATE_EXIT_WAIT, 0, { 0 } }, e = p->exit;

	exits_start(MIB(64), 2);
	confidential_reset();
	if (private_plan(&config, why, sizeof(why)))
		host_fail(why);
	fixture_vm(&config);
	sleep.arg[0] = host->now + LATER;
	if (e.exit == PRIVATE_EXIT_WAIT)
		e.arg[0] += host->now;
	confidential_add(0, &sleep);
	confidential_add(0, &e);
	if (!p->second_stopped) {
		confidential[1].state = PRIVATE_VCPU_READY;
		estate_store(&vms[0]->vcpu[1].r->state, VCPU_RUNNABLE);
	}
	estate_store(&vms[0]->s->run_state, VM_RUNNING);
	estate_store(&vms[0]->vcpu[0].r->state, VCPU_RUNNABLE);
	sched_wake(&vms[0]->vcpu[0]);
	sched_wake(&vms[0]->vcpu[1]);
	exits_schedule();
}

static void perform(const struct crash_case *c)
{
	(void)c;
	exits_advance(2 * LATER);
	exits_advance(2 * LATER);
}

static bool answered(const struct private_case *p)
{
	const struct confidential_vcpu *v = &confidential[0];

	if (v->at != v->steps || v->answers != p->question)
		return crash_wrong("%u of %u exits, %u answers", v->at, v->steps, v->answers);
	if (p->question && memcmp(v->result[0], p->result, sizeof(p->result)) != 0)
		return crash_wrong("the answer is %llx, %llx", (unsigned long long)v->result[0][0],
				   (unsigned long long)v->result[0][1]);
	if (p->exit.exit == PRIVATE_EXIT_CALL && p->exit.arg[7] == SBI_EXT_IPI && !confidential[1].raised)
		return crash_wrong("the IPI has not arrived");
	return true;
}

static bool check(const struct crash_case *c)
{
	const struct private_case *p = c->what;

	if (!crash_let_time_pass())
		return crash_wrong("the next life ends by itself");
	if (!vms[0] || (p->state[0] && !answered(p)))
		return vms[0] ? false : crash_wrong("the VM is lost");
	for (unsigned n = 0; n < 2 && p->state[0]; n++) {
		if (vms[0]->vcpu[n].r->state != p->state[n])
			return crash_wrong("vCPU %u is in state %llu", n,
					   (unsigned long long)vms[0]->vcpu[n].r->state);
	}
	view_take(&crash_now);
	return view_same(&crash_wanted, &crash_now, NULL, true) ||
	       crash_wrong("not what the guest would have seen");
}

void crash_private(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
		struct crash_case c = {
			.start = start, .perform = perform, .check = check, .what = &cases[n]
		};

		(void)snprintf(c.name, sizeof(c.name), "a confidential vCPU: %s", cases[n].name);
		crash_try(&c);
	}
}
