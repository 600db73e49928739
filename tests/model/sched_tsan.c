/*
 * No wake-up is lost: threads are harts that look for work only when they are kicked, others send IPIs to vCPUs that go to
 * sleep after each one, pause their VM and let it go on. With the thread sanitizer.
 *
 * What must hold: who is sent something has taken it within a time in which nothing else happens; a vCPU is on one hart at
 * a time; when sched_remove returns it is on none.
 */
#include "core/vcpu/sched.h"
#include "tests/lib/fixture.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define HARTS	3
#define VCPUS	5
#define SENDERS 2
#define ROUNDS	20000

#define PATIENCE_S 30

static u64 kicked[HARTS];
static u64 stop;
static u64 taken[VCPUS]; /* IPIs that the vCPU has taken */
static u64 on[VCPUS];	 /* harts that believe to run it */
static struct vm *vm;

static u64 next_random(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void check(bool holds, const char *what)
{
	if (!holds)
		host_fail(what);
}

static void take_kick(unsigned hart)
{
	__atomic_store_n(&kicked[hart], 1, __ATOMIC_SEQ_CST);
}

/* The guest takes what is there, and waits for more: not in the record before nothing is left. */
static void run_guest(struct vcpu *v, u64 *seed)
{
	u64 n = v->id;

	if (__atomic_exchange_n(&v->r->ipi, 0, __ATOMIC_SEQ_CST))
		__atomic_fetch_add(&taken[n], 1, __ATOMIC_SEQ_CST);
	if (next_random(seed) % 4)
		estate_store(&v->r->state, VCPU_WAITING);
}

static void put_down(struct vcpu *v)
{
	__atomic_fetch_sub(&on[v->id], 1, __ATOMIC_SEQ_CST);
	sched_put(v, ~0ull);
}

static struct vcpu *pick_up(unsigned hart)
{
	struct vcpu *v = sched_take(hart);

	if (v)
		check(__atomic_fetch_add(&on[v->id], 1, __ATOMIC_SEQ_CST) == 0, "a vCPU is on two harts");
	return v;
}

/* As hart_loop of arch/riscv64/hart.c: a hart does nothing until it is kicked, its timer is due, or its guest leaves. */
static void *hart(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument;
	struct vcpu *v = NULL;
	u64 seed = self + 1, timer;

	host_be_hart(self);
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&kicked[self], 0, __ATOMIC_SEQ_CST);
		if (v && !sched_keep(self, v)) {
			put_down(v);
			v = NULL;
		}
		sched_timers(arch_time());
		if (!v)
			v = pick_up(self);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (v) {
			run_guest(v, &seed);
			if (estate_load(&v->r->state) != VCPU_RUNNABLE)
				continue;
		}
		timer = v && sched_contended(self) ? v->slice_end : ~0ull;
		while (!__atomic_load_n(&kicked[self], __ATOMIC_SEQ_CST) && arch_time() < timer &&
		       !__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
			arch_relax();
	}
	if (v)
		put_down(v);
	return NULL;
}

static u64 seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec;
}

/* Sends to a vCPU of its own, and waits until that has taken it. */
static void *sender(void *argument)
{
	u64 n = (u64)(uintptr_t)argument, seed = n + 77;

	host_be_hart(HARTS + (unsigned)n);
	for (unsigned round = 0; round < ROUNDS; round++) {
		u64 target = n + SENDERS * (next_random(&seed) % 2);
		u64 before = __atomic_load_n(&taken[target], __ATOMIC_SEQ_CST);
		u64 since = seconds();

		if (estate_or(&vm->vcpu[target].r->ipi, 1) == 0)
			vcpu_notify(&vm->vcpu[target]);
		while (__atomic_load_n(&taken[target], __ATOMIC_SEQ_CST) == before) {
			check(seconds() - since < PATIENCE_S, "a wake-up is lost");
			arch_relax();
		}
	}
	return NULL;
}

/* As vm_pause and vm_resume. */
static void *operator(void *argument)
{
	(void)argument;
	host_be_hart(HARTS + SENDERS);
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		estate_store(&vm->s->run_state, VM_PAUSED);
		for (u32 n = 0; n < VCPUS; n++)
			sched_remove(&vm->vcpu[n]);
		for (u32 n = 0; n < VCPUS; n++)
			check(!__atomic_load_n(&on[n], __ATOMIC_SEQ_CST),
			      "a vCPU runs that has been removed");
		estate_store(&vm->s->run_state, VM_RUNNING);
		for (u32 n = 0; n < VCPUS; n++) {
			if (estate_load(&vm->vcpu[n].r->state) == VCPU_WAITING)
				estate_store(&vm->vcpu[n].r->state, VCPU_RUNNABLE);
			sched_wake(&vm->vcpu[n]);
		}
		for (unsigned n = 0; n < 500 && !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); n++)
			arch_relax();
	}
	return NULL;
}

static void storm(const u64 *affinity, bool with_operator)
{
	struct vm_config config = { .vcpus = VCPUS };
	pthread_t harts[HARTS], senders[SENDERS], other;

	fixture_start_with(MIB(256), HARTS);
	vm = fixture_vm(&config);
	host->on_kick = take_kick;
	host->time_step = 100;
	for (u32 n = 0; n < VCPUS; n++) {
		vm->vcpu[n].r->affinity = affinity[n];
		taken[n] = 0;
		on[n] = 0;
	}
	stop = 0;
	for (unsigned n = 0; n < HARTS; n++)
		kicked[n] = 0;
	fixture_run(vm);
	for (unsigned n = 0; n < HARTS; n++)
		pthread_create(&harts[n], NULL, hart, (void *)(uintptr_t)n);
	if (with_operator)
		pthread_create(&other, NULL, operator, NULL);
	for (unsigned n = 0; n < SENDERS; n++)
		pthread_create(&senders[n], NULL, sender, (void *)(uintptr_t)n);
	for (unsigned n = 0; n < SENDERS; n++)
		pthread_join(senders[n], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	if (with_operator)
		pthread_join(other, NULL);
	for (unsigned n = 0; n < HARTS; n++)
		pthread_join(harts[n], NULL);
}

static const u64 anywhere[VCPUS] = { ~0ull, ~0ull, ~0ull, ~0ull, ~0ull };
static const u64 bound[VCPUS] = { 1, 2, 1, 2, 4 };

static void wake_ups(void **state)
{
	(void)state;
	storm(anywhere, false);
	storm(bound, false);
}

static void wake_ups_and_pauses(void **state)
{
	(void)state;
	storm(anywhere, true);
	storm(bound, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wake_ups),
		cmocka_unit_test(wake_ups_and_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
