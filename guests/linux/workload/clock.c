/* The clock never goes back, and is the same on all harts; and for how long nobody looked. */
#include "guests/linux/workload/workload.h"
#include <inttypes.h>
#include <sched.h>
#include <unistd.h>

#define MAX_HARTS 64

_Atomic uint64_t gap_ns, max_gap_ns, clock_errors;

static _Atomic uint64_t latest_ns;

static void raise_to(_Atomic uint64_t *maximum, uint64_t value)
{
	uint64_t old = atomic_load(maximum);

	while (old < value && !atomic_compare_exchange_weak(maximum, &old, value))
		;
}

/* Reads the clock after the memory accesses before it: on RISC-V the time counter is ordered as device input. */
static uint64_t now_ns_ordered(void)
{
#ifdef __riscv
	__asm__ volatile("fence iorw, iorw" ::: "memory");
#endif
	return now_ns();
}

/* One of these on each hart: time must not go back, on this hart or as compared with another that was here first. */
static void *clock_worker(void *unused)
{
	uint64_t last = now_ns();

	(void)unused;
	while (!atomic_load(&stop)) {
		uint64_t before = atomic_load(&latest_ns);
		uint64_t now = now_ns_ordered();

		if (now < before) {
			atomic_fetch_add(&clock_errors, 1);
			error("clock: hart %d reads %" PRIu64 " ns after a hart has read %" PRIu64,
			      sched_getcpu(), now, before);
		}
		raise_to(&latest_ns, now);
		if (now > last) {
			raise_to(&gap_ns, now - last);
			raise_to(&max_gap_ns, now - last);
		}
		last = now;
		sleep_ms(1);
	}
	return NULL;
}

void start_clock(void)
{
	long harts = sysconf(_SC_NPROCESSORS_ONLN);

	for (int hart = 0; hart < harts && hart < MAX_HARTS; hart++)
		start_thread(clock_worker, NULL, hart);
}
