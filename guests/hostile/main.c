/* The hostile guest's loop: see hostile.h. */
#include "core/lib/string.h"
#include "guests/hostile/hostile.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/sbi.h"

unsigned hostile_harts;

static struct attacker attackers[GUEST_HARTS_MAX];
static u64 attacks_wanted;

static struct attacker *self(void)
{
	return &attackers[hart_self() - harts];
}

u64 rnd(void)
{
	u64 *x = &self()->random;

	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return *x * 0x2545f4914f6cdd1dull;
}

u64 scratch(void)
{
	return ALIGN_UP((u64)image_end, MIB(2));
}

u64 rnd_value(void)
{
	switch (rnd_below(10)) {
	case 0:
		return 0;
	case 1:
		return ~0ull >> rnd_below(64);
	case 2:
		return rnd_below(4096);
	case 3:
		return scratch() + rnd_below(SCRATCH_SIZE / PAGE_SIZE) * PAGE_SIZE;
	case 4:
		return scratch() + rnd_below(SCRATCH_SIZE - PAGE_SIZE);
	case 5: /* behind RAM */
		return guest_ram_base + guest_ram_size + rnd_below(64) * PAGE_SIZE - rnd_below(2);
	case 6: /* below RAM: devices and holes */
		return rnd_below(guest_ram_base);
	case 7: /* one bit */
		return 1ull << rnd_below(64);
	case 8: /* a small negative number */
		return -rnd_below(4096);
	default: /* random but never in RAM */
		return rnd() | 1ull << 63;
	}
}

/*
 * Interrupts are not attacks: whatever came is switched off until somebody sets it again. The timer ends an attack that
 * would not end, where one asked for that.
 */
static bool on_interrupt(u64 cause)
{
	struct attacker *a = self();
	bool end = cause == IRQ_TIMER && a->limited;

	csr_clear(sie, IRQ_BIT(cause));
	csr_clear(sip, IRQ_BIT(IRQ_SOFTWARE));
	a->limited = false;
	a->timeouts += end;
	return end;
}

void limit_time(void)
{
	self()->limited = true;
	sbi_set_timer(time_now() + guest_timebase / 200);
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	csr_set(sstatus, SSTATUS_SIE);
}

static const struct {
	const char *name;
	void (*run)(u64);
	unsigned weight; /* how often, of the sum of all */
} attacks[] = {
	{ "sbi", attack_sbi, 24 },
	{ "mmio", attack_mmio, 24 },
	{ "virtio", attack_virtio, 16 },
	{ "tables", attack_tables, 16 },
	{ "ipi", attack_ipi, 12 },
	{ "wfi", attack_wfi, 2 },
	{ "instructions", attack_instructions, 24 },
	{ "harts", attack_harts, 4 },
};

static void one_attack(void)
{
	u64 sum = 0, at;

	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++)
		sum += attacks[i].weight;
	at = rnd_below(sum);
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		if (at >= attacks[i].weight) {
			at -= attacks[i].weight;
			continue;
		}
		if (attacks_wanted >> i & 1)
			guard(attacks[i].run, 0);
		/* Whatever state it left. */
		csr_write(satp, 0);
		csr_clear(sstatus, SSTATUS_SIE);
		self()->limited = false;
		self()->attacks++;
		return;
	}
}

static void attack_for_ever(void)
{
	for (;;)
		one_attack();
}

static void seed_set(struct attacker *a, u64 n)
{
	/* Distinct harts and lives of a hart get distinct sequences; zero would stay zero. */
	a->random = (guest_option("seed", 1) * 64 + n + 1) * 0x9e3779b97f4a7c15ull ^ a->attacks << 20;
	if (!a->random)
		a->random = 1;
}

void hostile_run(void *argument)
{
	(void)argument;
	seed_set(self(), (u64)(hart_self() - harts));
	attack_for_ever();
}

static void beat(u64 second)
{
	u64 done = 0, exceptions = 0, interrupts = 0, timeouts = 0;

	for (unsigned i = 0; i < hostile_harts; i++) {
		done += attackers[i].attacks;
		timeouts += attackers[i].timeouts;
		exceptions += harts[i].exceptions;
		interrupts += harts[i].interrupts;
	}
	print("\nHOSTILE beat %llu attacks %llu timeouts %llu exceptions %llu interrupts %llu harts %u\n",
	      (unsigned long long)second, (unsigned long long)done, (unsigned long long)timeouts,
	      (unsigned long long)exceptions, (unsigned long long)interrupts, hostile_harts);
}

/* Hart 0 attacks as the others do, and looks at the clock between attacks. */
void guest_main(void)
{
	u64 seconds = guest_option("seconds", 0), second = 0;
	u64 next = time_now() + guest_timebase;

	attacks_wanted = guest_option("only", ~0ull);
	trap_interrupt = on_interrupt;
	if (guest_ram_size < MIB(2) + SCRATCH_SIZE + (scratch() - guest_ram_base)) {
		print("hostile: too little RAM\n");
		return;
	}
	hostile_harts = hart_find();
	seed_set(self(), 0);
	print("HOSTILE start seed %llu harts %u\n", (unsigned long long)guest_option("seed", 1),
	      hostile_harts);
	/* The first that runs may start all others. */
	for (unsigned i = 1; i < hostile_harts; i++)
		harts[i].run = hostile_run;
	for (unsigned i = 1; i < hostile_harts; i++)
		hart_start(i, hostile_run, NULL);
	while (!seconds || second < seconds) {
		one_attack();
		if (time_now() < next)
			continue;
		next += guest_timebase;
		beat(++second);
	}
	print("HOSTILE end\n");
}
