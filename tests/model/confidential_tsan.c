/*
 * Harts of one confidential VM fault and convert pages at once, with the warden's own code at the other end, under the thread
 * sanitizer. The warden refuses nothing, private memory that the guest has written stays until it is converted, and what is
 * converted is of zeroes.
 */
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/private/inside.h"
#include "tests/confidential/warden.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define HARTS  4
#define BLOCKS 3
#define ROUNDS 1500
#define PAGES  (BLOCK_SIZE / PAGE_SIZE)

static struct vm *vm;

static u64 next_random(u64 *seed, u64 below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

static void must(bool holds, const char *what)
{
	if (!holds)
		host_fail(what);
}

/* Pages that only this hart converts: one in HARTS. */
static u64 own_page(unsigned hart, u64 *seed)
{
	u64 n = next_random(seed, BLOCKS * 8) * HARTS + hart;

	return GUEST_RAM_BASE + n % BLOCKS * BLOCK_SIZE + n / BLOCKS % PAGES * PAGE_SIZE;
}

static bool is_shared(u64 page)
{
	return shared_word(vm, page) < VM_SHARED_PAGES;
}

static void convert(unsigned hart, u64 page)
{
	const bool to_shared = !is_shared(page);
	struct txn *t = arch_txn();
	int error;

	warden_asks(vm, hart, page, to_shared ? page + PAGE_SIZE : page);
	do {
		error = private_convert(&vm->vcpu[hart], GPA(page), PAGE_SIZE, to_shared);
	} while (error == -EAGAIN);
	txn_commit(t);
	warden_asks(vm, hart, 0, 0);
	must(!error, "a conversion fails");
	must(private_fault(vm, GPA(to_shared ? page : page | PRIVATE_SHARED_BIT)) == -EFAULT, "both states");
	must(!private_fault(vm, GPA(to_shared ? page | PRIVATE_SHARED_BIT : page)), "neither state");
	must(gstage_lookup(&vm->confidential->mirror, GPA(page)).rights == (to_shared ? 0 : GSTAGE_ALL),
	     "the mirror has a page that is shared, or not");
}

static void *run(void *argument)
{
	unsigned hart = (unsigned)(uintptr_t)argument;
	u64 seed = hart + 1;

	host_be_hart(hart);
	for (unsigned round = 0; round < ROUNDS; round++) {
		u64 page = GUEST_RAM_BASE + next_random(&seed, BLOCKS * PAGES) * PAGE_SIZE;
		int error;

		if (next_random(&seed, 3) == 0) {
			convert(hart, own_page(hart, &seed));
		} else {
			error = private_fault(vm, GPA(page));
			must(!error || error == -EFAULT, "a fault fails");
		}
		gstage_quiescent(hart);
	}
	return NULL;
}

static void storm(void **state)
{
	pthread_t threads[HARTS];

	(void)state;
	fixture_start();
	warden_start(MIB(32));
	vm = warden_vm(BLOCKS * BLOCK_SIZE, HARTS);
	warden_outlives(false);
	for (u64 h = 0; h < HARTS; h++)
		pthread_create(&threads[h], NULL, run, (void *)(uintptr_t)h);
	for (unsigned h = 0; h < HARTS; h++)
		pthread_join(threads[h], NULL);
	assert_int_equal(warden_refusals, 0);
	assert_true(warden_done[PRIVATE_CLEAR] > 10 && warden_done[PRIVATE_SPLIT] &&
		    warden_done[PRIVATE_UNSHARE] > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(storm) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
