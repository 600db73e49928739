/* The fixture itself: a life can die at any store, and its heir starts from nothing but the estate. */
#include "core/lib/check.h"
#include "core/lib/log.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static unsigned volatile_count;
HOST_KEEP static unsigned kept_count;

static void count_and_store(void *context)
{
	struct vm *vm = context;
	struct txn *t = arch_txn();

	volatile_count++;
	kept_count++;
	txn_set(t, &vm->s->boots, 7);
	txn_set(t, &vm->s->reason, VM_REASON_REBOOT);
	txn_commit(t);
}

static void a_life_dies_at_every_store(void **state)
{
	unsigned lives = 0;
	u64 n = 1;

	(void)state;
	for (;; n++) {
		struct vm_state *s;

		fixture_start();
		fixture_run(fixture_vm(NULL));
		if (host_live(count_and_store, vms[0], n) != HOST_DIED)
			break;
		assert_int_equal(volatile_count, 1);
		fixture_heir();
		assert_int_equal(volatile_count, 0);
		assert_non_null(vms[0]);
		s = vms[0]->s;
		assert_true((s->boots == 0 && s->reason == 0) ||
			    (s->boots == 7 && s->reason == VM_REASON_REBOOT));
		assert_int_equal(s->run_state, VM_RUNNING);
		lives++;
	}
	/* Two words of two parts, the count, two applied, the count again. */
	assert_int_equal(lives, 8);
	assert_int_equal(kept_count, 9);
	assert_int_equal(host_stores(), 8);
}

static void panics(void *context)
{
	(void)context;
	panic("number %d", 42);
}

static void a_panic_ends_a_life(void **state)
{
	(void)state;
	fixture_start();
	assert_int_equal(host_live(panics, NULL, 0), HOST_ENDED);
	assert_int_equal(host->cause, LIFE_PANIC);
	assert_string_equal(host->text, "number 42");
	fixture_heir();
	assert_non_null(strstr(fixture_log(), "h0: panic: number 42\n"));
}

static void vms_survive_ten_lives(void **state)
{
	struct vm_config large = { .memory = MIB(128), .vcpus = 3, .name = "large" };

	(void)state;
	fixture_start();
	fixture_run(fixture_vm(&large));
	fixture_run(fixture_vm(NULL));
	for (unsigned n = 0; n < 10; n++) {
		fixture_heir();
		assert_string_equal(vms[0]->config.name, "large");
		assert_int_equal(vms[0]->config.memory, MIB(128));
		assert_ptr_equal(idmap_find(&vms[0]->ids, 2), &vms[0]->vcpu[2]);
		assert_null(idmap_find(&vms[1]->ids, 2));
		assert_int_equal(vms[1]->s->first_vcpu, 3);
	}
	assert_int_equal(fixture_life, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_life_dies_at_every_store),
		cmocka_unit_test(a_panic_ends_a_life),
		cmocka_unit_test(vms_survive_ten_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
