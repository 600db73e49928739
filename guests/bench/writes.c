/* See writes.h. */
#include "guests/bench/writes.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/sbi.h"

#define LINES_A_SECOND 10u
#define SLOW	       3u	   /* ticks: by itself a write takes less than one */
#define STRIDE	       0x9e3779b1u /* pages: all over RAM, since it is prime to their number */

/* Nothing else lies there: firmware and image at the start of RAM, device tree at its end. */
#define HEAD MIB(4)
#define TAIL MIB(4)

static struct {
	u64 pages, slow, sum, least, worst, gap; /* times in ticks */
} seen;

/* A quarter of each page is noise, the rest says where it lies: no page is zero, and they compress as usual ones do. */
static void fill(u64 at, u64 end)
{
	u64 noise = 1;

	for (u64 *word = (u64 *)(uintptr_t)at; at < end; at += PAGE_SIZE) {
		for (u64 n = 0; n < PAGE_SIZE / sizeof(*word); n++, word++) {
			noise = noise * 6364136223846793005ull + 1442695040888963407ull;
			*word = n % 4 ? at : noise;
		}
	}
}

static void write_page(u64 at)
{
	u64 begin = time_now(), took;

	__atomic_store_n((u64 *)(uintptr_t)at, begin, __ATOMIC_SEQ_CST);
	took = time_now() - begin;
	seen.pages++;
	if (took < SLOW)
		return;
	seen.slow++;
	seen.sum += took;
	seen.least = took < seen.least ? took : seen.least;
	seen.worst = took > seen.worst ? took : seen.worst;
}

/* Ticks as nanoseconds, which is instructions under icount. */
static unsigned long long ns(u64 ticks)
{
	return ticks * 1000000000ull / guest_timebase;
}

static void say(void)
{
	print("WRITES pages %llu slow %llu mean %llu least %llu worst %llu gap %llu\n",
	      (unsigned long long)seen.pages, (unsigned long long)seen.slow,
	      seen.slow ? ns(seen.sum / seen.slow) : 0, seen.slow ? ns(seen.least) : 0, ns(seen.worst),
	      ns(seen.gap));
	seen = (__typeof__(seen)){ .least = ~0ull };
}

static void sleep_until(u64 when)
{
	sbi_set_timer(when);
	while (time_now() < when)
		wfi();
}

_Noreturn void bench_writes(u64 rate)
{
	const u64 turn = guest_timebase / rate;
	const u64 from = guest_ram_base + HEAD, end = guest_ram_base + guest_ram_size - TAIL;
	const u64 count = (end - from) / PAGE_SIZE;
	u64 page = 0, next;

	csr_clear(sstatus, SSTATUS_SIE);
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	fill(from, end);
	seen.least = ~0ull;
	next = time_now() + turn;
	for (u64 n = 1;; n++) {
		u64 late;

		sleep_until(next);
		late = time_now() - next;
		seen.gap = late > seen.gap ? late : seen.gap;
		write_page(from + page * PAGE_SIZE);
		page = (page + STRIDE) % count;
		if (n % (rate / LINES_A_SECOND) == 0)
			say();
		next = time_now() + turn;
	}
}
