/*
 * What operations cost a guest, in instructions: a flat kernel that runs the same on a bare machine's firmware and on any
 * hypervisor.
 *
 * Under QEMU with "-icount shift=0" an instruction, of whoever below executes it, is a nanosecond of the `time` CSR. Its
 * ticks are longer (100 ns at 10 MHz), so each operation is repeated and the whole divided; the loop around it counts as
 * part of it, which is one to three instructions. On real hardware the figures are nanoseconds.
 *
 * Prints lines "BENCH name value unit" and powers off. With rest=1 in the command line it measures nothing of this, but
 * lives through crashes of the hypervisor, for bench/recovery.py.
 */
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
