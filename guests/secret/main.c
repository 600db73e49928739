/*
 * A guest with something to hide. What it hides fills memory, the registers of two harts and their CSRs, all the time, and is
 * checked all the time; it is worked out at run time, so that its image has none of it. `tests/machine/confidential.py`
 * works it out, too, and looks for it wherever the host leaves something.
 *
 *   SECRET begins: confidential=0|1
 *   SECRET ok: what         each thing tried, once
 *   SECRET t=N ...          about each half second: rounds without a difference
 *   SECRET ERROR ...        what must not be
 *
 * Command line: rounds=N ends it after that many lines.
 */
#include "abi/guest.h"
#include "abi/private.h"
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/hart.h"
#include "guests/lib/hold.h"
#include "guests/lib/sbi.h"
#include "guests/secret/secret.h"

typedef unsigned long long ull;

static u64 errors, ticks, ipis, rounds[2];
static volatile u64 second_is_up;

/* Word n of what it hides. */
u64 secret_word(u64 n)
{
	u64 x = (n + 1) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

void secret_error(const char *what, u64 at, u64 expected, u64 got)
{
	__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
	print("SECRET ERROR %s at %llx: %llx, not %llx\n", what, (ull)at, (ull)got, (ull)expected);
}

static void tick_after(u64 ticks_from_now)
{
	__asm__ volatile("csrw %0, %1" ::"i"(CSR_STIMECMP), "r"(time_now() + ticks_from_now) : "memory");
}

static bool on_interrupt(u64 cause)
{
	switch (cause) {
	case IRQ_TIMER:
		ticks++;
		tick_after(guest_timebase / 100);
		break;
	case IRQ_SOFTWARE:
		csr_clear(sip, IRQ_BIT(IRQ_SOFTWARE));
		__atomic_fetch_add(&ipis, 1, __ATOMIC_RELAXED);
		break;
	default:
		secret_error("interrupt", 0, 0, cause);
	}
	return false;
}

/* ---- What it hides ---- */

#define MEMORY_WORD 128 /* registers have those before it */
#define MEMORY_SIZE MIB(1)

static u64 *memory;

static void memory_fill(void)
{
	for (u64 n = 0; n < MEMORY_SIZE / 8; n++)
		memory[n] = secret_word(MEMORY_WORD + n % SECRET_MEMORY_WORDS);
}

static void memory_check(void)
{
	for (u64 n = 0; n < MEMORY_SIZE / 8; n++) {
		u64 right = secret_word(MEMORY_WORD + n % SECRET_MEMORY_WORDS);

		if (memory[n] != right) {
			secret_error("memory", (u64)&memory[n], right, memory[n]);
			return;
		}
	}
}

/* All registers over something: in a loop, over an exit of each kind, over a wfi. `own` is the one that it uses itself. */
static void hold(void (*function)(struct held *h), const char *what, unsigned own)
{
	static struct held both[2];
	struct held *h = &both[hart_self() != harts];

	for (unsigned n = 0; n < 32; n++) {
		h->x[n] = secret_word(n);
		h->f[n] = secret_word(32 + n);
	}
	h->fcsr = 0x5;
	if (function == hold_loop)
		h->x[31] = 20000;
	if (function == hold_call) {
		/* Of another's the host sees the arguments: an end of a line, which says nothing. */
		h->x[10] = '\n';
		h->x[16] = 2;
		h->x[17] = SBI_DBCN;
	}
	csr_set(sstatus, SSTATUS_FS);
	function(h);
	for (unsigned n = 1; n < 32; n++) {
		u64 right = n == 31 && function == hold_loop ? 0 : h->x[n];

		if (n == own || (function == hold_call && (n == 10 || n == 11)))
			continue;
		if (h->x_after[n] != right)
			secret_error(what, n, right, h->x_after[n]);
	}
	for (unsigned n = 0; n < 32; n++)
		if (h->f_after[n] != h->f[n])
			secret_error(what, 32 + n, h->f[n], h->f_after[n]);
}

static void hold_supervisor(void)
{
	u64 from[4], to[4];

	for (unsigned n = 0; n < 4; n++)
		from[n] = secret_word(64 + n) & ~3ull;
	/* scause is WLRL; any number that a cause may have. */
	from[2] = 9;
	hold_csrs(from, to, 20000);
	for (unsigned n = 0; n < 4; n++)
		if (to[n] != from[n])
			secret_error("csr", n, from[n], to[n]);
}

static void round_of(unsigned n)
{
	hold(hold_loop, "register_loop", 31);
	hold_supervisor();
	hold(hold_wait, "register_wait", 6);
	__atomic_fetch_add(&rounds[n], 1, __ATOMIC_RELAXED);
}

static void interrupts_on(void)
{
	tick_after(guest_timebase / 100);
	csr_set(sie, IRQ_BIT(IRQ_TIMER) | IRQ_BIT(IRQ_SOFTWARE));
	csr_set(sstatus, SSTATUS_SIE);
}

static void second(void *argument)
{
	(void)argument;
	interrupts_on();
	second_is_up = 1;
	while (second_is_up == 1)
		round_of(1);
	csr_clear(sstatus, SSTATUS_SIE);
}

/* ---- What is tried once ---- */

static void ok(const char *what)
{
	print("SECRET ok: %s\n", what);
}

static bool soon(bool (*done)(void))
{
	u64 end = time_now() + 20 * guest_timebase;

	while (!done() && time_now() < end)
		;
	return done();
}

static bool is_second_up(void)
{
	return second_is_up;
}

static bool is_second_stopped(void)
{
	return hart_stopped(1);
}

static bool has_ipi(void)
{
	return __atomic_load_n(&ipis, __ATOMIC_RELAXED) != 0;
}

static bool has_ticks(void)
{
	return *(volatile u64 *)&ticks > 2;
}

static void try_harts(void)
{
	if (hart_find() < 2)
		return;
	for (unsigned n = 0; n < 2; n++) {
		second_is_up = 0;
		if (!hart_start(1, second, NULL) || !soon(is_second_up))
			secret_error("hart_start", n, 1, 0);
		if (n == 0) {
			sbi_send_ipi(1ull << harts[1].id, 0);
			if (!soon(has_ipi))
				secret_error("ipi", 0, 1, 0);
			/* It ends, and is started again. */
			second_is_up = 2;
			sbi_send_ipi(1ull << harts[1].id, 0);
			if (!soon(is_second_stopped))
				secret_error("hart_stop", 0, 1, 0);
		}
	}
	ok("harts");
}

static void try_uart(void)
{
	for (const char *at = "SECRET ok: uart\n"; *at; at++) {
		while (!(*(volatile u8 *)UART_LSR & UART_LSR_THRE))
			;
		*(volatile u8 *)UART_BASE = (u8)*at;
	}
}

static void touch(u64 at)
{
	*(volatile u64 *)at;
}

/* Nothing is there: an access fault, as on any machine. */
static void try_nothing(void)
{
	if (guard(touch, 0x40000000ull) != 5)
		secret_error("access fault", 0, 5, 0);
	ok("access fault");
}

void guest_main(void)
{
	u64 wanted = guest_option("rounds", ~0ull), next = 0;
	bool confidential;

	trap_interrupt = on_interrupt;
	memory = (u64 *)(guest_ram_base + MIB(8));
	confidential = secret_try_share(guest_ram_base + MIB(12));
	print("SECRET begins: confidential=%d\n", confidential);
	try_uart();
	try_nothing();
	interrupts_on();
	if (!soon(has_ticks))
		secret_error("ticks", 0, 3, ticks);
	ok("timer");
	memory_fill();
	hold(hold_call, "register_call", 5);
	ok("registers");
	try_harts();
	for (u64 n = 0; n < wanted; n++) {
		for (next = time_now() + guest_timebase / 2; time_now() < next;)
			round_of(0);
		memory_check();
		print("SECRET t=%llu rounds=%llu,%llu ticks=%llu ipis=%llu errors=%llu\n", (ull)n,
		      (ull)rounds[0], (ull)rounds[1], (ull)ticks, (ull)ipis, (ull)errors);
		if (harts[1].stack)
			sbi_send_ipi(1ull << harts[1].id, 0);
	}
}
