/* The root VM's requests: who may make them and when, and what others notice. */
#include "abi/guest.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/sbi.h"
#include "core/root/takeover.h"
#include "core/vcpu/sched.h"
#include "tests/exits/root_scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define FLOATING(n) (0x77ull << 48 | (n))

static void wrong_order(void **state)
{
	u64 value;

	(void)state;
	root_start();
	assert_int_equal(root_request(&root->vcpu[0], GUEST_INFO, &value), SBI_SUCCESS);
	assert_int_equal(value, GUEST_VERSION);
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, &value), SBI_ERR_FAILED);
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_ERR_FAILED);
	assert_int_equal(root->s->root_steps, 0);
	assert_true(root_all_run());
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_PREPARE, &value), SBI_SUCCESS);
	assert_int_equal(value, 0);
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_true(root_all_run());
	assert_false(exits_firmware.gone);
}

static void wrong_caller(void **state)
{
	u64 value;

	(void)state;
	root_start();
	for (u64 f = GUEST_ROOT_PREPARE; f <= GUEST_ROOT_DEVIRTUALISE; f++)
		assert_int_equal(root_request(&other->vcpu[0], f, &value), SBI_ERR_DENIED);
	assert_non_null(strstr(fixture_log(), "other: asks to devirtualise, and is not the root VM"));
	assert_int_equal(root->s->root_steps | other->s->root_steps, 0);
	/* The wrong vCPU of the root VM is told which is the right one, also when it has prepared everything. */
	value = 5;
	assert_int_equal(root_request(&root->vcpu[1], GUEST_ROOT_DEVIRTUALISE, &value), SBI_ERR_DENIED);
	assert_int_equal(value, 0);
	value = 5;
	assert_int_equal(root_request(&root->vcpu[1], GUEST_ROOT_PREPARE, &value), SBI_SUCCESS);
	assert_int_equal(value, 0);
	assert_true(root_all_run());
	assert_int_equal(root_request(&root->vcpu[1], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
	assert_int_equal(root_request(&root->vcpu[1], GUEST_ROOT_DEVIRTUALISE, &value), SBI_ERR_DENIED);
	assert_false(exits_firmware.gone);
}

static void log_is_not_filled(void **state)
{
	u64 lines = 0;

	(void)state;
	root_start();
	for (unsigned n = 0; n < 200; n++)
		assert_int_equal(root_request(&other->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_ERR_DENIED);
	for (const char *at = fixture_log(); (at = strstr(at, "asks to devirtualise")); at++)
		lines++;
	assert_in_range(lines, 1, 10);
}

static void suspend(void **state)
{
	(void)state;
	root_start();
	root_get_ready();
	assert_true(exits_hart_of(&root->vcpu[0]) >= 0);
	assert_int_equal(exits_hart_of(&root->vcpu[1]), -1);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	/* They would run, and nothing makes them. */
	assert_int_equal(root->vcpu[1].r->state, VCPU_RUNNABLE);
	vcpu_notify(&root->vcpu[1]);
	exits_schedule();
	exits_advance(1000000);
	assert_int_equal(exits_hart_of(&root->vcpu[1]), -1);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
	/* The root VM gives up: the others go on. */
	exits_harts[0].x[10] = 0;
	exits_harts[0].x[11] = 0;
	exits_harts[0].x[16] = 0;
	exits_harts[0].x[17] = SBI_EXT_SRST;
	exits_trap(0, CAUSE_ECALL_VS, 0, 0);
	exits_settle();
	assert_int_equal(root->s->root_steps, 0);
	assert_true(exits_hart_of(&other->vcpu[0]) >= 0);
}

/* The others are off their harts, the request is not answered yet, and the root VM is stopped. */
static void stopped_while_suspending(void **state)
{
	(void)state;
	root_start();
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
	root_ask(&root->vcpu[0], GUEST_ROOT_SUSPEND);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_int_equal(root->s->root_steps, ROOT_PREPARED);
	root_end();
	assert_int_equal(root->s->root_steps, 0);
	assert_true(exits_hart_of(&other->vcpu[0]) >= 0);
}

static void devirtualise(void **state)
{
	const struct warden_native *n = &exits_firmware.native;
	struct exits_hart *h;

	(void)state;
	root_start();
	root_get_ready();
	h = &exits_harts[0];
	/* Its first use of floating point. */
	h->csr.vsstatus = 0x200000000ull | SSTATUS_FS;
	exits_trap(0, CAUSE_ILLEGAL, 0, 0);
	h->csr.sstatus |= SSTATUS_FS;
	h->csr.vsstatus = 0x200000000ull | SSTATUS_SPP | SSTATUS_SUM;
	h->csr.vsie = 0x222;
	h->csr.vstvec = 0x1234560;
	h->csr.vsscratch = 0x77;
	h->csr.vsepc = 0x78;
	h->csr.vscause = 5;
	h->csr.vstval = 0x79;
	h->csr.vsatp = 0;
	h->csr.vstimecmp = 0x123456789;
	h->pc = ROOT_PC + 0x40;
	h->x[5] = 0x5555;
	for (unsigned i = 0; i < 32; i++)
		h->f[i] = FLOATING(i);
	assert_true(root_takes_machine());
	assert_int_equal(n->pc, ROOT_PC + 0x44);
	assert_int_equal(n->x[10] | n->x[11], 0);
	assert_int_equal(n->x[5], 0x5555);
	assert_int_equal(n->x[17], GUEST_EXT);
	assert_int_equal(n->sstatus, 0x200000000ull | SSTATUS_SPP | SSTATUS_SUM);
	assert_int_equal(n->sie, 0x222);
	assert_int_equal(n->stvec, 0x1234560);
	assert_int_equal(n->sscratch, 0x77);
	assert_int_equal(n->sepc, 0x78);
	assert_int_equal(n->scause, 5);
	assert_int_equal(n->stval, 0x79);
	assert_int_equal(n->stimecmp, 0x123456789);
	for (unsigned i = 1; i < ROOT_HARTS; i++) {
		assert_int_equal(exits_harts[i].where, EXITS_OFF);
		assert_int_equal(exits_harts[i].csr.hgatp | exits_harts[i].csr.hideleg, 0);
	}
	/* Floating point and vectors are in the hart. */
	for (u64 i = 0; i < 32; i++)
		assert_int_equal(h->f[i], FLOATING(i));
}

/* The hypervisor goes on as before, and so may the guest: it asks once more. */
static void refused(void **state)
{
	(void)state;
	root_start();
	root_get_ready();
	exits_firmware.refuses = SBI_ERR_INVALID_PARAM;
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_false(exits_firmware.gone);
	for (unsigned i = 1; i < ROOT_HARTS; i++)
		assert_int_equal(exits_harts[i].where, EXITS_WFI);
	exits_firmware.refuses = 0;
	assert_true(root_takes_machine());
}

static void a_hart_that_stays(void **state)
{
	(void)state;
	root_start();
	root_get_ready();
	exits_firmware.stuck = 4;
	host->time_step = 10000;
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_false(exits_firmware.gone);
	assert_non_null(strstr(fixture_log(), "hart 2 does not leave"));
	for (unsigned i = 1; i < ROOT_HARTS; i++)
		assert_int_equal(exits_harts[i].where, EXITS_WFI);
	exits_firmware.stuck = 0;
	assert_true(root_takes_machine());
}

static void clock_of_its_own(void **state)
{
	(void)state;
	root_start();
	root_get_ready();
	root->s->guest_offset = 1;
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_false(exits_firmware.gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_order),
		cmocka_unit_test(wrong_caller),
		cmocka_unit_test(log_is_not_filled),
		cmocka_unit_test(suspend),
		cmocka_unit_test(stopped_while_suspending),
		cmocka_unit_test(devirtualise),
		cmocka_unit_test(refused),
		cmocka_unit_test(a_hart_that_stays),
		cmocka_unit_test(clock_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
