/* What an heir makes of vCPUs that were on their way, of harts that do not come, and of damaged transactions. */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "core/vcpu/sched.h"
#include "tests/exits/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct scene_exit wait = {
	.name = "wfi", .scene = SCENE_ALONE, .cause = CAUSE_VIRTUAL_INSTRUCTION, .stval = 0x10500073
};

static void perform(void *context)
{
	scene_perform(context);
}

/* The life ends with vCPU 0 of VM 0 waiting, and still in its hart. Returns the hart. */
static unsigned end_while_it_waits(void)
{
	for (u64 store = 1;; store++) {
		scene_start(&wait);
		assert_int_equal(host_live(perform, (void *)(uintptr_t)&wait, store), HOST_DIED);
		if (vms[0]->vcpu[0].r->state == VCPU_WAITING && !estate.harts[host_hart].redo.count) {
			assert_int_equal(estate.harts[host_hart].vcpu, vms[0]->vcpu[0].index);
			return host_hart;
		}
	}
}

/* It sleeps on in the heir, once: others are woken before it, and it is woken. */
static void one_that_waits_sleeps_on(void **state)
{
	unsigned hart = end_while_it_waits();
	int other;

	(void)state;
	exits_stop(hart);
	exits_heir(hart);
	assert_int_equal(exits_hart_of(&vms[0]->vcpu[0]), -1);
	other = exits_hart_of(&vms[1]->vcpu[0]);
	assert_true(other >= 0);
	exits_harts[other].csr.vstimecmp = host->now + 100;
	exits_trap((unsigned)other, CAUSE_VIRTUAL_INSTRUCTION, 0x10500073, 0);
	assert_int_equal(exits_hart_of(&vms[1]->vcpu[0]), -1);
	exits_advance(100);
	assert_true(exits_hart_of(&vms[1]->vcpu[0]) >= 0);
	assert_int_equal(exits_hart_of(&vms[0]->vcpu[0]), -1);
	exits_advance(1ull << 50);
	assert_true(exits_hart_of(&vms[0]->vcpu[0]) >= 0);
}

/* What came while it was on its way is not lost. */
static void one_that_waits_is_woken_by_what_came(void **state)
{
	unsigned hart = end_while_it_waits();

	(void)state;
	vms[0]->vcpu[0].r->ipi = 1;
	exits_stop(hart);
	exits_heir(hart);
	assert_true(exits_hart_of(&vms[0]->vcpu[0]) >= 0);
	assert_true(exits_harts[exits_hart_of(&vms[0]->vcpu[0])].csr.hvip & IRQ_VSSI);
}

static unsigned start_and_stop(void)
{
	unsigned hart;

	scene_start(&wait);
	hart = (unsigned)exits_hart_of(&vms[0]->vcpu[0]);
	exits_harts[hart].csr.sepc = exits_harts[hart].pc;
	exits_harts[hart].where = EXITS_HS;
	entry_execute(&exits_harts[hart], host_slot(1) + KIB(4), entry_length());
	exits_stop(hart);
	return hart;
}

static void a_damaged_transaction_is_emptied(void **state)
{
	struct redo_entry *redo;
	unsigned hart;

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		hart = start_and_stop();
		redo = &estate.harts[hart].redo;
		redo->count = kind == 0 ? REDO_MAX + 1 : 2;
		redo->op[0] = (struct redo_op){ (u64)&vms[0]->s->boots, 77 };
		/* Unaligned, in a cold record, outside. */
		redo->op[1].word = kind == 1   ? redo->op[0].word + 1
				   : kind == 2 ? (u64)estate_vm(0)->config[0]
					       : estate.base + estate.size;
		exits_heir(hart);
		assert_int_equal(vms[0]->s->boots, 0);
		assert_int_equal(estate.harts[hart].redo.count, 0);
		assert_non_null(strstr(fixture_log(), "its transaction is damaged"));
		assert_true(exits_hart_of(&vms[0]->vcpu[0]) >= 0);
	}
}

/* A hart that did not answer has registers that nobody knows: its VM is lost, the other goes on. */
static void a_hart_that_does_not_answer(void **state)
{
	unsigned hart = start_and_stop();
	unsigned silent = (unsigned)exits_hart_of(&vms[1]->vcpu[0]);

	(void)state;
	estate.harts[silent].found.state = FOUND_NO_SHOW;
	exits_harts[silent].where = EXITS_OFF;
	exits_firmware.late = true;
	exits_harts[silent].where = EXITS_HS;
	exits_heir(hart);
	assert_null(vms[1]);
	assert_int_equal(estate_vm(1)->state.run_state, VM_CRASHED);
	assert_int_equal(estate_vm(1)->state.reason, VM_REASON_RECORD);
	assert_non_null(vms[0]);
	assert_true(exits_hart_of(&vms[0]->vcpu[0]) >= 0);
}

static void a_vm_with_a_parked_vcpu_ends(void **state)
{
	static const struct {
		enum vcpu_park_reason park;
		enum vm_stop_reason reason;
	} table[] = {
		{ PARK_MEMORY, VM_REASON_MEMORY },
		{ PARK_TABLES, VM_REASON_TABLES },
		{ PARK_UNHANDLED, VM_REASON_UNHANDLED },
	};

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(table); n++) {
		unsigned hart = start_and_stop();

		vms[0]->vcpu[0].r->park_reason = table[n].park;
		vms[0]->vcpu[0].r->state = VCPU_PARKED;
		exits_heir(hart);
		assert_int_equal(vms[0]->s->run_state, VM_CRASHED);
		assert_int_equal(vms[0]->s->reason, table[n].reason);
		assert_int_equal(vms[1]->s->run_state, VM_RUNNING);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_waits_sleeps_on),
		cmocka_unit_test(one_that_waits_is_woken_by_what_came),
		cmocka_unit_test(a_damaged_transaction_is_emptied),
		cmocka_unit_test(a_hart_that_does_not_answer),
		cmocka_unit_test(a_vm_with_a_parked_vcpu_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
