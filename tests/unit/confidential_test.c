/* The hypervisor's side of confidential VMs against the warden's own code: page states, conversions, refusals, heirs. */
#include "core/gstage/walk.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "core/private/inside.h"
#include "core/survive/adopt.h"
#include "tests/confidential/warden.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define RAM    GUEST_RAM_BASE
#define MEMORY MIB(16)
#define BIT    PRIVATE_SHARED_BIT

static struct vm *vm;

static int setup(void **state)
{
	(void)state;
	fixture_start();
	warden_start(MIB(64));
	vm = warden_vm(MEMORY, 2);
	assert_int_equal(warden_refusals, 0);
	return 0;
}

static struct gstage_leaf private_leaf(u64 at)
{
	return gstage_lookup(&vm->confidential->mirror, GPA(at));
}

static int fault(u64 at)
{
	return private_fault(vm, GPA(at));
}

/* As the vCPU's question is carried out, round after round, and answered. */
static int convert_by(u32 id, u64 at, u64 bytes, bool to_shared)
{
	struct txn *t = arch_txn();
	int error;

	warden_asks(vm, id, at, to_shared ? at + bytes : at);
	do {
		error = private_convert(&vm->vcpu[id], GPA(at), bytes, to_shared);
	} while (error == -EAGAIN);
	txn_commit(t);
	warden_asks(vm, id, 0, 0);
	return error;
}

static int share(u64 at, u64 bytes)
{
	return convert_by(0, at, bytes, true);
}

static int unshare(u64 at, u64 bytes)
{
	return convert_by(0, at, bytes, false);
}

/* ---- Faults ---- */

static void a_fault_gives_the_whole_block(void **state)
{
	(void)state;
	assert_null(warden_reaches(vm, RAM + MIB(3)));
	assert_int_equal(fault(RAM + MIB(3) + 123), 0);
	assert_int_equal(private_leaf(RAM + MIB(3)).level, 1);
	assert_int_equal(private_leaf(RAM + MIB(3)).host.a, (u64)(uintptr_t)warden_reaches(vm, RAM + MIB(3)));
	assert_non_null(warden_reaches(vm, RAM + MIB(4) - PAGE_SIZE));
	assert_null(warden_reaches(vm, RAM + MIB(4)));
	/* Spurious. */
	assert_int_equal(fault(RAM + MIB(2)), 0);
	assert_int_equal(warden_done[PRIVATE_SET], 1);
	assert_int_equal(warden_refusals, 0);
	assert_int_equal(private_used(vm), MIB(2));
}

static void what_is_no_memory_is_none(void **state)
{
	(void)state;
	assert_int_equal(fault(RAM - 1), -EFAULT);
	assert_int_equal(fault(RAM + MEMORY), -EFAULT);
	assert_int_equal(fault((RAM + MEMORY) | BIT), -EFAULT);
	assert_int_equal(fault(~0ull), -EFAULT);
	/* Shared without being asked for. */
	assert_int_equal(fault(RAM | BIT), -EFAULT);
	assert_int_equal(warden_refusals, 0);
}

static void the_host_reaches_what_is_shared(void **state)
{
	u64 word = 0x1122334455667788, run;
	hpa_t at;

	(void)state;
	assert_int_equal(fault(RAM), 0);
	assert_int_equal(guest_read(vm, GPA(RAM), &word, 8), -EFAULT);
	assert_int_equal(guest_write(vm, GPA(RAM), &word, 8), -EFAULT);
	assert_int_equal(guest_dma(vm, GPA(RAM), 8, true, &at, &run), -EFAULT);
	assert_int_equal(guest_write(vm, GPA(RAM | BIT), &word, 8), -EFAULT);
	assert_int_equal(share(RAM + PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(guest_write(vm, GPA((RAM + PAGE_SIZE) | BIT), &word, 8), 0);
	assert_memory_equal(warden_reaches(vm, (RAM + PAGE_SIZE) | BIT), &word, 8);
	assert_int_equal(guest_write(vm, GPA(RAM + PAGE_SIZE), &word, 8), -EFAULT);
	assert_int_equal(guest_dma(vm, GPA((RAM + PAGE_SIZE) | BIT), PAGE_SIZE * 2, true, &at, &run), 0);
	assert_int_equal(run, PAGE_SIZE);
	/* Bounce buffers. */
	assert_int_equal(guest_write(vm, GPA(BOUNCE_BASE + 8), &word, 8), 0);
	assert_int_equal(guest_dma(vm, GPA(BOUNCE_BASE), 16, false, &at, &run), 0);
	assert_int_equal(run, 16);
	assert_memory_equal((u8 *)(uintptr_t)at.a + 8, &word, 8);
	assert_int_equal(guest_write(vm, GPA(BOUNCE_BASE + bounce_bytes(&vm->config)), &word, 8), -EFAULT);
}

/* ---- Conversions ---- */

static void a_page_that_is_shared_is_lost_and_comes_back_empty(void **state)
{
	const u64 page = RAM + MIB(4) + 5 * PAGE_SIZE;

	(void)state;
	assert_int_equal(fault(page), 0);
	memset(warden_reaches(vm, page), 'x', PAGE_SIZE);
	memset(warden_reaches(vm, page + PAGE_SIZE), 'y', PAGE_SIZE);
	assert_int_equal(share(page, PAGE_SIZE), 0);
	assert_null(warden_reaches(vm, page));
	assert_non_null(warden_reaches(vm, page | BIT));
	assert_int_equal(*warden_reaches(vm, page | BIT), 0);
	assert_int_equal(*warden_reaches(vm, page + PAGE_SIZE), 'y');
	assert_int_equal(private_leaf(page + PAGE_SIZE).level, 0);
	assert_int_equal(fault(page), -EFAULT);
	assert_int_equal(fault(page | BIT), 0);
	*warden_reaches(vm, page | BIT) = 's';
	assert_int_equal(unshare(page, PAGE_SIZE), 0);
	assert_null(warden_reaches(vm, page | BIT));
	assert_int_equal(fault(page), 0);
	assert_int_equal(*warden_reaches(vm, page), 0);
	assert_int_equal(*warden_reaches(vm, page + PAGE_SIZE), 'y');
	/* All of the block is private: one leaf again. */
	assert_int_equal(private_leaf(page).level, 1);
	assert_int_equal(warden_done[PRIVATE_MERGE], 1);
	assert_int_equal(warden_refusals, 0);
	for (unsigned n = 0; n < VM_SHARED_PAGES; n++)
		assert_int_equal(vm->s->shared[n], 0);
}

static void what_was_never_touched_can_be_shared(void **state)
{
	(void)state;
	assert_int_equal(share(RAM + MIB(7), MIB(2)), 0);
	for (u64 at = RAM + MIB(7); at < RAM + MIB(9); at += PAGE_SIZE)
		assert_non_null(warden_reaches(vm, at | BIT));
	assert_int_equal(fault(RAM + MIB(7) - PAGE_SIZE), 0);
	assert_int_equal(private_leaf(RAM + MIB(7) - PAGE_SIZE).level, 0);
	assert_int_equal(unshare(RAM + MIB(7), MIB(2)), 0);
	assert_int_equal(vm->gstage.tables, 1);
	assert_int_equal(warden_refusals, 0);
}

static void bad_conversions_change_nothing(void **state)
{
	(void)state;
	assert_int_equal(share(RAM, PAGE_SIZE), 0);
	assert_int_equal(share(RAM, 0), -EINVAL);
	assert_int_equal(share(RAM + 1, PAGE_SIZE), -EINVAL);
	assert_int_equal(share(RAM + PAGE_SIZE, PAGE_SIZE - 1), -EINVAL);
	assert_int_equal(share(RAM - PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(share(RAM + MEMORY - PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(share(RAM | BIT, PAGE_SIZE), -EINVAL);
	assert_int_equal(share(RAM, MIB(2) + PAGE_SIZE), -EINVAL);
	assert_int_equal(share(~0ull << 12, 2 * PAGE_SIZE), -EINVAL);
	/* Not throughout in the other state. */
	assert_int_equal(share(RAM, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(unshare(RAM, 2 * PAGE_SIZE), -EINVAL);
	assert_null(warden_reaches(vm, (RAM + PAGE_SIZE) | BIT));
	assert_non_null(warden_reaches(vm, RAM | BIT));
	assert_int_equal(vm->s->converting, 0);
	/* More than there is room for: 1024 pages. */
	assert_int_equal(share(RAM + MIB(2), MIB(2)), 0);
	assert_int_equal(share(RAM + MIB(4), MIB(2)), -ENOMEM);
	assert_null(warden_reaches(vm, (RAM + MIB(4)) | BIT));
	assert_int_equal(share(RAM + MIB(4), MIB(2) - PAGE_SIZE), 0);
	assert_int_equal(warden_refusals, 0);
}

static void one_conversion_at_a_time(void **state)
{
	(void)state;
	warden_asks(vm, 0, RAM, RAM + MIB(2));
	warden_asks(vm, 1, RAM + MIB(2), RAM + MIB(4));
	/* The first round of more. */
	assert_int_equal(private_convert(&vm->vcpu[0], GPA(RAM), MIB(2), true), -EAGAIN);
	assert_int_equal(private_convert(&vm->vcpu[1], GPA(RAM + MIB(2)), PAGE_SIZE, true), -EAGAIN);
	assert_null(warden_reaches(vm, (RAM + MIB(2)) | BIT));
	assert_int_equal(share(RAM, MIB(2)), 0);
	assert_int_equal(convert_by(1, RAM + MIB(2), PAGE_SIZE, true), 0);
}

/* ---- The warden refuses ---- */

static void what_is_refused_has_not_happened(void **state)
{
	(void)state;
	warden_refuses = PRIVATE_SET;
	assert_int_equal(fault(RAM), -EIO);
	assert_int_equal(private_leaf(RAM).rights, 0);
	warden_refuses = PRIVATE_LINK;
	assert_int_equal(fault(RAM), 0);
	assert_int_equal(share(RAM, PAGE_SIZE), -EIO);
	assert_int_equal(vm->s->converting, 0);
	warden_refuses = 0;
	assert_int_equal(fault(RAM + MIB(2)), 0);
	warden_refuses = PRIVATE_SPLIT;
	assert_int_equal(share(RAM + MIB(2), PAGE_SIZE), -EIO);
	warden_refuses = 0;
	assert_int_equal(fault(RAM + MIB(2)), 0);
	assert_int_equal(private_leaf(RAM + MIB(2)).level, 1);
	assert_non_null(strstr(fixture_log(), "the warden refuses a leaf"));
}

static void nothing_goes_that_the_guest_did_not_ask_for(void **state)
{
	(void)state;
	assert_int_equal(fault(RAM), 0);
	*warden_reaches(vm, RAM) = 'x';
	assert_int_equal(gstage_zap(&vm->confidential->mirror, GPA(RAM), MIB(2)), -EIO);
	assert_int_equal(private_leaf(RAM).level, 1);
	assert_int_equal(*warden_reaches(vm, RAM), 'x');
}

/* ---- Its life ---- */

static void a_start_after_a_start_is_of_zeroes(void **state)
{
	static const u8 kernel[3 * PAGE_SIZE] __attribute__((aligned(4096))) = "kernel";
	const u64 free_before = pages_free();
	u8 *own = (u8 *)(uintptr_t)(vm->config.shared.hpa);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fault(RAM + MIB(6)), 0);
		memset(warden_reaches(vm, RAM + MIB(6)), 'x', MIB(2));
		assert_int_equal(share(RAM, MIB(1)), 0);
		assert_int_equal(private_launch(vm), 0);
		assert_null(warden_reaches(vm, RAM | BIT));
		assert_null(warden_reaches(vm, RAM + MIB(6)));
		/* From ordinary RAM. */
		memcpy(own, kernel, sizeof(kernel));
		assert_int_equal(private_load(vm, GPA(RAM + MIB(6)), own, 6), 0);
		assert_memory_equal(warden_reaches(vm, RAM + MIB(6)), "kernel\0\0", 8);
		assert_int_equal(*warden_reaches(vm, RAM + MIB(8) - 1), 0);
		assert_int_equal(private_final(vm, GPA(RAM), 0), 0);
		assert_int_equal(private_load(vm, GPA(RAM + MIB(6)), own, 6), -EBUSY);
	}
	assert_int_equal(share(RAM, PAGE_SIZE), 0);
	private_end(vm);
	assert_int_equal(fault(RAM + MIB(2)), -EIO);
	assert_int_equal(private_launch(vm), 0);
	for (unsigned i = 0; i < 100; i++)
		gstage_quiescent(0);
	assert_int_equal(pages_free(), free_before);
}

static void pieces_of_one_page_come_together(void **state)
{
	u8 *own = (u8 *)(uintptr_t)(vm->config.shared.hpa);

	(void)state;
	assert_int_equal(private_launch(vm), 0);
	memset(own, 'a', MIB(1));
	assert_int_equal(private_load(vm, GPA(RAM), own, PAGE_SIZE + 100), 0);
	memset(own, 'b', MIB(1));
	assert_int_equal(private_load(vm, GPA(RAM + PAGE_SIZE + 200), own, PAGE_SIZE), 0);
	assert_int_equal(*warden_reaches(vm, RAM + PAGE_SIZE + 99), 'a');
	assert_int_equal(*warden_reaches(vm, RAM + PAGE_SIZE + 100), 0);
	assert_int_equal(*warden_reaches(vm, RAM + PAGE_SIZE + 200), 'b');
	assert_int_equal(*warden_reaches(vm, RAM + 2 * PAGE_SIZE + 199), 'b');
	assert_int_equal(*warden_reaches(vm, RAM + 2 * PAGE_SIZE + 200), 0);
}

static void who_cannot_be_confidential_hears_why(void **state)
{
	struct vm_config config = { .memory = MIB(16), .vcpus = 1, .flags = VM_CONFIDENTIAL };
	char why[160];
	u64 have;

	(void)state;
	assert_int_equal(private_plan(&config, why, sizeof(why)), 0);
	assert_int_equal(config.private_number, 1);
	config.vcpus = PRIVATE_VCPUS + 1;
	assert_int_not_equal(private_plan(&config, why, sizeof(why)), 0);
	assert_string_equal(why, "65 vCPUs, at most 64");
	config.vcpus = 1;
	config.flags |= VM_ROOT;
	assert_int_not_equal(private_plan(&config, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "root VM"));
	config.flags = VM_CONFIDENTIAL;
	config.memory = MIB(128);
	assert_int_not_equal(private_plan(&config, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "larger machine.confidential would do"));
	/* Fits the pool, but not beside the other. */
	config.memory = MIB(60);
	assert_int_equal(private_plan(&config, why, sizeof(why)), 0);
	assert_int_equal(backing_assign(&config, &have), -ENOMEM);
	assert_true(have < MIB(60));
	host->on_private = NULL;
	assert_int_not_equal(private_plan(&config, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "without a pool"));
}

/* ---- Heirs ---- */

static void an_heir_goes_on_with_both_roots(void **state)
{
	const u64 page = RAM + MIB(4) + PAGE_SIZE;

	(void)state;
	assert_int_equal(fault(RAM), 0);
	assert_int_equal(fault(page), 0);
	assert_int_equal(share(page, PAGE_SIZE), 0);
	memset(warden_reaches(vm, RAM + 5), 'x', 1);
	memset(warden_reaches(vm, page | BIT), 's', 1);
	warden_heir();
	vm = vms[0];
	assert_non_null(vm);
	assert_int_equal(vm->s->run_state, VM_RUNNING);
	/* Nothing is read before it is needed. */
	assert_int_equal(vm->confidential->mirror.tables, 0);
	assert_int_equal(fault(RAM), 0);
	assert_int_equal(private_leaf(RAM).level, 1);
	assert_int_equal(private_leaf(page + PAGE_SIZE).level, 0);
	assert_int_equal(private_leaf(page).rights, 0);
	assert_int_equal(fault(page), -EFAULT);
	assert_int_equal(*warden_reaches(vm, RAM + 5), 'x');
	assert_int_equal(*warden_reaches(vm, page | BIT), 's');
	assert_int_equal(unshare(page, PAGE_SIZE), 0);
	assert_int_equal(fault(page), 0);
	assert_int_equal(private_leaf(page).level, 1);
	assert_int_equal(fault(RAM + MIB(8)), 0);
	assert_int_equal(private_launch(vm), 0);
	assert_int_equal(warden_refusals, 0);
}

static void convert_some(void *context)
{
	struct txn *t = arch_txn();

	(void)context;
	while (private_convert(&vm->vcpu[0], GPA(RAM + MIB(2)), 4 * PAGE_SIZE, true) == -EAGAIN)
		;
	txn_commit(t);
}

static void convert_back(void *context)
{
	struct txn *t = arch_txn();

	(void)context;
	while (private_convert(&vm->vcpu[0], GPA(RAM + MIB(2)), 4 * PAGE_SIZE, false) == -EAGAIN)
		;
	txn_commit(t);
}

/* A life ends before each store to the estate; the question stays, and the heir answers it. */
static void a_conversion_outlives_its_life(void **state)
{
	(void)state;
	for (unsigned back = 0; back < 2; back++) {
		void (*operation)(void *) = back ? convert_back : convert_some;

		for (u64 n = 1;; n++) {
			enum host_end end;

			setup(NULL);
			assert_int_equal(fault(RAM + MIB(2)), 0);
			*warden_reaches(vm, RAM + MIB(2) + 8 * PAGE_SIZE) = 'x';
			if (back)
				assert_int_equal(share(RAM + MIB(2), 4 * PAGE_SIZE), 0);
			warden_asks(vm, 0, RAM + MIB(2), RAM + MIB(2) + (back ? 0 : 4 * PAGE_SIZE));
			end = host_live(operation, NULL, n);
			if (end == HOST_RETURNED)
				break;
			assert_int_equal(end, HOST_DIED);
			warden_heir();
			vm = vms[0];
			assert_non_null(vm);
			/* Another hart is on the pages meanwhile. */
			(void)fault(RAM + MIB(2) + PAGE_SIZE);
			(void)fault((RAM + MIB(2) + PAGE_SIZE) | BIT);
			/* Unless the answer was committed: then it is not asked again. */
			if (vm->s->converting || !vm->s->shared[0] == !back)
				operation(NULL);
			assert_int_equal(vm->s->converting, 0);
			for (u64 at = RAM + MIB(2); at < RAM + MIB(2) + 4 * PAGE_SIZE; at += PAGE_SIZE) {
				assert_int_equal(fault(at), back ? 0 : -EFAULT);
				assert_int_equal(fault(at | BIT), back ? -EFAULT : 0);
				assert_int_equal(*warden_reaches(vm, back ? at : at | BIT), 0);
			}
			assert_int_equal(*warden_reaches(vm, RAM + MIB(2) + 8 * PAGE_SIZE), 'x');
			assert_int_equal(warden_refusals, 0);
		}
	}
}

static void damaged_records_cost_their_vm_alone(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct vm *other;

		setup(NULL);
		other = warden_vm(MIB(8), 1);
		assert_int_equal(share(RAM, PAGE_SIZE), 0);
		if (kind == 0)
			vm->s->shared[5] = RAM;
		else if (kind == 1)
			vm->s->shared[5] = RAM + MEMORY;
		else if (kind == 2)
			vm->s->converting = 3;
		else
			private_end(vm);
		assert_int_equal(other->index, 1);
		warden_heir();
		assert_null(vms[0]);
		assert_int_equal(estate_vm(0)->state.reason, VM_REASON_RECORD);
		assert_non_null(vms[1]);
		vm = vms[1];
		assert_int_equal(fault(RAM), 0);
	}
}

/* Its tables say what its records do not: the guest's next fault tells. */
static void a_leaf_without_a_record_is_a_contradiction(void **state)
{
	(void)state;
	assert_int_equal(share(RAM, PAGE_SIZE), 0);
	vm->s->shared[0] = RAM + PAGE_SIZE;
	warden_heir();
	vm = vms[0];
	assert_non_null(vm);
	assert_int_equal(fault(RAM + MIB(2)), -EIO);
	assert_non_null(strstr(fixture_log(), "the warden's tables say"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_fault_gives_the_whole_block, setup),
		cmocka_unit_test_setup(what_is_no_memory_is_none, setup),
		cmocka_unit_test_setup(the_host_reaches_what_is_shared, setup),
		cmocka_unit_test_setup(a_page_that_is_shared_is_lost_and_comes_back_empty, setup),
		cmocka_unit_test_setup(what_was_never_touched_can_be_shared, setup),
		cmocka_unit_test_setup(bad_conversions_change_nothing, setup),
		cmocka_unit_test_setup(one_conversion_at_a_time, setup),
		cmocka_unit_test_setup(what_is_refused_has_not_happened, setup),
		cmocka_unit_test_setup(nothing_goes_that_the_guest_did_not_ask_for, setup),
		cmocka_unit_test_setup(a_start_after_a_start_is_of_zeroes, setup),
		cmocka_unit_test_setup(pieces_of_one_page_come_together, setup),
		cmocka_unit_test_setup(who_cannot_be_confidential_hears_why, setup),
		cmocka_unit_test_setup(an_heir_goes_on_with_both_roots, setup),
		cmocka_unit_test(a_conversion_outlives_its_life),
		cmocka_unit_test(damaged_records_cost_their_vm_alone),
		cmocka_unit_test_setup(a_leaf_without_a_record_is_a_contradiction, setup),
	};

	return cmocka_run_group_tests_name("confidential", tests, NULL, NULL);
}
