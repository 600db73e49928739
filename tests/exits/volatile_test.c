/*
 * What is volatile may be damaged, and a guest's exit is what shows it: then the life ends, and the guest neither is told that
 * it did wrong nor stopped.
 */
#include "arch/riscv64/csr.h"
#include "core/gstage/walk.h"
#include "core/memory/backing.h"
#include "tests/exits/scene.h"
#include "tests/exits/view.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Nothing has been mapped there yet. */
#define FRESH (GUEST_RAM_BASE + MIB(2))

HOST_KEEP static struct view before, now;

static const struct scene_exit page_fault = {
	.name = "a page fault", .cause = CAUSE_LOAD_GUEST_PAGE, .stval = FRESH, .htval = FRESH >> 2
};
static const struct scene_exit unknown_csr = { .name = "an unknown CSR",
					       .cause = CAUSE_VIRTUAL_INSTRUCTION,
					       .stval = 0x14d61073 };
/* A load page fault, which never comes to the hypervisor. */
static const struct scene_exit undelegated = { .name = "an exception of the guest's own", .cause = 13 };

static const struct scene_exit quiet = { .name = "an interrupt", .cause = SCAUSE_INTERRUPT | 5 };

/* Neither RAM nor a device. */
static const struct scene_exit nowhere = { .name = "an access to nothing",
					   .cause = CAUSE_LOAD_GUEST_PAGE,
					   .htval = 0x1000 >> 2,
					   .instruction = 0x00053503 };

static void perform(void *context)
{
	scene_perform(context);
}

static void heir(void *context)
{
	exits_heir(*(unsigned *)context);
}

static void next_life(void)
{
	unsigned hart = host_hart;

	exits_stop(hart);
	assert_int_equal(host_live(heir, &hart, 0), HOST_RETURNED);
}

static enum host_end happens(const struct scene_exit *e)
{
	struct scene_exit copy = *e;

	return host_live(perform, &copy, 0);
}

/* Another block than the VM's own is mapped at FRESH. */
static void map_wrongly(void *context)
{
	const hpa_t wrong = HPA(host->ram + MIB(40));
	const gpa_t at = GPA(FRESH);
	int error = gstage_map(&vms[0]->gstage, at, 1, wrong, GSTAGE_ALL);

	(void)context;
	assert_int_equal(error, 0);
}

static struct exits_hart *hart_of_guest(void)
{
	int n = exits_hart_of(&vms[0]->vcpu[0]);

	assert_true(n >= 0);
	return &exits_harts[n];
}

static void tables_that_contradict_end_the_life_once(void **state)
{
	(void)state;
	scene_start(&page_fault);
	assert_int_equal(host_live(map_wrongly, NULL, 0), HOST_RETURNED);
	assert_int_equal(happens(&page_fault), HOST_ENDED);
	next_life();
	assert_int_equal(vms[0]->s->run_state, VM_RUNNING);
	/* The guest faults again, and gets its page. */
	assert_int_equal(happens(&page_fault), HOST_RETURNED);
	assert_int_equal(vms[0]->vcpu[0].r->state, VCPU_RUNNABLE);
	assert_int_equal(gstage_lookup(&vms[0]->gstage, GPA(FRESH)).rights, GSTAGE_ALL);
	/* Ever again: then it is not the tables that are wrong. */
	assert_int_equal(gstage_zap(&vms[0]->gstage, GPA(FRESH), BLOCK_SIZE), 0);
	map_wrongly(NULL);
	assert_int_equal(happens(&page_fault), HOST_RETURNED);
	assert_int_equal(vms[0]->vcpu[0].r->park_reason, PARK_TABLES);
}

/* A bit of an entry that leads to FRESH, at that level. */
struct flip {
	unsigned level, bit;
};

static void map_and_flip(void *context)
{
	const struct flip *f = context;
	u64 *slot;

	assert_int_equal(guest_ram_fault(vms[0], GPA(FRESH), false), 0);
	slot = gstage_walk(&vms[0]->gstage, FRESH, f->level).slot;
	*slot ^= 1ull << f->bit;
}

static void damaged_entries_end_the_life(void **state)
{
	/* U, A, D of a leaf, a reserved bit of it, and of what is above. The guest would fault on them for ever. */
	static const struct flip flips[] = { { 1, 4 }, { 1, 6 }, { 1, 7 }, { 1, 57 }, { 2, 55 }, { 2, 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flips); i++) {
		struct flip flip = flips[i];

		scene_start(&page_fault);
		assert_int_equal(host_live(map_and_flip, &flip, 0), HOST_RETURNED);
		assert_int_equal(happens(&page_fault), HOST_ENDED);
		next_life();
		assert_int_equal(happens(&page_fault), HOST_RETURNED);
		assert_int_equal(gstage_lookup(&vms[0]->gstage, GPA(FRESH)).rights, GSTAGE_ALL);
	}
}

/* A load through a translation that leads to no memory. */
static const struct scene_exit access_fault = { .name = "an access fault",
						.cause = CAUSE_LOAD_ACCESS,
						.stval = FRESH };

static void a_leaf_that_leads_nowhere_ends_the_life(void **state)
{
	/* Bits of the leaf's address: outside of RAM, and no address of a block. */
	static const struct flip flips[] = { { 1, 53 }, { 1, 42 }, { 1, 30 }, { 1, 18 }, { 1, 10 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flips); i++) {
		struct flip flip = flips[i];

		scene_start(&access_fault);
		assert_int_equal(host_live(map_and_flip, &flip, 0), HOST_RETURNED);
		view_take(&before);
		assert_int_equal(happens(&access_fault), HOST_ENDED);
		next_life();
		view_take(&now);
		assert_true(view_same(&before, &now, NULL, true));
	}
	/* Its own doing, as far as we know. */
	scene_start(&access_fault);
	assert_int_equal(happens(&access_fault), HOST_RETURNED);
	assert_int_equal(hart_of_guest()->csr.vscause, CAUSE_LOAD_ACCESS);
}

/* Nothing tells of it: the hart's next round finds it. The VM may have used what it was led to, and whose it is may have lost it. */
static void a_leaf_that_leads_to_other_memory_stops_the_vm(void **state)
{
	static const struct flip block = { 1, 23 };
	struct flip flip = block;

	(void)state;
	scene_start(&quiet);
	assert_int_equal(host_live(map_and_flip, &flip, 0), HOST_RETURNED);
	assert_int_equal(happens(&quiet), HOST_ENDED);
	next_life();
	assert_int_equal(vms[0]->s->run_state, VM_CRASHED);
	assert_int_equal(vms[0]->s->reason, VM_REASON_TABLES);
	assert_int_equal(vms[1]->s->run_state, VM_RUNNING);
}

static void map_and_flip_of_the_other(void *context)
{
	u64 *slot;

	(void)context;
	assert_int_equal(guest_ram_fault(vms[1], GPA(GUEST_RAM_BASE), false), 0);
	slot = gstage_walk(&vms[1]->gstage, GUEST_RAM_BASE, 1).slot;
	*slot ^= 1ull << 23;
}

/* Its guest makes none, but another VM's does, often enough. */
static void a_vm_that_makes_no_exit_is_looked_at(void **state)
{
	enum host_end end = HOST_RETURNED;

	(void)state;
	scene_start(&quiet);
	assert_int_equal(host_live(map_and_flip_of_the_other, NULL, 0), HOST_RETURNED);
	for (unsigned rounds = 0; rounds < 40 && end == HOST_RETURNED; rounds++)
		end = happens(&quiet);
	assert_int_equal(end, HOST_ENDED);
	next_life();
	assert_int_equal(vms[1]->s->reason, VM_REASON_TABLES);
}

/* The same with memory of another VM. */
static void map_of_the_other(void *context)
{
	const gpa_t at = GPA(FRESH);
	int error = gstage_map(&vms[0]->gstage, at, 1, HPA(vms[1]->config.extents[0].hpa), GSTAGE_ALL);

	(void)context;
	assert_int_equal(error, 0);
}

static void a_leaf_that_leads_to_another_vm_stops_both(void **state)
{
	(void)state;
	scene_start(&quiet);
	assert_int_equal(host_live(map_of_the_other, NULL, 0), HOST_RETURNED);
	assert_int_equal(happens(&quiet), HOST_ENDED);
	next_life();
	assert_int_equal(vms[0]->s->reason, VM_REASON_TABLES);
	assert_int_equal(vms[1]->s->reason, VM_REASON_TABLES);
}

/* The CSR of the hart that the guest is on is damaged before the exit: the life ends, and the guest has seen nothing. */
static void damage(const struct scene_exit *e, size_t csr)
{
	u64 *word;

	scene_start(e);
	view_take(&before);
	word = (u64 *)((u8 *)&hart_of_guest()->csr + csr);
	*word ^= 2;
	assert_int_equal(happens(e), HOST_ENDED);
	next_life();
	view_take(&now);
	assert_true(view_same(&before, &now, NULL, true));
}

static void damaged_rules_end_the_life(void **state)
{
	(void)state;
	damage(&page_fault, offsetof(struct exits_csrs, hgatp));
	damage(&nowhere, offsetof(struct exits_csrs, henvcfg));
	damage(&unknown_csr, offsetof(struct exits_csrs, henvcfg));
	damage(&unknown_csr, offsetof(struct exits_csrs, hcounteren));
	damage(&undelegated, offsetof(struct exits_csrs, hideleg));
	damage(&undelegated, offsetof(struct exits_csrs, hedeleg));
}

static void a_guest_that_does_wrong_is_told(void **state)
{
	(void)state;
	scene_start(&unknown_csr);
	assert_int_equal(happens(&unknown_csr), HOST_RETURNED);
	assert_int_equal(hart_of_guest()->csr.vscause, CAUSE_ILLEGAL);
	scene_start(&nowhere);
	assert_int_equal(happens(&nowhere), HOST_RETURNED);
	assert_int_equal(hart_of_guest()->csr.vscause, CAUSE_LOAD_ACCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_that_contradict_end_the_life_once),
		cmocka_unit_test(damaged_entries_end_the_life),
		cmocka_unit_test(a_leaf_that_leads_nowhere_ends_the_life),
		cmocka_unit_test(a_leaf_that_leads_to_other_memory_stops_the_vm),
		cmocka_unit_test(a_vm_that_makes_no_exit_is_looked_at),
		cmocka_unit_test(a_leaf_that_leads_to_another_vm_stops_both),
		cmocka_unit_test(damaged_rules_end_the_life),
		cmocka_unit_test(a_guest_that_does_wrong_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
