/* The history of lives: what each leaves of itself, and its heir of its end. */
#include "core/estate/estate.h"
#include "core/lib/log.h"
#include "core/survive/life.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void lives_are_numbered(void **state)
{
	(void)state;
	fixture_start();
	fixture_run(fixture_vm(NULL));
	assert_int_equal(life_number(), 1);
	assert_null(life_before());
	/* More than the history holds. */
	for (u64 n = 1; n < LIFE_COUNT + 10; n++) {
		fixture_die(LIFE_PANIC, "again");
		fixture_heir();
		assert_int_equal(life_number(), n + 1);
		assert_int_equal(life_before()->number, n);
		assert_ptr_equal(estate_newest_life(), estate_life(n + 1));
		assert_int_equal(vms[0]->s->run_state, VM_RUNNING);
	}
}

static void an_end_is_recorded(void **state)
{
	const struct life_record *dead;
	u64 fault, head;

	(void)state;
	fixture_start();
	fixture_run(fixture_vm(NULL));
	fault = host->now;
	fixture_die(LIFE_HANG, "hart 1 is silent");
	estate.harts[1].found.pc = estate_newest_life()->slot + 0x20;
	estate.harts[1].found.stval = 0x1234;
	fixture_heir();
	dead = life_before();
	assert_int_equal(dead->cause, LIFE_HANG);
	assert_int_equal(dead->crash_hart, 1);
	assert_int_equal(dead->crash_pc, 0x20);
	assert_int_equal(dead->crash_value, 0x1234);
	assert_string_equal(dead->text, "hart 1 is silent");
	assert_int_equal(dead->t_fault, fault);
	assert_int_equal(dead->t_stopped, fault + 10);
	assert_int_equal(dead->vms_adopted, 1);
	assert_int_equal(dead->vms_lost, 0);
	assert_int_equal(estate.warden->valid, 0);
	/* Complete with the last vCPU that ran. */
	assert_int_equal(dead->t_last_guest, 0);
	for (u32 n = 0; n < vms[0]->config.vcpus; n++) {
		assert_int_equal(vms[0]->vcpu[n].expected, 1);
		host->now += 5;
		life_vcpu_back(&vms[0]->vcpu[n]);
		assert_int_equal(vms[0]->vcpu[n].expected, 0);
	}
	assert_int_equal(dead->t_first_guest, fault + 105);
	assert_int_equal(dead->t_last_guest, host->now);
	/* It is told when a hart has time for it, and once. */
	head = log_head();
	life_poll();
	assert_int_not_equal(log_head(), head);
	head = log_head();
	life_poll();
	assert_int_equal(log_head(), head);
}

static void an_heir_that_died_before_its_duty(void **state)
{
	(void)state;
	fixture_start();
	fixture_die(LIFE_TRAP, "first");
	fixture_heir();
	/* The warden's record has been taken: this one died without a word. */
	fixture_heir();
	assert_int_equal(life_before()->cause, LIFE_ADOPTION);
	assert_int_equal(estate_life(1)->cause, LIFE_TRAP);
}

/* The text is an enemy's, as is every number. */
static void hostile_record(void **state)
{
	(void)state;
	fixture_start();
	fixture_die(77, "a\nb\x7f\x01 c");
	estate.warden->hart = ~0ull;
	fixture_heir();
	assert_string_equal(life_before()->text, "a?b?? c");
	assert_string_equal(life_cause_text(life_before()->cause), "unknown");
	fixture_die(LIFE_PANIC, "x");
	memset(estate.warden->text, 'y', sizeof(estate.warden->text));
	estate.warden->text_size = ~0ull;
	fixture_heir();
	assert_int_equal(strnlen(life_before()->text, sizeof(life_before()->text)),
			 sizeof(life_before()->text) - 1);
}

/* A number in the wrong slot of the ring is damage, not the newest life. */
static void a_wrong_number_in_the_history(void **state)
{
	(void)state;
	fixture_start();
	estate.lives[5].number = 1000000;
	fixture_die(LIFE_PANIC, "x");
	fixture_heir();
	assert_int_equal(life_number(), 2);
	assert_int_equal(life_before()->number, 1);
}

static void an_update_is_no_crash(void **state)
{
	const struct life_record *dead;

	(void)state;
	fixture_start();
	fixture_run(fixture_vm(NULL));
	life_set_build(0x1111111111111111);
	fixture_die(LIFE_UPDATE, "");
	fixture_heir();
	life_set_build(0x2222222222222222);
	dead = life_before();
	assert_int_equal(life_update_role(), WARDEN_UPDATE_TRIAL);
	assert_int_equal(dead->cause, LIFE_UPDATE);
	assert_int_equal(dead->undone, 0);
	assert_int_equal(dead->build, 0x1111111111111111);
	assert_int_equal(estate_newest_life()->build, 0x2222222222222222);
	assert_string_equal(dead->text, "from build 1111111111111111 to build 2222222222222222");
	assert_false(life_has_crashed(dead));
	/* What follows is an ordinary crash again. */
	fixture_die(LIFE_TRAP, "x");
	fixture_heir();
	assert_int_equal(life_update_role(), WARDEN_UPDATE_NONE);
	assert_true(life_has_crashed(life_before()));
}

/* The life on trial had begun its record. */
static void an_update_is_rolled_back(void **state)
{
	(void)state;
	fixture_start();
	fixture_die(LIFE_UPDATE, "");
	fixture_heir();
	fixture_die(LIFE_ADOPTION, "cannot");
	estate.warden->update = WARDEN_UPDATE_UNDONE;
	fixture_heir();
	assert_int_equal(life_number(), 3);
	assert_int_equal(estate_life(1)->cause, LIFE_UPDATE);
	assert_int_equal(estate_life(1)->undone, 0);
	assert_int_equal(life_before()->number, 2);
	assert_int_equal(life_before()->cause, LIFE_ADOPTION);
	assert_int_equal(life_before()->undone, 1);
	assert_string_equal(life_before()->text, "cannot");
	assert_false(life_has_crashed(life_before()));
}

/* It had not: the newest record is that of the life before, and both get theirs. */
static void an_update_that_never_came_to_anything(void **state)
{
	u64 update;

	(void)state;
	fixture_start();
	fixture_run(fixture_vm(NULL));
	update = host->now;
	fixture_die(LIFE_ADOPTION, "");
	estate.warden->update = WARDEN_UPDATE_UNDONE;
	estate.warden->t_update = update;
	estate.warden->t_fault = update + 20000000;
	/* The life on trial was in the second slot: its heir is in the first again. */
	fixture_life++;
	fixture_heir();
	assert_int_equal(life_number(), 3);
	assert_int_equal(estate_life(1)->cause, LIFE_UPDATE);
	assert_int_equal(estate_life(1)->t_fault, update);
	assert_int_equal(life_before()->number, 2);
	assert_int_equal(life_slot(life_before()), 1);
	assert_int_equal(life_before()->t_fault, update + 20000000);
	assert_int_equal(life_before()->undone, 1);
	assert_string_equal(life_before()->text, "it did not report for duty in time");
	assert_int_equal(vms[0]->s->run_state, VM_RUNNING);
}

static void causes_have_names(void **state)
{
	(void)state;
	for (u64 cause = LIFE_RUNNING; cause <= LIFE_ADOPTION; cause++)
		assert_string_not_equal(life_cause_text(cause), "unknown");
	assert_string_equal(life_cause_text(LIFE_ADOPTION + 1), "unknown");
	assert_string_equal(life_cause_text(~0ull), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives_are_numbered),
		cmocka_unit_test(an_end_is_recorded),
		cmocka_unit_test(an_heir_that_died_before_its_duty),
		cmocka_unit_test(hostile_record),
		cmocka_unit_test(a_wrong_number_in_the_history),
		cmocka_unit_test(an_update_is_no_crash),
		cmocka_unit_test(an_update_is_rolled_back),
		cmocka_unit_test(an_update_that_never_came_to_anything),
		cmocka_unit_test(causes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
