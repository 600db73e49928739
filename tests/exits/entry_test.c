/*
 * The trap entry: a life ends at each of its instructions, and the heir puts the guest's registers together from what was
 * in the record by then and what the warden found in the hart.
 */
#include "arch/riscv64/csr.h"
#include "tests/exits/scene.h"
#include "tests/exits/view.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define CODE(life) (host_slot(life) + KIB(4)) /* where exits.c has the entry */

HOST_KEEP static struct view before, now;

static const struct scene_exit quiet = { .name = "an interrupt", .cause = SCAUSE_INTERRUPT | 1 };

/* The guest on the hart traps, and the life ends before instruction `end` of the entry. */
static void trap_until(unsigned n, unsigned end)
{
	struct exits_hart *h = &exits_harts[n];

	h->csr.scause = quiet.cause;
	h->csr.sepc = h->pc;
	h->where = EXITS_HS;
	entry_execute(h, CODE(fixture_life), end);
}

static unsigned start_scene(void)
{
	int n;

	scene_start(&quiet);
	view_take(&before);
	n = exits_hart_of(&vms[0]->vcpu[0]);
	assert_true(n >= 0);
	return (unsigned)n;
}

static void assert_recovered(unsigned end)
{
	view_take(&now);
	if (!view_same(&before, &now, NULL, true))
		fail_msg("registers are lost at instruction %u of the entry", end);
}

static void labels_are_in_order(void **state)
{
	unsigned label[4];

	(void)state;
	entry_labels(label);
	assert_int_equal(label[0], 0);
	assert_true(label[0] < label[1] && label[1] < label[2] && label[2] < label[3]);
	assert_int_equal(label[3], entry_length());
}

static void every_instruction(void **state)
{
	(void)state;
	for (unsigned end = 0; end <= entry_length(); end++) {
		unsigned hart = start_scene();

		trap_until(hart, end);
		exits_stop(hart);
		exits_heir(hart);
		assert_recovered(end);
	}
}

/* The hart in the entry is not the one that the heir starts on; it is sent for. */
static void every_instruction_of_another_hart(void **state)
{
	(void)state;
	for (unsigned end = 0; end <= entry_length(); end++) {
		unsigned hart = start_scene();
		unsigned boot = (unsigned)exits_hart_of(&vms[1]->vcpu[0]);

		trap_until(hart, end);
		exits_harts[boot].csr.sepc = exits_harts[boot].pc;
		exits_harts[boot].where = EXITS_HS;
		entry_execute(&exits_harts[boot], CODE(fixture_life), entry_length() / 2);
		exits_firmware.late = end % 2;
		exits_stop(boot);
		exits_heir(boot);
		assert_recovered(end);
	}
}

static void heir(void *context)
{
	exits_heir(*(unsigned *)context);
}

/* Heirs die before they have come to the hart: what the warden found belongs to a life two or three back. */
static void heirs_that_die_first(void **state)
{
	(void)state;
	for (unsigned end = 0; end <= entry_length(); end++) {
		unsigned hart = start_scene();
		unsigned boot = (unsigned)exits_hart_of(&vms[1]->vcpu[0]);

		trap_until(hart, end);
		exits_harts[boot].csr.sepc = exits_harts[boot].pc;
		exits_harts[boot].where = EXITS_HS;
		entry_execute(&exits_harts[boot], CODE(fixture_life), entry_length());
		for (unsigned n = 0; n < 1 + end % 3; n++) {
			exits_stop(boot);
			assert_int_equal(host_live(heir, &boot, 20 + 9 * end % 100), HOST_DIED);
			boot = host_hart;
		}
		exits_stop(boot);
		exits_heir(boot);
		assert_recovered(end);
	}
}

/* Instruction `end` traps: the hart comes to where stvec leads, with what a trap out of HS-mode leaves. */
static void trap_in_entry(unsigned n, unsigned end)
{
	struct exits_hart *h = &exits_harts[n];
	bool is_caught = end >= entry_caught_from();

	trap_until(n, end);
	h->csr.sepc = h->pc;
	h->csr.scause = 13;
	h->csr.hstatus &= ~HSTATUS_SPV;
	h->csr.sstatus |= SSTATUS_SPP;
	h->pc = CODE(fixture_life);
	if (is_caught)
		h->pc -= end % 2 ? LIFE_ENTRY_CAUGHT : LIFE_ENTRY_CAUGHT / 2;
}

static void a_trap_in_the_entry_is_caught(void **state)
{
	(void)state;
	for (unsigned end = entry_caught_from(); end <= entry_length(); end++) {
		unsigned hart = start_scene();

		trap_in_entry(hart, end);
		/* What the entry has loaded by then is its own. */
		exits_harts[hart].x[4] = exits_harts[hart].x[5] = exits_harts[hart].x[10] = 0xbad;
		exits_stop(hart);
		exits_heir(hart);
		assert_recovered(end);
	}
}

/* Its registers are gone: that VM ends with its reason, whichever hart it was on, and the others go on. */
static void a_trap_before_that_costs_the_vm(void **state)
{
	(void)state;
	for (unsigned end = 0; end < entry_caught_from(); end++) {
		unsigned hart = start_scene();
		unsigned boot = (unsigned)exits_hart_of(&vms[1]->vcpu[0]);

		trap_in_entry(hart, end);
		exits_harts[boot].csr.sepc = exits_harts[boot].pc;
		exits_harts[boot].where = EXITS_HS;
		entry_execute(&exits_harts[boot], CODE(fixture_life), entry_length());
		exits_stop(hart);
		exits_heir(end % 2 ? boot : hart);
		assert_int_equal(vms[0]->s->run_state, VM_CRASHED);
		assert_int_equal(vms[0]->s->reason, VM_REASON_RECORD);
		assert_int_equal(vms[1]->s->run_state, VM_RUNNING);
	}
}

/* In and out again: nothing of the guest's changes, and nothing of it is taken from anywhere but the record. */
static void guest_enter_loads_what_guest_exit_saves(void **state)
{
	struct vcpu_record record, copy;
	struct exits_hart h;

	(void)state;
	memset(&record, 0, sizeof(record));
	memset(&h, 0, sizeof(h));
	for (unsigned n = 1; n < 32; n++)
		record.x[n] = 0x1000 + n;
	record.pc = 0x80001234;
	record.hstatus = HSTATUS_SPV;
	record.sstatus = SSTATUS_SPP;
	copy = record;
	host_start(MIB(64), 1);
	entry_enter(&h, &record);
	assert_memory_equal(&record, &copy, sizeof(record));
	assert_memory_equal(&h.x[1], &record.x[1], sizeof(h.x) - sizeof(h.x[0]));
	assert_int_equal(h.csr.sepc, record.pc);
	assert_int_equal(h.csr.hstatus, record.hstatus);
	assert_int_equal(h.csr.sstatus, record.sstatus);
	assert_int_equal(h.csr.sscratch, (u64)(uintptr_t)&record);
	memset(&record, 0, sizeof(record));
	entry_execute(&h, 0, entry_length());
	assert_memory_equal(&record, &copy, sizeof(record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_in_order),
		cmocka_unit_test(every_instruction),
		cmocka_unit_test(every_instruction_of_another_hart),
		cmocka_unit_test(heirs_that_die_first),
		cmocka_unit_test(a_trap_in_the_entry_is_caught),
		cmocka_unit_test(a_trap_before_that_costs_the_vm),
		cmocka_unit_test(guest_enter_loads_what_guest_exit_saves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
