/* The id map. Each mistake that a published implementation made has a test here (spec: which vCPU is hart N). */
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/memory/pages.h"
#include "core/vcpu/idmap.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct idmap map;
static struct vcpu a, b, c;

static int setup(void **state)
{
	(void)state;
	fixture_start();
	memset(&map, 0, sizeof(map));
	a.id = b.id = c.id = VCPU_NO_ID;
	return 0;
}

static int set(struct vcpu *v, u64 id)
{
	return idmap_set(&map, v, &v->id, id);
}

static void drop(struct vcpu *v)
{
	idmap_drop(&map, v, &v->id);
}

static void a_new_vcpu_has_no_id(void **state)
{
	(void)state;
	assert_true(VCPU_NO_ID >= MAX_VCPU_ID);
	for (u64 id = 0; id < MAX_VCPU_ID; id++)
		assert_null(idmap_find(&map, id));
	assert_null(idmap_find(&map, VCPU_NO_ID));
	/* To drop what was never set harms nobody. */
	assert_int_equal(set(&a, 0), 0);
	drop(&b);
	assert_ptr_equal(idmap_find(&map, 0), &a);
}

/* The published mistake: 0 taken for "unset". */
static void zero_is_a_real_id(void **state)
{
	(void)state;
	assert_int_equal(set(&a, 0), 0);
	assert_int_equal(a.id, 0);
	assert_ptr_equal(idmap_find(&map, 0), &a);
	assert_int_equal(set(&b, 0), -EEXIST);
	assert_int_equal(set(&a, 5), -EBUSY);
	assert_ptr_equal(idmap_find(&map, 0), &a);
	assert_null(idmap_find(&map, 5));
	assert_int_equal(b.id, VCPU_NO_ID);
}

/* The published mistake: the wrong register was compared. The key is the id, not an index, a state or a neighbour. */
static void the_key_is_the_id_itself(void **state)
{
	(void)state;
	assert_int_equal(set(&a, 4095), 0);
	assert_int_equal(set(&b, 1), 0);
	assert_int_equal(set(&c, 513), 0);
	for (u64 id = 0; id < MAX_VCPU_ID; id++) {
		const struct vcpu *want = id == 4095 ? &a : id == 1 ? &b : id == 513 ? &c : NULL;

		assert_ptr_equal(idmap_find(&map, id), want);
	}
}

/* The published mistake: a lookup without a bound. */
static void lookup_and_set_are_bounded(void **state)
{
	static const u64 outside[] = {
		MAX_VCPU_ID, MAX_VCPU_ID + 1, MAX_VCPU_ID * 2, 1ull << 32, (1ull << 32) + 1,
		1ull << 63,  ~0ull,	      ~0ull - 1,       (u64)-4096,
	};

	(void)state;
	assert_int_equal(set(&b, 0), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(outside); i++) {
		assert_null(idmap_find(&map, outside[i]));
		assert_int_equal(set(&a, outside[i]), -ERANGE);
		assert_int_equal(a.id, VCPU_NO_ID);
		assert_int_equal(set(&b, outside[i]), -ERANGE);
		assert_int_equal(b.id, 0);
	}
	assert_ptr_equal(idmap_find(&map, 0), &b);
}

static void the_same_id_again_changes_nothing(void **state)
{
	size_t pages;

	(void)state;
	assert_int_equal(set(&a, 7), 0);
	pages = pages_free();
	assert_int_equal(set(&a, 7), 0);
	assert_int_equal(set(&a, 8), -EBUSY);
	assert_int_equal(set(&a, 2000), -EBUSY);
	assert_int_equal(a.id, 7);
	assert_null(idmap_find(&map, 8));
	assert_null(idmap_find(&map, 2000));
	assert_int_equal(pages_free(), pages);
}

static void an_id_has_one_owner(void **state)
{
	(void)state;
	assert_int_equal(set(&a, 3), 0);
	assert_int_equal(set(&b, 3), -EEXIST);
	assert_int_equal(b.id, VCPU_NO_ID);
	drop(&b);
	assert_ptr_equal(idmap_find(&map, 3), &a);
	/* An id of another map is another id. */
	{
		struct idmap other = { 0 };

		assert_int_equal(idmap_set(&other, &b, &b.id, 3), 0);
		assert_ptr_equal(idmap_find(&other, 3), &b);
		assert_ptr_equal(idmap_find(&map, 3), &a);
	}
}

/* The published mistake: what the vCPU owns was freed before its id was released. */
static void a_dropped_id_is_gone_and_free(void **state)
{
	(void)state;
	assert_int_equal(set(&a, 3), 0);
	drop(&a);
	assert_int_equal(a.id, VCPU_NO_ID);
	assert_null(idmap_find(&map, 3));
	drop(&a);
	assert_int_equal(set(&b, 3), 0);
	/* A second drop of the old owner does not take it from the new one. */
	drop(&a);
	assert_ptr_equal(idmap_find(&map, 3), &b);
	assert_int_equal(set(&a, 4), 0);
	assert_ptr_equal(idmap_find(&map, 4), &a);
}

/* Damage: a vCPU says that it has the id of another. */
static void a_false_owner_cannot_drop(void **state)
{
	(void)state;
	assert_int_equal(set(&a, 3), 0);
	b.id = 3;
	drop(&b);
	assert_ptr_equal(idmap_find(&map, 3), &a);
	c.id = 1ull << 40;
	drop(&c);
	assert_int_equal(c.id, VCPU_NO_ID);
}

static void without_memory_nothing_changes(void **state)
{
	void *hoard = NULL, *page;

	(void)state;
	assert_int_equal(set(&a, 0), 0);
	while ((page = page_alloc())) {
		*(void **)page = hoard;
		hoard = page;
	}
	assert_int_equal(set(&b, 4000), -ENOMEM);
	assert_int_equal(b.id, VCPU_NO_ID);
	assert_null(idmap_find(&map, 4000));
	/* A leaf that is there needs none. */
	assert_int_equal(set(&b, 1), 0);
	page_free(hoard);
	assert_int_equal(set(&c, 4000), 0);
}

/* ---- After a recovery ---- */

static void the_heir_rebuilds_the_map(void **state)
{
	struct vm_config large = { .vcpus = 200 };

	(void)state;
	fixture_vm(&large);
	fixture_heir();
	for (u64 id = 0; id < MAX_VCPU_ID; id++)
		assert_ptr_equal(idmap_find(&vms[0]->ids, id), id < 200 ? &vms[0]->vcpu[id] : NULL);
}

static void seal(struct vcpu_record *r)
{
	u32 crc = crc32c(0, &r->magic, sizeof(r->magic));

	crc = crc32c(crc, &r->vm, sizeof(r->vm));
	r->identity_crc = crc32c(crc, &r->id, sizeof(r->id));
}

static void records_that_disagree_cost_their_vm(void **state)
{
	static const u64 ids[] = { 1, MAX_VCPU_ID, ~0ull };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		fixture_start();
		fixture_vm(NULL);
		fixture_vm(NULL);
		/* Two vCPUs of the first VM with id 1; then one with an id that there is not. */
		estate_vcpu(0)->id = ids[i];
		seal(estate_vcpu(0));
		fixture_heir();
		assert_null(vms[0]);
		assert_int_equal(estate_vm(0)->state.run_state, VM_CRASHED);
		assert_int_equal(estate_vm(0)->state.reason, VM_REASON_RECORD);
		assert_non_null(strstr(fixture_log(), "VM 0 is lost"));
		assert_non_null(vms[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_new_vcpu_has_no_id, setup),
		cmocka_unit_test_setup(zero_is_a_real_id, setup),
		cmocka_unit_test_setup(the_key_is_the_id_itself, setup),
		cmocka_unit_test_setup(lookup_and_set_are_bounded, setup),
		cmocka_unit_test_setup(the_same_id_again_changes_nothing, setup),
		cmocka_unit_test_setup(an_id_has_one_owner, setup),
		cmocka_unit_test_setup(a_dropped_id_is_gone_and_free, setup),
		cmocka_unit_test_setup(a_false_owner_cannot_drop, setup),
		cmocka_unit_test_setup(without_memory_nothing_changes, setup),
		cmocka_unit_test_setup(the_heir_rebuilds_the_map, setup),
		cmocka_unit_test_setup(records_that_disagree_cost_their_vm, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
