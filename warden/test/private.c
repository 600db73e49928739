/*
 * A confidential VM without a hypervisor: the test makes one, enters it, answers it as private.S expects, and looks at each
 * register after each exit. The guest finds out by itself whether anything of its own has changed.
 */
#include "abi/private.h"

#include "abi/guest.h"
#include "warden/test/payload.h"

#define VM	  3ul
#define GUEST	  0x80000000ul
#define GUEST_RAM MIB(2)
#define SHARED	  (RAM + MIB(48))

extern char private_guest[], private_guest_end[];

/* private.S has the offsets. */
struct seen {
	u64 x[32];
	u64 f[32];
	u64 stack;
};

u64 enter_planted(u64 vm, u64 id, struct private_run *run, struct seen *seen);

static struct private_run run;
static struct seen seen;
static struct private_config config;
static u64 first, memory; /* blocks of the pool */

/* ---- The VM ---- */

static u64 page(u64 n)
{
	return first + n * PAGE_SIZE;
}

/* A call that succeeds. */
#define GOOD(...) check_error(warden(__VA_ARGS__).error, #__VA_ARGS__, __LINE__)

static void check_error(long error, const char *what, int line)
{
	check_line(error == 0, what, (u64)error, __FILE__, line);
}

static u64 free_block(void)
{
	const u64 base = warden(PRIVATE_INFO, PRIVATE_INFO_POOL, 0, 0, 0).value;
	u64 n;

	for (n = 0;; n++)
		if (!warden(PRIVATE_INFO, PRIVATE_INFO_OWNER, n, 0, 0).value)
			return base + n * BLOCK_SIZE;
}

static void launch(void)
{
	check(warden(PRIVATE_INFO, PRIVATE_INFO_VERSION, 0, 0, 0).value == PRIVATE_VERSION, 0);
	config.ram_base = GUEST;
	config.ram_size = GUEST_RAM;
	config.vcpus = 2;
	first = free_block();
	GOOD(PRIVATE_CREATE, VM, first, (u64)&config, 0);
	memory = free_block();
	GOOD(PRIVATE_DONATE, VM, memory, 0, 0);
	GOOD(PRIVATE_LINK, VM, GUEST, 2, page(16));
	GOOD(PRIVATE_LINK, VM, GUEST, 1, page(17));
	GOOD(PRIVATE_SET, VM, GUEST, 0, memory);
	GOOD(PRIVATE_SET, VM, GUEST + PAGE_SIZE, 0, memory + PAGE_SIZE);
	/* cppcheck-suppress comparePointers ; two labels of one piece of code */
	GOOD(PRIVATE_LOAD, VM, GUEST, (u64)private_guest, (u64)(private_guest_end - private_guest));
	GOOD(PRIVATE_VCPU, VM, 0, page(18), 0);
	GOOD(PRIVATE_VCPU, VM, 1, page(19), 0);
	check(warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0).error == ERR_STATE, 0);
	check(warden(PRIVATE_VCPU_STATE, VM, 0, 0, 0).value == PRIVATE_VCPU_STOPPED, 0);
	GOOD(PRIVATE_FINAL, VM, GUEST, GUEST + PAGE_SIZE, 0);
	check(warden(PRIVATE_VCPU_STATE, VM, 0, 0, 0).value == PRIVATE_VCPU_READY, 0);
	check(warden(PRIVATE_VCPU_STATE, VM, 1, 0, 0).value == PRIVATE_VCPU_STOPPED, 0);
}

/* ---- What is in the hart ---- */

/* X(CSR, what the host has there): it finds the same again. */
#define HOST_CSRS(X)           \
	X(hstatus, 2ul << 32)  \
	X(hedeleg, 0xb109)     \
	X(hideleg, 0x444)      \
	X(hcounteren, 5)       \
	X(htimedelta, 0x99999) \
	X(scounteren, 6)       \
	X(senvcfg, 0)          \
	X(hgatp, 0)            \
	X(sepc, 0x5550)        \
	X(scause, 0x551)       \
	X(stval, 0x552)        \
	X(satp, 0)             \
	X(sie, 0x222)

/* And of these zeroes. */
#define GUEST_CSRS(X) \
	X(vsie)       \
	X(vstvec)     \
	X(vsscratch)  \
	X(vsepc)      \
	X(vscause)    \
	X(vstval)     \
	X(vsatp)      \
	X(hvip)

static void plant_csrs(void)
{
#define X(csr, value) csr_write(csr, value);
	HOST_CSRS(X)
#undef X
	csr_write(sstatus, csr_read(sstatus) | 0x6000);
}

static void check_hart(void)
{
	u64 n;

	for (n = 1; n < 32; n++) {
		const u64 expected = n == 10 || n == 11 ? 0
				     : n == 12		? (u64)&run
				     : n == 13		? (u64)&seen
				     : n == 16		? PRIVATE_ENTER
				     : n == 17		? WARDEN_EXT
							: 0x5500 + n;

		check(seen.x[n] == expected, n << 32 | seen.x[n]);
	}
	for (n = 0; n < 32; n++)
		check(seen.f[n] == 0, seen.f[n]);
#define X(csr, value) check(csr_read(csr) == (value), run.number << 32 | csr_read(csr));
	HOST_CSRS(X)
#undef X
#define X(csr) check(csr_read(csr) == 0, csr_read(csr));
	GUEST_CSRS(X)
#undef X
	check((csr_read(vsstatus) & ~(3ul << 32)) == 0, csr_read(vsstatus));
	check(csr_read(0x24d) == ~0ul, csr_read(0x24d));
	check(traps(first, 0) && traps(memory, 0) && traps(memory, 1), 0);
}

/* One stay in vCPU `id`, which is to end with that exit. */
static void enter(u64 id, u64 exit)
{
	struct private_run before = run;

	plant_csrs();
	check(enter_planted(VM, id, &run, &seen) == 0, seen.x[10]);
	check_hart();
	check(run.exit == exit, run.exit << 32 | exit);
	check(run.answered == before.answered && run.lines == before.lines, 0);
	run.lines = 0;
}

/* The same with a question: first it is told again, unchanged, then answered. */
static void ask(u64 id, u64 exit)
{
	struct private_run first_told;

	enter(id, exit);
	first_told = run;
	run.answered = run.number + 1;
	enter(id, exit);
	check(run.number == first_told.number, run.number);
	for (u64 n = 0; n < 8; n++)
		check(run.arg[n] == first_told.arg[n], run.arg[n]);
	check(warden(PRIVATE_VCPU_STATE, VM, id, 0, 0).value == PRIVATE_VCPU_ASKING, id);
	run.answered = run.number;
	run.result[0] = run.result[1] = 0;
}

static bool told(u64 n, u64 a, u64 b, u64 c)
{
	const u64 given[8] = { a, b, c };

	for (u64 i = 0; i < 8; i++)
		if (i < n && run.arg[i] != given[i])
			return false;
	return true;
}

/* ---- The host's part of what private.S does ---- */

static void converse(void)
{
	u64 begin, without, start;

	ask(0, PRIVATE_EXIT_LOAD);
	check(run.number == 1, run.number);
	check(told(2, 0x10000004, 4, 0), run.arg[0]);
	run.result[0] = 0xffff000089abcdef;
	ask(0, PRIVATE_EXIT_STORE);
	check(told(3, 0x10000009, 1, 0xef), run.arg[2]);
	ask(0, PRIVATE_EXIT_LOAD);
	check(told(2, 0x10000010, 8, 0), run.arg[0]);
	run.result[1] = 1;
	ask(0, PRIVATE_EXIT_CALL);
	check(run.arg[0] == 2 && !run.arg[1] && !run.arg[2] && !run.arg[3] && !run.arg[4] && !run.arg[5] &&
		      !run.arg[6] && run.arg[7] == 0x735049,
	      run.arg[7]);
	run.result[0] = (u64)ERR_INVALID;
	run.result[1] = 0;
	enter(0, PRIVATE_EXIT_FAULT);
	check(told(2, GUEST + 2 * PAGE_SIZE, 0, 0), run.arg[0]);
	check(run.number == 0, run.number);
	GOOD(PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, memory + 2 * PAGE_SIZE);
	ask(0, PRIVATE_EXIT_CONSOLE);
	check(run.bytes == 7 && told(1, 0x65746176697270, 0, 0), run.bytes);
	run.result[1] = 1000; /* more than there was: it is not believed */
	ask(0, PRIVATE_EXIT_CONSOLE);
	check(run.bytes == 1 && told(1, '!', 0, 0), run.bytes);
	run.lines = PRIVATE_WAIT_EXITS;
	run.result[1] = 1;
	enter(0, PRIVATE_EXIT_WAIT);
	check(told(1, 0x123456789abc - run.time_offset, 0, 0), run.arg[0]);
	check(now() + run.time_offset < 10000000000, run.time_offset);
	run.lines = PRIVATE_RAISE_SOFTWARE;
	ask(0, PRIVATE_EXIT_START);
	check(told(1, 1, 0, 0), run.arg[0]);
	start = run.number;
	enter(1, PRIVATE_EXIT_STOPPED);
	enter(1, PRIVATE_EXIT_STOPPED);
	check(warden(PRIVATE_VCPU_STATE, VM, 1, 0, 0).value == PRIVATE_VCPU_STOPPED, 0);
	run.answered = start;
	enter(0, PRIVATE_EXIT_CONVERT);
	check(told(3, GUEST + 2 * PAGE_SIZE, PAGE_SIZE, 1), run.arg[0]);
	check(warden(PRIVATE_CLEAR, VM, GUEST + PAGE_SIZE, 0, 0).error == ERR_DENIED, 0);
	GOOD(PRIVATE_CLEAR, VM, GUEST + 2 * PAGE_SIZE, 0, 0);
	GOOD(PRIVATE_LINK, VM, GUEST | PRIVATE_SHARED_BIT, 2, page(20));
	GOOD(PRIVATE_LINK, VM, GUEST | PRIVATE_SHARED_BIT, 1, page(21));
	GOOD(PRIVATE_SHARE, VM, (GUEST + 2 * PAGE_SIZE) | PRIVATE_SHARED_BIT, 0, SHARED);
	run.answered = run.number;
	run.result[0] = run.result[1] = 0;
	enter(0, PRIVATE_EXIT_STORE);
	check(told(3, 0x10000020, 4, 1000), run.arg[0]);
	check(*(volatile u64 *)(SHARED + 16) == 0x5ec0de, *(volatile u64 *)(SHARED + 16));

	begin = csr_read(instret);
	for (u64 n = 1; n < 1000; n++) {
		run.answered = run.number;
		warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0);
	}
	without = csr_read(instret) - begin;
	run.answered = run.number;
	warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0);
	check(run.exit == PRIVATE_EXIT_STORE && run.arg[0] == 0x10000024, run.arg[0]);
	begin = csr_read(instret);
	for (u64 n = 1; n < 1000; n++) {
		run.answered = run.number;
		warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0);
	}
	print("MEASURE ");
	print_decimal(without / 999);
	print(" ");
	print_decimal((csr_read(instret) - begin) / 999);
	print("\n");

	run.answered = run.number;
	enter(0, PRIVATE_EXIT_CALL);
	check(run.arg[0] == 0 && run.arg[7] == 0x53525354, run.arg[7]);
	check(run.arg[1] == 0, run.arg[1]); /* something went wrong in the guest */
}

void private_life(void)
{
	launch();
	converse();
	GOOD(PRIVATE_END, VM, 0, 0, 0);
	check(warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0).error == ERR_STATE, 0);
	GOOD(PRIVATE_RECLAIM, VM, memory, 0, 0);
	GOOD(PRIVATE_RECLAIM, VM, first, 0, 0);
	finish();
}
