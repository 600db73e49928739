/* Ticks, gaps, and the vCPU that spins: see witness.h. */
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/witness/witness.h"

typedef unsigned long long ull;

/* A gap of the spinning vCPU is remembered from this many microseconds on. */
#define SPIN_GAP_US 5

/* How many ticks a line about a pause shows, and how many such lines a vCPU has at a time. */
#define PAUSE_TICKS 48
#define PAUSE_LINES 8

static u64 tick;	/* period, in ticks of time */
static u64 pause_least; /* of a gap that is told of, ~0: none is */
static u64 newest;	/* the latest that any vCPU has read */

/* When the spinning vCPU took ticks: number n is at n modulo the size. */
#define SPIN_TICKS 4096
static u64 spin_tick[SPIN_TICKS];
static u64 spin_ticks;

u64 ticks_us(u64 ticks)
{
	return ticks * 1000000 / guest_timebase;
}

static void stimecmp_write(u64 when)
{
	__asm__ volatile("csrw %0, %1" ::"i"(CSR_STIMECMP), "r"(when) : "memory");
}

static u64 stimecmp_read(void)
{
	u64 when;

	__asm__ volatile("csrr %0, %1" : "=r"(when) : "i"(CSR_STIMECMP));
	return when;
}

/*
 * QEMU may raise an interrupt for a deadline that has just been replaced. That is over with the next write; what is early
 * again, or for a deadline that is not ours, is somebody's mistake.
 */
static void early(struct witness *w, u64 now)
{
	if (w->early == w->due || stimecmp_read() != w->due)
		witness_error("early_tick", 0, w->due, now);
	w->early = w->due;
	stimecmp_write(w->due);
}

bool ticks_start(u64 period)
{
	struct witness *w = self();

	tick = period;
	pause_least = guest_option("pauses", 0) * guest_timebase / 1000000;
	if (!pause_least)
		pause_least = ~0ull;
	w->alive = time_now();
	w->due = w->alive + period;
	return guard(stimecmp_write, w->due) == ~0ull;
}

static bool spins(void)
{
	return self_index() >= witness_workers;
}

void ticks_interrupt(void)
{
	struct witness *w = self();
	u64 now = time_now(), missed;

	if (now < w->due) {
		early(w, now);
		return;
	}
	missed = (now - w->due) / tick;
	w->ticks++;
	w->lost += missed;
	w->due += (missed + 1) * tick;
	stimecmp_write(w->due);
	if (spins()) {
		spin_tick[spin_ticks % SPIN_TICKS] = now;
		__atomic_store_n(&spin_ticks, spin_ticks + 1, __ATOMIC_RELEASE);
	} else {
		ticks_alive();
	}
}

/* Time on this vCPU and, if `others`, as compared with what another has read. */
static u64 time_checked(const struct witness *w, bool others)
{
	u64 before = others ? __atomic_load_n(&newest, __ATOMIC_SEQ_CST) : 0, now;

	/* For what follows time is a device's. */
	__asm__ volatile("fence rw, i" ::: "memory");
	now = time_now();
	if (now < w->alive || now < before)
		witness_error("time", now < before, now < before ? before : w->alive, now);
	while (others && before < now &&
	       !__atomic_compare_exchange_n(&newest, &before, now, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return now;
}

/* Nothing was seen of the vCPU from its last sign of life until now. Gaps of `least` are remembered. */
static inline void gap_note(struct witness *w, u64 now, u64 least)
{
	u64 gap = now - w->alive;

	if (__builtin_expect(gap >= least, 0)) {
		w->gaps[w->gap_count % WITNESS_GAPS] = (struct gap){ w->alive, now };
		__atomic_store_n(&w->gap_count, w->gap_count + 1, __ATOMIC_RELEASE);
	}
	if (gap > __atomic_load_n(&w->gap, __ATOMIC_RELAXED))
		__atomic_store_n(&w->gap, gap, __ATOMIC_RELAXED);
	w->alive = now;
}

u64 ticks_alive(void)
{
	struct witness *w = self();
	/* A tick in the middle would find a later time than we do. */
	u64 enabled = csr_read(sstatus) & SSTATUS_SIE, now;

	csr_clear(sstatus, SSTATUS_SIE);
	now = time_checked(w, true);
	gap_note(w, now, pause_least);
	csr_set(sstatus, enabled);
	return now;
}

_Noreturn void ticks_spin(void)
{
	struct witness *w = self();
	u64 least = SPIN_GAP_US * guest_timebase / 1000000;

	for (u64 turn = 0;; turn++)
		gap_note(w, time_checked(w, turn % 1024 == 0), least);
}

/* The longest gap of the spinning vCPU that lies in a span at least in part. */
static struct gap longest_gap(u64 from, u64 to)
{
	const struct witness *w = &witnesses[witness_count - 1];
	u64 end = __atomic_load_n(&w->gap_count, __ATOMIC_ACQUIRE);
	struct gap best = { 0, 0 };

	if (witness_workers == witness_count)
		end = 0;
	for (u64 n = end > WITNESS_GAPS ? end - WITNESS_GAPS : 0; n < end; n++) {
		struct gap g = w->gaps[n % WITNESS_GAPS];

		if (g.from < to && g.to > from && g.to - g.from > best.to - best.from)
			best = g;
	}
	return best;
}

static void tell(unsigned worker, struct gap pause)
{
	u64 end = __atomic_load_n(&spin_ticks, __ATOMIC_ACQUIRE), count = 0;
	struct gap gap = longest_gap(pause.from, pause.to);
	char at[PAUSE_TICKS * 21];
	size_t length = 0;

	at[0] = 0;
	for (u64 n = end; n > 0 && end - n < SPIN_TICKS; n--) {
		u64 when = spin_tick[(n - 1) % SPIN_TICKS];

		if (when < pause.from)
			break;
		if (when > pause.to)
			continue;
		if (count++ < PAUSE_TICKS)
			length += format(at + length, sizeof(at) - length, count == 1 ? "%llu" : ",%llu",
					 (ull)when);
	}
	print("WITNESS PAUSE hart=%u from=%llu to=%llu us=%llu spin_ticks=%llu spin_gap_us=%llu spin_gap_at=%llu at=%s\n",
	      worker, (ull)pause.from, (ull)pause.to, (ull)ticks_us(pause.to - pause.from), (ull)count,
	      (ull)ticks_us(gap.to - gap.from), (ull)gap.from, at);
}

void ticks_tell_pauses(void)
{
	static u64 told[WITNESS_HARTS_MAX];

	/* Of a vCPU that is in a pause now it is told later. */
	for (unsigned i = 0; i < witness_workers; i++) {
		u64 end = __atomic_load_n(&witnesses[i].gap_count, __ATOMIC_ACQUIRE);

		if (end - told[i] > PAUSE_LINES)
			told[i] = end - PAUSE_LINES;
		for (; told[i] < end; told[i]++)
			tell(i, witnesses[i].gaps[told[i] % WITNESS_GAPS]);
	}
}
