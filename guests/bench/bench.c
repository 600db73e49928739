/*
 * What operations cost a guest, in instructions: a flat kernel that runs the same on a bare machine's firmware and on any
 * hypervisor.
 *
 * Under QEMU with "-icount shift=0" an instruction, of whoever below executes it, is a nanosecond of the `time` CSR. Its
 * ticks are longer (100 ns at 10 MHz), so each operation is repeated and the whole divided; the loop around it counts as
 * part of it, which is one to three instructions. On real hardware the figures are nanoseconds.
 *
 * Prints lines "BENCH name value unit" and powers off. With rest=1 in the command line it measures nothing of this, but
 * lives through crashes of the hypervisor, for bench/recovery.py; with busy=1 it computes without end and counts, for
 * bench/host_dump.py. many=1 and blocks=1 are for bench/many.py: what calls to very many harts cost, and what a fault of a
 * 2 MiB block. writes=N fills RAM and writes to N pages a second, for bench/guest_dump.py.
 * exits=N exits in each common way, N times a round, for bench/survival.py.
 */
#include "guests/bench/exits.h"
#include "guests/bench/writes.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/hart.h"
#include "guests/lib/sbi.h"

/* Ticks as nanoseconds, which is instructions here. */
static u64 ns(u64 ticks)
{
	return ticks * 1000000000ull / guest_timebase;
}

static void report(const char *name, u64 value, const char *unit)
{
	print("BENCH %s %llu %s\n", name, (unsigned long long)value, unit);
}

static void report_each(const char *name, u64 ticks, u64 times)
{
	report(name, (ns(ticks) + times / 2) / times, "instructions");
}

/* ---- SBI ---- */

#define SBI_TIMES 20000

static void bench_spec_version(void)
{
	u64 start = time_now();

	for (u64 i = 0; i < SBI_TIMES; i++)
		sbi(SBI_BASE, SBI_BASE_SPEC_VERSION, 0, 0, 0, 0, 0);
	report_each("sbi_spec_version", time_now() - start, SBI_TIMES);
}

static void bench_set_timer(void)
{
	u64 start = time_now();

	for (u64 i = 0; i < SBI_TIMES; i++)
		sbi_set_timer(~0ull);
	report_each("sbi_set_timer", time_now() - start, SBI_TIMES);
}

/* ---- Timer interrupts: the handler switches them off in sie, so one comes for each time that they are on ---- */

static volatile bool *fired(void)
{
	static volatile bool flag;

	return &flag;
}

static bool on_interrupt(u64 cause)
{
	csr_clear(sie, IRQ_BIT(cause));
	*fired() = true;
	return false;
}

static void timer_off(void)
{
	csr_clear(sie, IRQ_BIT(IRQ_TIMER));
	sbi_set_timer(~0ull);
}

static void bench_set_timer_interrupt(void)
{
	u64 start = time_now();

	for (u64 i = 0; i < SBI_TIMES; i++) {
		*fired() = false;
		sbi_set_timer(0);
		csr_set(sie, IRQ_BIT(IRQ_TIMER));
		while (!*fired())
			;
	}
	report_each("sbi_set_timer_interrupt", time_now() - start, SBI_TIMES);
	timer_off();
}

static void stimecmp_write(u64 when)
{
	__asm__ volatile("csrw %0, %1" ::"i"(CSR_STIMECMP), "r"(when) : "memory");
}

static bool has_stimecmp;

static void bench_stimecmp_interrupt(void)
{
	u64 start = time_now();

	if (!has_stimecmp)
		return;
	for (u64 i = 0; i < SBI_TIMES; i++) {
		*fired() = false;
		stimecmp_write(0);
		csr_set(sie, IRQ_BIT(IRQ_TIMER));
		while (!*fired())
			;
	}
	report_each("stimecmp_interrupt", time_now() - start, SBI_TIMES);
	timer_off();
}

static void timer_at(u64 when)
{
	if (has_stimecmp)
		stimecmp_write(when);
	else
		sbi_set_timer(when);
}

/*
 * How long after its time a hart in wfi goes on. The clock's ticks are too coarse for that: what is left of the tick in
 * which the hart woke is measured by a loop of two instructions.
 */
static u64 wake_late(u64 when)
{
	u64 woke, now, turns = 0;

	timer_at(when);
	/* By the clock: QEMU 7.2 does not show a guest's stimecmp in its sip. */
	while (time_now() < when)
		wfi();
	__asm__ volatile("csrr %0, time\n"
			 "1: addi %2, %2, 1\n"
			 "csrr %1, time\n"
			 "beq %0, %1, 1b\n"
			 : "=&r"(woke), "=&r"(now), "+&r"(turns));
	return ns(now - when) - turns * 3;
}

#define WAKE_TIMES 64

static void bench_timer_lateness(void)
{
	u64 sum = 0, least = ~0ull;

	/* sie wakes the hart, sstatus keeps the interrupt from being taken. */
	csr_clear(sstatus, SSTATUS_SIE);
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	for (u64 i = 0; i < WAKE_TIMES; i++) {
		u64 late = wake_late(time_now() + guest_timebase / 1000);

		sum += late;
		least = late < least ? late : least;
	}
	timer_off();
	csr_set(sstatus, SSTATUS_SIE);
	report("timer_lateness", sum / WAKE_TIMES, "instructions");
	report("timer_lateness_least", least, "instructions");
}

/* ---- Devices and memory ---- */

#define MMIO_TIMES 20000

static void bench_uart_read(void)
{
	u64 start = time_now();

	for (u64 i = MMIO_TIMES; i; i--)
		(void)*(volatile u8 *)UART_LSR;
	report_each("uart_read", time_now() - start, MMIO_TIMES);
}

#define TOUCH_SIZE MIB(64)

/* Nothing else lies there: image at the start of RAM, initrd and device tree at its end. */
static void bench_first_touch(void)
{
	volatile u64 *at = (volatile u64 *)(guest_ram_base + TOUCH_SIZE);
	volatile u64 *end = at + TOUCH_SIZE / sizeof(*at);
	u64 start;

	if (guest_ram_size < 3 * TOUCH_SIZE) {
		print("bench: first_touch needs %llu MiB\n", (unsigned long long)(3 * TOUCH_SIZE >> 20));
		return;
	}
	start = time_now();
	for (; at < end; at += PAGE_SIZE / sizeof(*at))
		*at = 1;
	report_each("first_touch_4k", time_now() - start, TOUCH_SIZE / PAGE_SIZE);
}

/* A fixed number of instructions that nobody has to help with: what is more was taken by interrupts and the scheduler. */
#define LOOP_TURNS 50000000ull

static void bench_cpu_loop(void)
{
	u64 turns = LOOP_TURNS;
	u64 start = time_now();

	__asm__ volatile("1: addi %0, %0, -1\n"
			 "bnez %0, 1b\n"
			 : "+r"(turns));
	report("cpu_loop_100M", ns(time_now() - start), "instructions");
}

/* ---- Two harts ---- */

#define IPI_TIMES 2000

/* Sleeps until a software interrupt is there, and takes it. */
static void ipi_wait(void)
{
	while (!(csr_read(sip) & IRQ_BIT(IRQ_SOFTWARE)))
		wfi();
	csr_clear(sip, IRQ_BIT(IRQ_SOFTWARE));
}

/* An interrupt that is sent to a hart before it runs is lost: firmware sends none to a hart that is being started. */
static u32 echo_ready;

static void ipi_echo(void *argument)
{
	csr_set(sie, IRQ_BIT(IRQ_SOFTWARE));
	__atomic_store_n(&echo_ready, 1, __ATOMIC_SEQ_CST);
	for (u64 i = 0; i < IPI_TIMES; i++) {
		ipi_wait();
		sbi_send_ipi(1, harts[0].id);
	}
	(void)argument;
}

static void bench_ipi(void)
{
	u64 least = ~0ull, sum = 0;

	if (hart_find() < 2 || !hart_start(1, ipi_echo, NULL)) {
		print("bench: ipi_round_trip needs two harts\n");
		return;
	}
	csr_clear(sstatus, SSTATUS_SIE);
	csr_set(sie, IRQ_BIT(IRQ_SOFTWARE));
	/* QEMU's harts take turns, and one that spins keeps its turn for long: sleep instead. */
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	while (!__atomic_load_n(&echo_ready, __ATOMIC_SEQ_CST)) {
		timer_at(time_now() + guest_timebase / 1000);
		wfi();
	}
	timer_off();
	for (u64 i = 0; i < IPI_TIMES; i++) {
		u64 start = time_now(), took;

		sbi_send_ipi(1, harts[1].id);
		ipi_wait();
		took = ns(time_now() - start);
		sum += took;
		least = took < least ? took : least;
	}
	csr_set(sstatus, SSTATUS_SIE);
	report("ipi_round_trip_least", least, "instructions");
	report("ipi_round_trip_mean", sum / IPI_TIMES, "instructions");
}

/* ---- A guest that sleeps, and says when it has slept too long ---- */

#define REST_BLOCKS 4 /* of 2 MiB, touched in a turn */

static u64 rest_gap[GUEST_HARTS_MAX]; /* ticks, the longest that nobody has printed */

/* Only the first hart prints: the others would wait for it, and who spins keeps QEMU's turn for long. */
static void rest_print(void)
{
	static u64 beats;

	for (unsigned i = 0; i < GUEST_HARTS_MAX; i++) {
		u64 gap = __atomic_exchange_n(&rest_gap[i], 0, __ATOMIC_RELAXED);

		if (gap)
			print("REST gap %llu ns hart %u\n", (unsigned long long)ns(gap), i);
	}
	print("REST beat %llu\n", (unsigned long long)++beats);
}

/*
 * Sleeps 100 us, touches a little, and so on: RAM is mapped all the time, wherever G-stage tables have gone, and nobody
 * spins. A turn of more than twice its time has a gap: what is more than one turn. The first hart prints those and a beat
 * once it has touched all of RAM again, at most ten times a second.
 */
static void rest(void *argument)
{
	u64 turn = guest_timebase / 10000;
	u64 blocks = (guest_ram_base + guest_ram_size - (u64)image_start) / MIB(2), block = 0;
	u64 before = time_now(), beat = before;
	u64 *gap = &rest_gap[hart_self() - harts];

	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	for (;;) {
		u64 took;

		for (u64 i = 0; i < REST_BLOCKS; i++) {
			(void)*(volatile u64 *)(image_start + MIB(2) * (block % blocks));
			block++;
		}
		timer_at(before + turn);
		while (time_now() < before + turn)
			wfi();
		took = time_now() - before;
		if (took > 2 * turn && took - turn > __atomic_load_n(gap, __ATOMIC_RELAXED))
			__atomic_store_n(gap, took - turn, __ATOMIC_RELAXED);
		if (hart_self() == harts && block >= blocks && time_now() >= beat) {
			block = 0;
			beat = time_now() + guest_timebase / 10;
			rest_print();
		}
		before = time_now();
	}
	(void)argument;
}

static void rest_all(void)
{
	unsigned count = hart_find();

	csr_clear(sstatus, SSTATUS_SIE);
	for (unsigned i = 1; i < count; i++)
		if (!hart_start(i, rest, NULL))
			print("bench: hart %u does not start\n", i);
	rest(NULL);
}

/* ---- Very many harts ---- */

#define MANY_CALLS   2000   /* broadcasts that are timed */
#define MANY_TARGETS 200000 /* ... or fewer, with no more targets than these in all */
#define MANY_ROUNDS  3
#define MANY_TURNS   20000 /* of 1 ms, until harts that do not answer are given up */

/* Words of the harts below, which have neither stack nor struct hart. */
static struct {
	u64 up;	  /* harts that run */
	u64 took; /* interrupts that they took, ... */
	u64 last; /* ... and when the last of them was */
} many;

_Static_assert(offsetof(__typeof__(many), took) == 8 && offsetof(__typeof__(many), last) == 16,
	       "known below");

extern char many_entry[];

/* From SBI HSM, a1 = &many: sleeps, and counts software interrupts. What was pending at the start does not count. */
__asm__(".text\n"
	".balign 4\n"
	"many_entry:\n"
	"csrci sstatus, 2\n"
	"csrwi sie, 2\n"
	"csrci sip, 2\n"
	"li t0, 1\n"
	"addi t2, a1, 8\n"
	"addi t3, a1, 16\n"
	"amoadd.d.aqrl zero, t0, (a1)\n"
	"1: wfi\n"
	"csrr t1, sip\n"
	"andi t1, t1, 2\n"
	"beqz t1, 1b\n"
	"csrci sip, 2\n"
	"csrr t1, time\n"
	"amomax.d.aqrl zero, t1, (t3)\n"
	"amoadd.d.aqrl zero, t0, (t2)\n"
	"j 1b\n");

/* Until the word is that large; asleep, for the others. False: it does not become so. */
static bool many_wait(const u64 *word, u64 value)
{
	for (unsigned i = 0; i < MANY_TURNS; i++) {
		if (__atomic_load_n(word, __ATOMIC_SEQ_CST) >= value)
			return true;
		timer_at(time_now() + guest_timebase / 1000);
		wfi();
	}
	print("bench: %llu of %llu harts answer\n", (unsigned long long)*word, (unsigned long long)value);
	return false;
}

/*
 * The same call to all, over and over: instructions of a call. All others are stopped: a fence waits for harts that run,
 * and spins, by which it keeps QEMU's turn from them.
 */
static void many_calls(const char *name, u64 harts_there, u64 extension, u64 function, u64 size)
{
	u64 times = MANY_TARGETS / harts_there;
	u64 start;

	times = times < MANY_CALLS ? times : MANY_CALLS;
	start = time_now();
	for (u64 i = 0; i < times; i++)
		sbi(extension, function, 0, ~0ull, 0, size, 0);
	report_each(name, time_now() - start, times);
}

static void many_single(const char *name, u64 id)
{
	u64 start = time_now();

	for (u64 i = 0; i < SBI_TIMES; i++)
		sbi_send_ipi(1, id);
	report_each(name, time_now() - start, SBI_TIMES);
}

/* A broadcast that wakes all: until the call returns, and until the last one has it. Least of some rounds. */
static bool many_wake(u64 harts_there)
{
	u64 call = ~0ull, all = ~0ull;

	for (unsigned i = 0; i < MANY_ROUNDS; i++) {
		u64 goal = many.took + harts_there - 1, start, took;

		/* All of them are asleep by then. */
		wake_late(time_now() + guest_timebase / 100);
		start = time_now();
		sbi_send_ipi(0, ~0ull);
		took = time_now() - start;
		call = took < call ? took : call;
		if (!many_wait(&many.took, goal))
			return false;
		took = many.last - start;
		all = took < all ? took : all;
	}
	report("ipi_all_wake_call", ns(call), "instructions");
	report("ipi_all_wake", ns(all), "instructions");
	return true;
}

/* Ids run from 0; ours is 0. */
static void bench_many(void)
{
	u64 there = 1, start;

	while (!sbi(SBI_HSM, SBI_HSM_STATUS, there, 0, 0, 0, 0).error)
		there++;
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	report("harts", there, "harts");

	/* All others stopped. The first interrupt stays pending there, so the next ones have nobody to tell. */
	start = time_now();
	sbi_send_ipi(0, ~0ull);
	report("ipi_all_first", ns(time_now() - start), "instructions");
	many_calls("ipi_all", there, SBI_IPI, 0, 0);
	many_calls("fence_all", there, SBI_RFENCE, 1, ~0ull);
	many_single("ipi_self", 0);
	many_single("ipi_lowest", 1);
	many_single("ipi_highest", there - 1);

	for (u64 id = 1; id < there; id++)
		sbi(SBI_HSM, SBI_HSM_START, id, (u64)many_entry, (u64)&many, 0, 0);
	if (!many_wait(&many.up, there - 1) || !many_wake(there))
		return;
	print("BENCH end\n");
}

/* ---- Faults of whole blocks ---- */

#define BLOCKS	     64	 /* of 2 MiB, behind the first of them */
#define BLOCK_FAULTS 100 /* instructions for each block that say that they faulted */

static u64 blocks_touch(void)
{
	u64 start = time_now();

	for (u64 i = BLOCKS / 2; i < BLOCKS / 2 + BLOCKS; i++)
		(void)*(volatile u64 *)(guest_ram_base + MIB(2) * i);
	return ns(time_now() - start) / BLOCKS;
}

/*
 * The first round has the blocks zeroed and mapped. Those behind it cost nothing, until a crash of the hypervisor, whose
 * heir begins with empty tables, but knows which blocks are the guest's already: that round is the mapping alone.
 */
static void bench_blocks(void)
{
	report("block_zeroed", blocks_touch(), "instructions");
	report("block_mapped", blocks_touch(), "instructions");
	print("BENCH end\n");
	csr_clear(sstatus, SSTATUS_SIE);
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	for (;;) {
		u64 each = blocks_touch();

		if (each >= BLOCK_FAULTS)
			report("block_again", each, "instructions");
		timer_at(time_now() + guest_timebase / 1000);
		wfi();
	}
}

/* ---- Computing ---- */

/* Says every 20 ms how far it has come: ticks since its start, and turns. */
static void bench_busy(void)
{
	const u64 begun = time_now(), period = guest_timebase / 50;
	u64 turns = 0, next = begun + period;

	for (;; turns++) {
		u64 now;

		/* An emulator is slow at telling the time. */
		for (unsigned n = 0; n < 1000; n++)
			__asm__ volatile("");
		now = time_now();
		if (now < next)
			continue;
		print("BUSY %llu ns %llu turns\n", (unsigned long long)ns(now - begun),
		      (unsigned long long)turns);
		next = now + period;
	}
}

static void stimecmp_try(u64 when)
{
	stimecmp_write(when);
}

void guest_main(void)
{
	trap_interrupt = on_interrupt;
	has_stimecmp = guard(stimecmp_try, ~0ull) == ~0ull;
	if (guest_option("rest", 0))
		rest_all();
	if (guest_option("busy", 0))
		bench_busy();
	if (guest_option("writes", 0) >= 10)
		bench_writes(guest_option("writes", 0));
	if (guest_option("exits", 0))
		bench_exits(guest_option("exits", 0));
	if (guest_option("blocks", 0))
		bench_blocks();
	if (guest_option("many", 0)) {
		bench_many();
		return;
	}
	csr_set(sstatus, SSTATUS_SIE);
	print("bench: time base %llu Hz, stimecmp %s\n", (unsigned long long)guest_timebase,
	      has_stimecmp ? "yes" : "no");
	bench_spec_version();
	bench_set_timer();
	bench_set_timer_interrupt();
	bench_stimecmp_interrupt();
	bench_uart_read();
	bench_first_touch();
	bench_cpu_loop();
	bench_timer_lateness();
	bench_ipi();
	print("BENCH end\n");
}
