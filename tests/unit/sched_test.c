/*
 * The scheduler under the real loop of the harts, with guests that compute without ever leaving by themselves, wait, and
 * send each other IPIs. After each step everything that must hold of who runs, waits and sleeps is checked.
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "core/vcpu/sched.h"
#include "tests/exits/exits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HARTS	   3
#define VCPUS	   8
#define SLICE	   (10000000ull * SCHED_SLICE_US / 1000000)
#define STEPS	   20000
#define INTERRUPTS (IRQ_VSSI | IRQ_VSTI | IRQ_VSEI)

static struct vcpu *all[VCPUS];
static u64 waits_since[VCPUS]; /* ticks; 0: does not wait for a hart */
static u64 longest;	       /* that one has waited */
static u64 random_state;

static u64 random_number(u64 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % below;
}

/* Two VMs, of 5 and 3 vCPUs, bound as `affinity` says. */
static void start(const u64 *affinity)
{
	unsigned n = 0;

	exits_start(MIB(64), HARTS);
	fixture_vm(&(struct vm_config){ .memory = MIB(2), .vcpus = 5 });
	fixture_vm(&(struct vm_config){ .memory = MIB(2), .vcpus = 3 });
	for (unsigned i = 0; i < 2; i++) {
		for (u32 k = 0; k < vms[i]->config.vcpus; k++, n++) {
			all[n] = &vms[i]->vcpu[k];
			all[n]->r->affinity = affinity[n];
			waits_since[n] = 0;
		}
	}
	longest = 0;
	for (unsigned i = 0; i < 2; i++)
		fixture_run(vms[i]);
	exits_schedule();
	for (n = 0; n < VCPUS; n++)
		all[n]->r->vsie = INTERRUPTS >> 1;
}

static u64 mask_of(const struct vcpu *v)
{
	u64 mask = v->r->affinity & ((1u << HARTS) - 1);

	return mask ? mask : (1u << HARTS) - 1;
}

static void check_where(unsigned n)
{
	int on = exits_hart_of(all[n]);

	for (int h = 0; h < HARTS; h++)
		assert_false(h != on && exits_harts[h].where == EXITS_GUEST && harts[h].current == all[n]);
	if (on >= 0)
		assert_true(mask_of(all[n]) >> on & 1);
	assert_int_equal(all[n]->hart_plus_1, on + 1);
}

/* It would run: no hart of its is idle, and all of them have an end to their turn in sight. */
static void check_runnable(unsigned n)
{
	if (exits_hart_of(all[n]) >= 0) {
		waits_since[n] = 0;
		return;
	}
	if (!waits_since[n])
		waits_since[n] = host->now;
	if (host->now - waits_since[n] > longest)
		longest = host->now - waits_since[n];
	for (unsigned h = 0; h < HARTS; h++) {
		if (!(mask_of(all[n]) >> h & 1))
			continue;
		if (exits_harts[h].where == EXITS_WFI)
			fail_msg("hart %u is idle while vCPU %u waits for it", h, n);
		if (exits_harts[h].csr.stimecmp > host->now + SLICE)
			fail_msg("hart %u does not know that vCPU %u waits for it", h, n);
		if (!(exits_harts[h].csr.hstatus & HSTATUS_VTW))
			fail_msg("a guest on hart %u can wait there while vCPU %u waits for it", h, n);
	}
	/* Each of the others has a turn at most, which ends with its timer; that is late by a step of ours at most. */
	if (host->now - waits_since[n] > VCPUS * (SLICE + SLICE / 4))
		fail_msg("vCPU %u has waited for %llu ticks", n,
			 (unsigned long long)(host->now - waits_since[n]));
}

/* It sleeps: nothing is there for it, and some hart wakes it in time. */
static void check_asleep(unsigned n)
{
	u64 wake = all[n]->r->vstimecmp;
	bool watched = wake == ~0ull;

	waits_since[n] = 0;
	assert_int_equal(all[n]->r->ipi, 0);
	assert_int_equal(all[n]->r->irq, 0);
	for (unsigned h = 0; h < HARTS; h++)
		watched = watched || exits_harts[h].csr.stimecmp <= wake;
	if (!watched)
		fail_msg("nobody wakes vCPU %u at 0x%llx", n, (unsigned long long)wake);
	if (wake <= host->now)
		fail_msg("vCPU %u sleeps on", n);
}

static void check(void)
{
	for (unsigned n = 0; n < VCPUS; n++) {
		check_where(n);
		if (all[n]->vm->s->run_state != VM_RUNNING) {
			waits_since[n] = 0;
			assert_int_equal(exits_hart_of(all[n]), -1);
			continue;
		}
		if (all[n]->r->state == VCPU_RUNNABLE)
			check_runnable(n);
		else if (all[n]->r->state == VCPU_WAITING && exits_hart_of(all[n]) < 0)
			check_asleep(n);
	}
}

static void send_ipi(unsigned n)
{
	if (estate_or(&all[n]->r->ipi, 1) == 0)
		vcpu_notify(all[n]);
	exits_settle();
}

/* The guest takes its interrupts and waits for more, with a timer perhaps; natively if it may. */
static void wait_in_guest(unsigned hart)
{
	struct exits_hart *h = &exits_harts[hart];

	h->csr.hvip = 0;
	h->csr.vsie = INTERRUPTS >> 1;
	h->csr.vstimecmp = random_number(2) ? ~0ull : host->now + 1 + random_number(3 * SLICE);
	if (h->csr.hstatus & HSTATUS_VTW)
		exits_trap(hart, CAUSE_VIRTUAL_INSTRUCTION, 0x10500073, 0);
	exits_settle();
}

static void toggle_vm(void *context)
{
	struct vm *vm = context;

	if (vm->s->run_state == VM_RUNNING)
		vm_pause(vm);
	else
		vm_resume(vm);
}

/* Of 10 steps `waits` are a guest's that waits. */
static void step(u64 waits)
{
	unsigned hart = (unsigned)random_number(HARTS);
	u64 kind = random_number(10);

	if (kind < waits) {
		if (exits_harts[hart].where == EXITS_GUEST)
			wait_in_guest(hart);
		check();
		return;
	}
	switch (kind) {
	case 6:
	case 7:
	case 8:
		send_ipi((unsigned)random_number(VCPUS));
		break;
	case 9:
		if (random_number(20) == 0) {
			exits_call(hart, toggle_vm, vms[random_number(2)]);
			exits_settle();
		}
		break;
	default:
		exits_advance(random_number(SLICE / 4));
		/* A timer that has come due in the meantime is late by as much. */
		exits_advance(0);
	}
	check();
}

static void storm(const u64 *affinity, u64 waits, u64 seed)
{
	random_state = seed;
	start(affinity);
	check();
	for (unsigned n = 0; n < STEPS; n++)
		step(waits);
}

static void storms(void **state)
{
	static const u64 free[VCPUS] = { ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull };
	static const u64 bound[VCPUS] = { 1, 2, 4, 3, 6, 7, 5, ~0ull };
	static const u64 crowded[VCPUS] = { 1, 1, 1, 1, 7, 7, 2, 1ull << 40 };

	(void)state;
	for (u64 waits = 0; waits < 6; waits++) {
		storm(free, waits, waits + 1);
		storm(bound, waits, waits + 2);
		storm(crowded, waits, waits + 3);
	}
}

/* Guests that compute get the same, and turns end when they should. */
static void fairness(void **state)
{
	static const u64 free[VCPUS] = { ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull };
	u64 ran[VCPUS] = { 0 }, least = ~0ull, most = 0;

	(void)state;
	start(free);
	for (unsigned n = 0; n < 10000; n++) {
		exits_advance(SLICE / 50);
		check();
		for (unsigned i = 0; i < VCPUS; i++)
			ran[i] += exits_hart_of(all[i]) >= 0;
	}
	for (unsigned i = 0; i < VCPUS; i++) {
		least = ran[i] < least ? ran[i] : least;
		most = ran[i] > most ? ran[i] : most;
	}
	/* 3 of 8 each; the difference is at most a turn of 50 samples, rounded up. */
	assert_in_range(least, 10000 * HARTS / VCPUS - 110, 10000 * HARTS / VCPUS);
	assert_in_range(most - least, 0, 110);
	assert_true(longest <= (VCPUS / HARTS + 1) * (SLICE + SLICE / 25));
}

/* Nobody else wants a hart: its guest is not disturbed. */
static void quiet_without_contention(void **state)
{
	static const u64 bound[VCPUS] = { 1, 2, 4, 1, 2, 4, 1, 2 };
	u64 exits;

	(void)state;
	start(bound);
	for (unsigned n = 3; n < VCPUS; n++)
		all[n]->r->state = VCPU_STOPPED;
	exits_advance(2 * SLICE);
	exits_advance(2 * SLICE);
	exits = all[0]->r->exits;
	for (unsigned n = 0; n < 100; n++)
		exits_advance(SLICE);
	assert_int_equal(all[0]->r->exits, exits);
	assert_int_equal(exits_harts[0].csr.stimecmp, ~0ull);
	assert_false(exits_harts[0].csr.hstatus & HSTATUS_VTW);
}

static void pause_vm(void *context)
{
	vm_pause(context);
}

/* sched_remove: whatever a vCPU does, it is out of it all when that returns. */
static void removal(void **state)
{
	static const u64 free[VCPUS] = { ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull };

	(void)state;
	start(free);
	wait_in_guest(1);
	exits_call(0, pause_vm, vms[0]);
	for (u32 n = 0; n < vms[0]->config.vcpus; n++) {
		const struct vcpu *v = &vms[0]->vcpu[n];

		assert_int_equal(v->hart_plus_1 | v->queued | v->asleep | v->removed, 0);
	}
	exits_settle();
	check();
	for (u32 n = 0; n < vms[1]->config.vcpus; n++)
		assert_true(exits_hart_of(&vms[1]->vcpu[n]) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(storms),
		cmocka_unit_test(fairness),
		cmocka_unit_test(quiet_without_contention),
		cmocka_unit_test(removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
