/* Registers and CSRs that must stay what they are: see hold.h. */
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/hold.h"
#include "guests/lib/sbi.h"
#include "guests/witness/witness.h"

#define SSTATUS_VS (3ull << 9)

#define LOOP_TURNS 20000 /* of two instructions */
#define CSR_TURNS  2000

#define REG_A0 10u
#define REG_A1 11u
#define REG_A6 16u
#define REG_A7 17u

/* Widest vector registers that a guest is given: 32 bytes. */
#define VECTOR_WORDS (32 * 32 / 8)

/* CSRs that this guest sets once. */
struct still {
	u64 stvec, satp, sie, scounteren;
};

static struct held held[WITNESS_HARTS_MAX];
static struct still stills[WITNESS_HARTS_MAX];
static u64 vectors_before[WITNESS_HARTS_MAX][VECTOR_WORDS] __attribute__((aligned(16)));
static u64 vectors_after[WITNESS_HARTS_MAX][VECTOR_WORDS] __attribute__((aligned(16)));
static u64 vector_words[WITNESS_HARTS_MAX]; /* 0: none */

u64 registers_rounds;

static struct still still_now(void)
{
	return (struct still){ csr_read(stvec), csr_read(satp), csr_read(sie), csr_read(scounteren) };
}

static void vlenb_read(u64 words)
{
	u64 vlenb;

	/* vlenb, which assemblers know with the extension only. */
	__asm__ volatile("csrr %0, 0xc22" : "=r"(vlenb));
	*(u64 *)(uintptr_t)words = vlenb * 32 / 8;
}

void registers_start(void)
{
	u64 *words = &vector_words[self_index()];

	csr_set(sstatus, SSTATUS_FS | SSTATUS_VS);
	if (csr_read(sstatus) & SSTATUS_VS)
		guard(vlenb_read, (u64)(uintptr_t)words);
	if (*words > VECTOR_WORDS)
		*words = 0;
	stills[self_index()] = still_now();
	print("WITNESS NOTE hart=%u holds x, f and %u bytes of v\n", self_index(), (unsigned)(*words * 8));
}

/* Patterns for all; a register's number is in the error. `own` is the function's. */
static void hold(void (*function)(struct held *), const char *what, unsigned own)
{
	struct held *h = &held[self_index()];
	u64 number = witness_random();
	bool call = function == hold_call;

	for (u64 i = 0; i < 32; i++) {
		h->x[i] = mix(number ^ i << 32);
		h->f[i] = mix(number ^ i << 40);
	}
	/* Rounding mode 0 to 4, and the flags. */
	h->fcsr = (number >> 8) % 5 << 5 | (number & 31);
	if (function == hold_loop)
		h->x[own] = LOOP_TURNS;
	if (call) {
		h->x[REG_A7] = SBI_BASE;
		h->x[REG_A6] = SBI_BASE_PROBE;
		h->x[REG_A0] = SBI_HSM;
	}
	function(h);
	if (call) {
		h->x[REG_A0] = 0;
		h->x[REG_A1] = 1;
	}
	for (unsigned i = 1; i < 32; i++) {
		if (i != own)
			expect(what, i, h->x[i], h->x_after[i]);
	}
	for (unsigned i = 0; i < 32; i++)
		expect(what, 32 + i, h->f[i], h->f_after[i]);
	expect(what, 64, h->fcsr, h->fcsr_after);
}

static void hold_all_vectors(void)
{
	unsigned self = self_index();
	u64 number = witness_random();

	for (u64 i = 0; i < vector_words[self]; i++)
		vectors_before[self][i] = mix(number ^ i << 32);
	hold_vectors(vectors_before[self], vectors_after[self], LOOP_TURNS);
	for (u64 i = 0; i < vector_words[self]; i++)
		expect("vector", i, vectors_before[self][i], vectors_after[self][i]);
}

static void hold_all_csrs(void)
{
	struct still before = stills[self_index()], now;
	u64 number = witness_random(), to[4];
	/* sepc has no bit 0; scause any value that is a cause, which is all of them here. */
	const u64 from[4] = { mix(number), mix(number + 1) & ~1ull, mix(number + 2), mix(number + 3) };

	hold_csrs(from, to, CSR_TURNS);
	for (unsigned i = 0; i < 4; i++)
		expect("csr", i, from[i], to[i]);
	now = still_now();
	expect("stvec", 0, before.stvec, now.stvec);
	expect("satp", 0, before.satp, now.satp);
	expect("sie", 0, before.sie, now.sie);
	expect("scounteren", 0, before.scounteren, now.scounteren);
}

void registers_step(void)
{
	hold(hold_loop, "register_loop", 31);
	ticks_alive();
	hold(hold_call, "register_call", 5);
	ticks_alive();
	if (vector_words[self_index()])
		hold_all_vectors();
	hold_all_csrs();
	ticks_alive();
	hold(hold_wait, "register_wait", 6);
	__atomic_fetch_add(&registers_rounds, 1, __ATOMIC_RELAXED);
}
