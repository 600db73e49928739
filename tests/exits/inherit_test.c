/* A root VM that inherits the machine from a life that has crashed: how it is told, and what follows if it does not. */
#include "abi/guest.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/sbi.h"
#include "core/root/takeover.h"
#include "tests/exits/root_scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void crash_and_adopt(void)
{
	unsigned idle = 0;

	while (exits_harts[idle].where != EXITS_WFI)
		assert_true(++idle < ROOT_HARTS);
	exits_stop(idle);
	exits_heir(idle);
	root_find();
}

static void strike(void **state)
{
	struct exits_hart *h;

	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	exits_harts[0].csr.vstvec = ROOT_VECTOR;
	exits_harts[0].csr.vsstatus |= SSTATUS_SIE;
	exits_harts[0].pc = ROOT_PC + 8;
	crash_and_adopt();
	h = &exits_harts[0];
	assert_int_equal(exits_hart_of(&root->vcpu[0]), 0);
	assert_int_equal(h->pc, ROOT_VECTOR);
	assert_int_equal(h->csr.vsepc, ROOT_PC + 8);
	assert_int_equal(h->csr.vscause, CAUSE_BREAKPOINT);
	assert_int_equal(h->csr.vsstatus & (SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE),
			 SSTATUS_SPP | SSTATUS_SPIE);
	/* Its other vCPUs hear of the panic, the other VM does not run any more. */
	assert_int_equal(exits_hart_of(&root->vcpu[1]), 1);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	/* Another crash on the way does not begin it again. */
	h->pc = ROOT_VECTOR + 0x20;
	crash_and_adopt();
	assert_int_equal(exits_harts[0].pc, ROOT_VECTOR + 0x20);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	root_get_ready();
	assert_true(root_takes_machine());
}

/* Just trapped: what its handler saves first must not be lost, so it gets on before it is struck. */
static void strike_in_trap_entry(void **state)
{
	struct exits_hart *h;

	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	exits_harts[0].csr.vstvec = ROOT_VECTOR;
	exits_harts[0].pc = ROOT_VECTOR + 16;
	crash_and_adopt();
	h = &exits_harts[0];
	assert_int_equal(h->pc, ROOT_VECTOR + 16);
	assert_int_equal(root->s->root_steps, ROOT_INHERITS);
	exits_advance(estate.machine.timebase / 1000);
	assert_int_equal(h->pc, ROOT_VECTOR + 16);
	h->pc = ROOT_VECTOR + 0x1000;
	exits_advance(estate.machine.timebase / 1000);
	assert_int_equal(h->pc, ROOT_VECTOR);
	assert_int_equal(h->csr.vsepc, ROOT_VECTOR + 0x1000);
	assert_int_equal(root->s->root_steps, ROOT_INHERITS | ROOT_STRUCK);
}

/* One that never gets further. */
static void strike_in_trap_loop(void **state)
{
	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	exits_harts[0].csr.vstvec = ROOT_VECTOR;
	exits_harts[0].pc = ROOT_VECTOR + 16;
	crash_and_adopt();
	for (unsigned n = 0; n < 2000 && !(root->s->root_steps & ROOT_STRUCK); n++)
		exits_advance(estate.machine.timebase / 1000);
	assert_true(root->s->root_steps & ROOT_STRUCK);
}

static void a_while(void *seconds)
{
	exits_advance(*(u64 *)seconds * estate.machine.timebase);
}

static bool is_reset_within(u64 seconds)
{
	return host_live(a_while, &seconds, 0) == HOST_RESET;
}

static void reboot_in_place_of_it(void **state)
{
	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	crash_and_adopt();
	root_end();
	assert_non_null(
		strstr(fixture_log(), "does not take the machine over: it ends; the machine is reset"));
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_true(is_reset_within(2));
}

static void root_that_does_not_run(void **state)
{
	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	root_end();
	crash_and_adopt();
	assert_non_null(strstr(fixture_log(), "does not take the machine over: its boot hart does not run"));
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_true(is_reset_within(2));
}

/* A kernel that panics without an end: no crash kernel, no panic timeout. */
static void root_that_hangs(void **state)
{
	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	crash_and_adopt();
	assert_false(is_reset_within(500));
	assert_true(is_reset_within(200));
}

/* The same, but it has begun with its requests: a crash kernel may dump as a guest for as long as it likes. */
static void root_that_dumps_as_a_guest(void **state)
{
	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	crash_and_adopt();
	assert_int_equal(root_request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
	assert_false(is_reset_within(5000));
	root_end();
	assert_true(is_reset_within(2));
}

/* Recovering has been tried often enough: the next policy. */
static void too_many_crashes(void **state)
{
	(void)state;
	root_start();
	root_set_policy(CRASH_RECOVER);
	for (unsigned n = 0; n < 5; n++) {
		crash_and_adopt();
		assert_true(root_all_run());
		assert_int_equal(root->s->root_steps, 0);
	}
	crash_and_adopt();
	assert_int_equal(root->s->root_steps, ROOT_INHERITS | ROOT_STRUCK);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
}

static void policies(void **state)
{
	(void)state;
	root_start();
	root_set_policy(CRASH_DEVIRTUALISE);
	assert_int_equal(takeover_policy(), CRASH_DEVIRTUALISE);
	root->config.flags = 0;
	assert_int_equal(takeover_policy(), CRASH_RESET);
	assert_string_equal(takeover_missing(), "there is no root VM");
	assert_int_equal(takeover_heirs(), 0);
	root_set_policy(CRASH_RECOVER);
	assert_int_equal(takeover_heirs(), 5);
	root->config.flags = VM_ROOT;
	assert_int_equal(takeover_heirs(), 6);
	root_set_policy(CRASH_HALT);
	assert_int_equal(takeover_policy(), CRASH_HALT);
	assert_int_equal(takeover_heirs(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strike),
		cmocka_unit_test(strike_in_trap_entry),
		cmocka_unit_test(strike_in_trap_loop),
		cmocka_unit_test(reboot_in_place_of_it),
		cmocka_unit_test(root_that_does_not_run),
		cmocka_unit_test(root_that_hangs),
		cmocka_unit_test(root_that_dumps_as_a_guest),
		cmocka_unit_test(too_many_crashes),
		cmocka_unit_test(policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
