/* Ticks, gaps, and the vCPU that spins: see witness.h. */
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/witness/witness.h"

typedef unsigned long long ull;

/* A gap of the spinning vCPU is remembered from this many microseconds on. */
#define SPIN_GAP_US 5

/* How many ticks a line about a pause shows. */
#define PAUSE_TICKS 48

static u64 tick;	/* period, in ticks of time */
static u64 pause_least; /* 0: pauses are not told */
static u64 newest;	/* the latest that any vCPU has read */

/* Of the spinning vCPU: when it took ticks, and its gaps. Entry n is at n modulo the size. */
static u64 spin_tick[SPIN_TICKS];
static u64 spin_ticks;
static struct {
	u64 from, to;
} spin_gap[SPIN_GAPS];
static u64 spin_gaps;

u64 ticks_us(u64 ticks)
{
	return ticks * 1000000 / guest_timebase;
}

static void stimecmp_write(u64 when)
{
	__asm__ volatile("csrw %0, %1" ::"i"(CSR_STIMECMP), "r"(when) : "memory");
}

bool ticks_start(u64 period)
{
	struct witness *w = self();

	tick = period;
	pause_least = guest_option("pauses", 0) * guest_timebase / 1000000;
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
		witness_error("early_tick", 0, w->due, now);
		stimecmp_write(w->due);
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

static void gap_note(struct witness *w, u64 gap)
{
	if (gap > __atomic_load_n(&w->gap, __ATOMIC_RELAXED))
		__atomic_store_n(&w->gap, gap, __ATOMIC_RELAXED);
}

u64 ticks_alive(void)
{
	struct witness *w = self();
	/* A tick in the middle would find a later time than we do. */
	u64 enabled = csr_read(sstatus) & SSTATUS_SIE, before, now;

	csr_clear(sstatus, SSTATUS_SIE);
	before = w->alive;
	now = time_checked(w, true);
	w->alive = now;
	gap_note(w, now - before);
	csr_set(sstatus, enabled);
	if (pause_least && now - before >= pause_least && w == witnesses)
		ticks_tell_pause(before, now);
	return now;
}

_Noreturn void ticks_spin(void)
{
	struct witness *w = self();
	u64 least = SPIN_GAP_US * guest_timebase / 1000000;

	for (u64 turn = 0;; turn++) {
		u64 now = time_checked(w, turn % 1024 == 0), gap = now - w->alive;

		if (__builtin_expect(gap >= least, 0)) {
			spin_gap[spin_gaps % SPIN_GAPS].from = w->alive;
			spin_gap[spin_gaps % SPIN_GAPS].to = now;
			__atomic_store_n(&spin_gaps, spin_gaps + 1, __ATOMIC_RELEASE);
		}
		gap_note(w, gap);
		w->alive = now;
	}
}

/* The longest gap of the spinning vCPU that lies in a span at least in part; its number, or ~0. */
static u64 longest_gap(u64 from, u64 to)
{
	u64 end = __atomic_load_n(&spin_gaps, __ATOMIC_ACQUIRE), best = ~0ull, most = 0;

	for (u64 n = end > SPIN_GAPS ? end - SPIN_GAPS : 0; n < end; n++) {
		u64 begun = spin_gap[n % SPIN_GAPS].from, over = spin_gap[n % SPIN_GAPS].to;

		if (begun < to && over > from && over - begun > most) {
			most = over - begun;
			best = n % SPIN_GAPS;
		}
	}
	return best;
}

void ticks_tell_pause(u64 from, u64 to)
{
	u64 end = __atomic_load_n(&spin_ticks, __ATOMIC_ACQUIRE), count = 0, gap = longest_gap(from, to);
	char at[PAUSE_TICKS * 21];
	size_t length = 0;

	at[0] = 0;
	for (u64 n = end; n > 0 && end - n < SPIN_TICKS; n--) {
		u64 when = spin_tick[(n - 1) % SPIN_TICKS];

		if (when < from)
			break;
		if (when > to)
			continue;
		if (count++ < PAUSE_TICKS)
			length += format(at + length, sizeof(at) - length, count == 1 ? "%llu" : ",%llu",
					 (ull)when);
	}
	print("WITNESS PAUSE from=%llu to=%llu us=%llu spin_ticks=%llu spin_gap_us=%llu spin_gap_at=%llu at=%s\n",
	      (ull)from, (ull)to, (ull)ticks_us(to - from), (ull)count,
	      (ull)(gap == ~0ull ? 0 : ticks_us(spin_gap[gap].to - spin_gap[gap].from)),
	      (ull)(gap == ~0ull ? 0 : spin_gap[gap].from), at);
}
