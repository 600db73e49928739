/*
 * The dirty log against threads, under the thread sanitizer: vCPUs write pages, as the hardware lets them, through TLBs
 * that only fences empty; faults go the way of guest_ram_fault; devices write through guest_write; another thread fetches
 * marks, and turns the log off and on. What must hold: a page that was written since its marks were last taken is marked,
 * or, when the log was turned on behind the write, need not be.
 *
 * Each page has a number that its writer counts up. A fetch notes the numbers that it found behind the marks; in the end,
 * when all have stopped and a last fetch is done, what was noted last of each page must be what is in it.
 */
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "tests/lib/fixture.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define WRITERS 3
#define HARTS	(WRITERS + 2)
#define ROUNDS	200 /* of the copier; the others go on as long as it does */
#define BLOCKS	3
#define USED	5 /* pages of each block that are written */
#define STEP	100

static struct vm *vm;
static u64 stop;

static struct tlb {
	pthread_mutex_t lock;
	u64 page; /* + 1; 0: empty */
	unsigned rights;
} tlb[HARTS][BLOCKS * USED];

/* What is in the pages, and what was fetched of them. */
static u64 written[BLOCKS * USED], copied[BLOCKS * USED];

static u64 page_of(unsigned n)
{
	return n / USED * (BLOCK_SIZE / PAGE_SIZE) + n % USED * STEP;
}

static gpa_t address_of(unsigned n)
{
	return GPA(GUEST_RAM_BASE + page_of(n) * PAGE_SIZE);
}

static u64 next_random(u64 *seed, u64 below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

static void fence(unsigned vmid, u64 harts, gpa_t from, u64 bytes)
{
	(void)vmid;
	for (unsigned h = 0; h < HARTS; h++) {
		for (unsigned n = 0; (harts >> h & 1) && n < BLOCKS * USED; n++) {
			struct tlb *t = &tlb[h][n];

			pthread_mutex_lock(&t->lock);
			if (address_of(n).a + PAGE_SIZE > from.a && address_of(n).a < from.a + bytes)
				t->page = 0;
			pthread_mutex_unlock(&t->lock);
		}
	}
}

/* A store of the guest, as the hardware does it. False: it faults. */
static bool store(unsigned hart, unsigned n)
{
	struct tlb *t = &tlb[hart][n];
	bool done;

	pthread_mutex_lock(&t->lock);
	if (!t->page) {
		t->rights = gstage_lookup(&vm->gstage, address_of(n)).rights;
		t->page = t->rights ? page_of(n) + 1 : 0;
	}
	done = t->page && (t->rights & GSTAGE_WRITE);
	if (done)
		__atomic_fetch_add(&written[n], 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&t->lock);
	return done;
}

static void *writer(void *argument)
{
	unsigned hart = (unsigned)(uintptr_t)argument;
	u64 seed = 77 + hart;

	host_be_hart(hart);
	__atomic_fetch_or(&vm->gstage.harts, 1ull << hart, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		unsigned n = (unsigned)next_random(&seed, BLOCKS * USED);

		/* The first page of each block is the device's, whose marks would hide that one of ours is missing. */
		if (n % USED == 0)
			continue;

		/* Not where something stands already: that fences this hart, and hides that a fence is missing. */
		if (next_random(&seed, 8) == 0 && !gstage_lookup(&vm->gstage, address_of(n)).rights) {
			if (guest_ram_fault(vm, address_of(n), false))
				host_fail("a fault for reading failed");
		} else if (!store(hart, n) && guest_ram_fault(vm, address_of(n), true)) {
			host_fail("a fault for writing failed");
		}
		gstage_quiescent(hart);
	}
	return NULL;
}

/* A device: the write is there before its mark. */
static void *device(void *argument)
{
	unsigned hart = (unsigned)(uintptr_t)argument;
	u64 seed = 99;

	host_be_hart(hart);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		unsigned n = (unsigned)next_random(&seed, BLOCKS) * USED;

		__atomic_fetch_add(&written[n], 1, __ATOMIC_RELAXED);
		guest_dma_written(vm, address_of(n), 8);
	}
	return NULL;
}

static void start(void)
{
	if (dirty_start(&vm->gstage, &vm->dirty, GPA(GUEST_RAM_BASE), vm->config.memory))
		host_fail("dirty_start failed");
	/* Everything is copied once. */
	for (unsigned n = 0; n < BLOCKS * USED; n++)
		copied[n] = __atomic_load_n(&written[n], __ATOMIC_RELAXED);
}

static void fetch(void)
{
	u64 bits[BLOCKS * BLOCK_SIZE / PAGE_SIZE / 64];

	dirty_fetch(&vm->gstage, &vm->dirty, 0, BLOCKS * BLOCK_SIZE / PAGE_SIZE, bits);
	for (unsigned n = 0; n < BLOCKS * USED; n++) {
		if (bits[page_of(n) / 64] >> page_of(n) % 64 & 1)
			copied[n] = __atomic_load_n(&written[n], __ATOMIC_RELAXED);
	}
}

static void *copier(void *argument)
{
	u64 seed = 5;

	host_be_hart((unsigned)(uintptr_t)argument);
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Not towards the end: everything is copied then, and hides what was lost. */
		if (i < ROUNDS * 9 / 10 && next_random(&seed, 20) == 0) {
			dirty_stop(&vm->gstage, &vm->dirty);
			start();
		}
		fetch();
		gstage_quiescent(HARTS - 1);
		sched_yield();
	}
	usleep(20000);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void no_write_is_lost(void **state)
{
	pthread_t threads[HARTS];
	size_t before;

	(void)state;
	fixture_start();
	vm = fixture_vm(NULL);
	host->on_fence = fence;
	for (unsigned h = 0; h < HARTS; h++)
		for (unsigned n = 0; n < BLOCKS * USED; n++)
			pthread_mutex_init(&tlb[h][n].lock, NULL);
	before = pages_free();
	start();
	for (u64 h = 0; h < HARTS; h++)
		pthread_create(&threads[h], NULL,
			       h < WRITERS    ? writer
			       : h == WRITERS ? device
					      : copier,
			       (void *)(uintptr_t)h);
	for (unsigned h = 0; h < HARTS; h++)
		pthread_join(threads[h], NULL);
	fetch();
	for (unsigned n = 0; n < BLOCKS * USED; n++)
		assert_int_equal(copied[n], written[n]);
	/* Off: huge leaves again, and everything has come back. */
	dirty_stop(&vm->gstage, &vm->dirty);
	for (unsigned n = 0; n < BLOCKS; n++) {
		const gpa_t at = GPA(GUEST_RAM_BASE + n * BLOCK_SIZE);

		assert_int_equal(guest_ram_fault(vm, at, true), 0);
		assert_int_equal(gstage_lookup(&vm->gstage, at).level, 1);
		assert_int_equal(gstage_lookup(&vm->gstage, at).rights, GSTAGE_ALL);
	}
	for (unsigned i = 0; i < 1000; i++)
		gstage_quiescent(0);
	assert_int_equal(gstage_zap(&vm->gstage, GPA(0), ~0ull), 0);
	for (unsigned i = 0; i < 1000; i++)
		gstage_quiescent(0);
	assert_int_equal(pages_free(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_write_is_lost) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
