/* The witness: who does what, interrupts, and the line of figures. See witness.h. */
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/sbi.h"
#include "guests/witness/virtio.h"
#include "guests/witness/witness.h"

struct witness witnesses[WITNESS_HARTS_MAX];
unsigned witness_count;
unsigned witness_workers;
u64 witness_boot;

/* More lines than these tell nothing new. */
#define ERROR_LINES 256

/* What QEMU and its kin put at the end of RAM, the device tree for one. */
#define RAM_END_KEPT MIB(4)

static u64 errors;
static u64 tick_period, report_period, load, rests;
static bool disk_there, net_there;

typedef unsigned long long ull;

void witness_error(const char *what, u64 where, u64 expected, u64 got)
{
	if (__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED) < ERROR_LINES)
		print("WITNESS ERROR %s %llx %llx %llx hart=%u\n", what, (ull)where, (ull)expected, (ull)got,
		      self_index());
}

u64 witness_random(void)
{
	u64 *x = &self()->random;

	*x += 0x9e3779b97f4a7c15ull;
	return mix(*x);
}

/* ---- Traps ---- */

static bool on_interrupt(u64 cause)
{
	switch (cause) {
	case IRQ_TIMER:
		ticks_interrupt();
		break;
	case IRQ_SOFTWARE:
		csr_clear(sip, IRQ_BIT(IRQ_SOFTWARE));
		signals_interrupt();
		break;
	case IRQ_EXTERNAL:
		virtio_interrupt();
		break;
	default:
		witness_error("interrupt", 0, 0, cause);
	}
	return false;
}

static void on_exception(struct trap *t, u64 cause, u64 value)
{
	print("WITNESS ERROR exception %llx %llx %llx hart=%u\n", (ull)t->pc, (ull)cause, (ull)value,
	      self_index());
	guest_off();
}

/* ---- Figures ---- */

static u64 sum_of(size_t offset)
{
	u64 sum = 0;

	for (unsigned i = 0; i < witness_count; i++)
		sum += __atomic_load_n((u64 *)((char *)&witnesses[i] + offset), __ATOMIC_RELAXED);
	return sum;
}

static const char *number_or_none(char text[24], bool there, u64 number)
{
	format(text, 24, there ? "%llu" : "-", (ull)number);
	return text;
}

static void report(u64 since_start)
{
	char disk[24], net[24], lost[24], twice[24], spin[24], gaps[WITNESS_HARTS_MAX * 21];
	u64 gap[WITNESS_HARTS_MAX], longest = 0;
	size_t length = 0;

	for (unsigned i = 0; i < witness_count; i++) {
		gap[i] = ticks_us(__atomic_exchange_n(&witnesses[i].gap, 0, __ATOMIC_RELAXED));
		if (i < witness_workers && gap[i] > longest)
			longest = gap[i];
		length += format(gaps + length, sizeof(gaps) - length, i ? ",%llu" : "%llu", (ull)gap[i]);
	}
	print("WITNESS t=%llu time=%llu boot=%016llx vcpus=%u mem=%llu disk=%s net=%s regs=%llu ticks=%llu ipis=%llu fences=%llu "
	      "netlost=%s netdup=%s gap_exit_us=%llu gap_spin_us=%s lost_ticks=%llu gaps_us=%s errors=%llu\n",
	      (ull)(ticks_us(since_start) / 1000), (ull)time_now(), (ull)witness_boot, witness_count,
	      (ull)memory_slices, number_or_none(disk, disk_there, disk_blocks),
	      number_or_none(net, net_there, net_echoes), (ull)registers_rounds,
	      (ull)sum_of(offsetof(struct witness, ticks)), (ull)sum_of(offsetof(struct witness, ipis)),
	      (ull)signals_fences, number_or_none(lost, net_there, net_lost),
	      number_or_none(twice, net_there, net_duplicates), (ull)longest,
	      number_or_none(spin, witness_workers < witness_count, gap[witness_count - 1]),
	      (ull)sum_of(offsetof(struct witness, lost)), gaps,
	      (ull)__atomic_load_n(&errors, __ATOMIC_RELAXED));
}

/* ---- Work ---- */

static bool nothing_to_start(void)
{
	return true;
}

static bool registers_begin(void)
{
	registers_start();
	return true;
}

static const struct task {
	bool (*start)(void); /* on the vCPU that has it */
	void (*step)(void);
	bool *there; /* where to write down whether it could start; NULL: it always can */
} tasks[] = {
	{ disk_start, disk_step, &disk_there },	  { registers_begin, registers_step, NULL },
	{ nothing_to_start, memory_step, NULL },  { net_start, net_step, &net_there },
	{ nothing_to_start, signals_step, NULL },
};

#define TASK_REGISTERS 1
#define TASK_MEMORY    2

/* One each while there are vCPUs; those that are left over do what many can do. */
static bool has_task(unsigned worker, unsigned task)
{
	if (worker >= ARRAY_SIZE(tasks))
		return task == (worker & 1 ? TASK_MEMORY : TASK_REGISTERS);
	return task % witness_workers == worker;
}

/* An exit for its own sake. */
static void probe(void)
{
	struct sbi_result r = sbi(SBI_BASE, SBI_BASE_PROBE, SBI_TIME, 0, 0, 0, 0);

	expect("sbi_error", SBI_BASE, 0, (u64)r.error);
	expect("sbi_value", SBI_BASE, 1, r.value);
}

/* Sleeps for some ticks, and for an exit at each. */
static void rest(void)
{
	for (u64 n = 0; n < rests; n++) {
		wfi();
		probe();
		ticks_alive();
	}
}

static void begin(void)
{
	signals_translate();
	if (!ticks_start(tick_period))
		witness_error("stimecmp", 0, 1, 0);
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	csr_set(sstatus, SSTATUS_SIE);
}

static void work(void *unused)
{
	u64 start = time_now(), next_report = start + report_period;
	unsigned index = self_index();
	bool mine[ARRAY_SIZE(tasks)];

	(void)unused;
	begin();
	csr_set(sie, IRQ_BIT(IRQ_SOFTWARE) | IRQ_BIT(IRQ_EXTERNAL));
	for (unsigned i = 0; i < ARRAY_SIZE(tasks); i++) {
		mine[i] = has_task(index, i) && tasks[i].start();
		if (has_task(index, i) && tasks[i].there)
			*tasks[i].there = mine[i];
	}
	for (u64 turn = 1;; turn++) {
		for (unsigned i = 0; i < ARRAY_SIZE(tasks); i++) {
			if (mine[i])
				tasks[i].step();
			ticks_alive();
		}
		signals_glance();
		probe();
		if (ticks_alive() >= next_report && index == 0) {
			report(next_report - start);
			ticks_tell_pauses();
			next_report += report_period;
		}
		if (turn % load == 0)
			rest();
	}
}

static void spin(void *unused)
{
	(void)unused;
	begin();
	ticks_spin();
}

static void options_read(void)
{
	report_period = guest_option("period", 100) * guest_timebase / 1000;
	tick_period = guest_option("tick", 1000) * guest_timebase / 1000000;
	load = guest_option("load", 8);
	rests = guest_option("rest", 1);
	/* Nothing works with none of them. */
	report_period += !report_period;
	tick_period += !tick_period;
	load += !load;
}

void guest_main(void)
{
	trap_interrupt = on_interrupt;
	trap_exception = on_exception;
	options_read();
	witness_boot = guest_random();
	witness_count = hart_find();
	if (witness_count > WITNESS_HARTS_MAX)
		witness_count = WITNESS_HARTS_MAX;
	witness_workers = witness_count - (witness_count > 1 && guest_option("spin", 1));
	for (unsigned i = 0; i < witness_count; i++)
		witnesses[i].random = mix(witness_boot + i);
	memory_start(ALIGN_UP((u64)image_end, BLOCK_SIZE), guest_ram_base + guest_ram_size - RAM_END_KEPT);
	signals_start();
	for (unsigned i = 1; i < witness_count; i++) {
		if (!hart_start(i, i < witness_workers ? work : spin, NULL))
			witness_error("hart_start", harts[i].id, 0, 1);
	}
	work(NULL);
}
