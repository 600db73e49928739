/*
 * The warden's test from the inside: lives that end in every way the warden deals with, and heirs that look at what it
 * left them. One image; a word that QEMU's loader puts into RAM chooses the scenario. See tests/machine/warden.sh.
 *
 * Prints "CHECK what" for each thing that is wrong, then "PASS" or "FAIL", and powers off.
 */
#include "abi/estate.h"
#include "abi/image.h"
#include "abi/layout.h"
#include "abi/pack.h"
#include "abi/types.h"
#include "abi/warden.h"

#define RAM	   0x80000000ul
#define ESTATE	   (RAM + LAYOUT_ESTATE_OFFSET)
#define SCENARIO   (*(volatile u64 *)(RAM + MIB(32)))
#define NOTES	   ((struct notes *)(RAM + MIB(33)))
#define GUEST_CODE (RAM + MIB(34))
#define TRAP_PAGE  (RAM + MIB(35))
#define ROOT_TABLE ((u64 *)(RAM + MIB(36))) /* Sv39, identity */

#define SEED		  0x1234567800000000ul
#define ERR_FAILED	  (-1L)
#define ERR_NOT_SUPPORTED (-2L)
#define ERR_INVALID	  (-3L)
#define ERR_DENIED	  (-4L)
#define ERR_ADDRESS	  (-5L)
#define ERR_ALREADY	  (-6L)
#define ERR_STATE	  (-10L)

enum scenario {
	CRASH = 1,	  /* by call, five times; registers, text, timeline */
	HANG = 2,	  /* interrupts off, on the last hart */
	TRAP_LOOP = 3,	  /* breakpoint at stvec */
	TRAP_NOWHERE = 4, /* stvec where there is nothing */
	GUEST = 5,	  /* a guest counts through a crash and exits */
	GUEST_CALLED = 6, /* a guest is collected while it counts */
	GUEST_DOOMED = 7, /* the heir dies too: the guest's tables are in the third life's slot */
	LIMIT_RESET = 8,  /* too many crashes */
	LIMIT_HALT = 9,
	SILENT_HEIR = 10, /* it spins before it reports for duty */
	TWO_AT_ONCE = 11,
	STARTING = 12, /* crash while a hart is on its way up */
	ARGUMENTS = 13,
	PEACE = 14,	 /* idle harts, a busy guest and a working life under the watchdog: nothing happens */
	TAKEN_OVER = 15, /* records that nobody took over are kept */
	PRISTINE = 16,	 /* waits until somebody damages the pristine image, then crashes */
	SUSPENDED = 17,	 /* a hart in HSM suspend when the crash comes */
	MEASURE = 18,	 /* crashes again and again and prints the timeline */
	FENCES = 19,	 /* remote fences reach held and parked harts */
	TICKS = 20,	 /* what the watchdog costs a loop: prints its rounds in a second without and with */
	NO_SSTC = 21,	 /* a machine where the timer is the hypervisor's */
	NATIVE = 22,	 /* the machine is given away, and lives end */
};

/* What lives tell each other; outside all slots, like guest RAM. */
struct notes {
	u64 lives;
	u64 wrong; /* checks that failed, all lives */
	volatile u64 counter;
	volatile u64 guest_may_exit;
	u64 guest_context[2];
	volatile u64 go;      /* what to do ... */
	volatile u64 who;     /* ... by this hart; ~0: by all */
	volatile u64 here[8]; /* per hart: what it has come to */
	struct {
		volatile u64 seen;
		u64 opaque, vsscratch, f5, vsie, satp, sie, sstatus, hgatp, htimedelta;
	} collected[8];
};

extern char spin_planted_pc[], crash_planted_pc[], trap_loop_code[];
extern char guest_code[], guest_code_exit[], guest_code_end[];
extern char _start[];
char stacks[9 * 4096] __attribute__((aligned(4096)));

void spin_planted(u64 seed) __attribute__((noreturn));
void crash_planted(u64 seed) __attribute__((noreturn));
void trap_loop_planted(u64 seed, u64 stvec) __attribute__((noreturn));
void enter_guest(u64 seed) __attribute__((noreturn));
void secondary_entry(void);
void native_entry(void);
void native_secondary(void);
void native_main(const u64 *x);
void native_secondary_main(u64 hart, u64 opaque);
u64 traps(u64 address, u64 store);
void boot_main(u64 hart, u64 fdt);
void heir_main(u64 hart, u64 estate, u64 others);
void secondary_main(u64 hart, u64 opaque);

#define csr_read(csr)                                                        \
	({                                                                   \
		u64 value_;                                                  \
		__asm__ volatile("csrr %0, " #csr : "=r"(value_)::"memory"); \
		value_;                                                      \
	})
#define csr_write(csr, value) __asm__ volatile("csrw " #csr ", %0" ::"r"((u64)(value)) : "memory")

struct result {
	long error;
	u64 value;
};

static struct result sbi(u64 extension, u64 function, u64 a, u64 b, u64 c, u64 d)
{
	register u64 a0 __asm__("a0") = a;
	register u64 a1 __asm__("a1") = b;
	register u64 a2 __asm__("a2") = c;
	register u64 a3 __asm__("a3") = d;
	register u64 a6 __asm__("a6") = function;
	register u64 a7 __asm__("a7") = extension;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
	return (struct result){ (long)a0, a1 };
}

static struct result warden(u64 call, u64 a, u64 b, u64 c, u64 d)
{
	return sbi(WARDEN_EXT, call, a, b, c, d);
}

static void print(const char *s)
{
	while (*s)
		sbi(1, 0, (u64)*s++, 0, 0, 0);
}

static void print_number(u64 n)
{
	char digits[17] = { 0 };

	for (int i = 15; i >= 0; i--, n >>= 4)
		digits[i] = "0123456789abcdef"[n & 15];
	print(digits);
}

static void print_decimal(u64 n)
{
	char digits[21] = { 0 };
	int i = 20;

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	print(digits + i);
}

static void check_line(bool good, const char *what, u64 value, int line)
{
	if (good)
		return;
	NOTES->wrong++;
	print("CHECK line ");
	print_decimal((u64)line);
	print(": ");
	print(what);
	print(" in life ");
	print_decimal(NOTES->lives);
	print(": ");
	print_number(value);
	print("\n");
}
#define check(good, value) check_line(good, #good, (u64)(value), __LINE__)

__attribute__((noreturn)) static void finish(void)
{
	print(NOTES->wrong ? "FAIL\n" : "PASS\n");
	sbi(0x53525354, 0, 0, 0, 0, 0);
	for (;;)
		;
}

/* Ticks of 100 ns. */
static u64 now(void)
{
	return csr_read(time);
}

static volatile struct warden_record *warden_record(void)
{
	return (struct warden_record *)(ESTATE + ESTATE_WARDEN_OFFSET);
}

static u64 this_slot(void)
{
	return ((u64)_start - RAM - LAYOUT_WARDEN_SIZE) / LAYOUT_SLOT_SIZE;
}

static volatile struct hart_record *hart_record(u64 hart)
{
	return (struct hart_record *)(ESTATE + ESTATE_HARTS_OFFSET) + hart;
}

/* With -icount only one hart runs at a time: those that wait give way. Needs Sstc. */
static void give_way(void)
{
	if (SCENARIO != MEASURE)
		return;
	csr_write(0x14d, now() + 1000);
	csr_write(sie, 0x20);
	__asm__ volatile("wfi");
	csr_write(sie, 0);
}

/* The hart that runs the test. */
static u64 main_hart;

static bool waited_for(volatile u64 *word, u64 value, u64 ms)
{
	const u64 begin = now();

	while (*word != value) {
		hart_record(main_hart)->beat++;
		if (now() - begin > ms * 10000)
			return false;
		give_way();
	}
	return true;
}

/* True when the guest has counted on. */
static bool guest_goes_on(void)
{
	const u64 begin = now(), before = NOTES->counter;

	while (NOTES->counter == before) {
		hart_record(main_hart)->beat++;
		if (now() - begin > 50000000)
			return false;
	}
	return true;
}

static void sleep_ms(u64 ms)
{
	const u64 begin = now();

	while (now() - begin < ms * 10000)
		hart_record(main_hart)->beat++;
}

/* The highest hart, which is the boot hart if there is only one. */
static u64 last_hart(void)
{
	u64 hart = 0;

	while (hart < 7 && sbi(0x48534d, 2, hart + 1, 0, 0, 0).error == 0)
		hart++;
	return hart;
}

static void ready(u64 policy)
{
	check(warden(WARDEN_READY, (u64)secondary_entry, 5, 60, policy).error == 0, 0);
}

static void collect(u64 hart)
{
	struct result r;

	NOTES->collected[hart].seen = 0;
	r = warden(WARDEN_COLLECT, hart, SEED + hart, 0, 0);
	check(r.error == 0, r.error);
	check(waited_for(&NOTES->collected[hart].seen, 1, 5000), hart);
	check(NOTES->collected[hart].opaque == SEED + hart, NOTES->collected[hart].opaque);
	check(NOTES->collected[hart].satp == 0, NOTES->collected[hart].satp);
	check(NOTES->collected[hart].sie == 0, NOTES->collected[hart].sie);
	check(NOTES->collected[hart].hgatp == 0, NOTES->collected[hart].hgatp);
	check((NOTES->collected[hart].sstatus & 0x122) == 0, NOTES->collected[hart].sstatus);
	check(warden(WARDEN_COLLECT, hart, 0, 0, 0).error == ERR_ALREADY, hart);
}

static void check_x(volatile struct hart_found *f, u64 first_skip, u64 skip_mask)
{
	for (u64 n = 1; n < 32; n++)
		if (n != first_skip && !(skip_mask & (1ul << n)))
			check(f->x[n] == SEED + n, f->x[n]);
}

/* Of a hart that ran into its end in HS-mode, the dead life in slot `slot`. */
static void check_found_spinning(u64 hart, u64 slot)
{
	volatile struct hart_found *f = &hart_record(hart)->found;

	check(f->state == FOUND_HS, f->state);
	check_x(f, 0, 0);
	check(f->pc == (u64)spin_planted_pc - (u64)_start + RAM + LAYOUT_SLOT_OFFSET(slot), f->pc);
	check((f->mstatus >> 39 & 1) == 0 && (f->mstatus >> 11 & 3) == 1, f->mstatus);
}

/* What the warden says of the last life, which it found dead for `cause` on `hart`. */
static void check_record(u64 cause, u64 hart)
{
	volatile struct warden_record *w = warden_record();

	check(w->valid == 1, w->valid);
	check(w->cause == cause, w->cause);
	check(w->hart == hart, w->hart);
	check(w->dead_slot == 1 - this_slot(), w->dead_slot);
	check(w->crashes == NOTES->lives - 1, w->crashes);
	check(w->t_fault <= w->t_stopped && w->t_stopped <= w->t_heir && w->t_heir <= now(), w->t_fault);
	w->valid = 0;
}

static void take_over_all(void)
{
	for (u64 hart = 0; hart < 8; hart++)
		hart_record(hart)->found.state = FOUND_NOTHING;
}

static void copy(void *to, const void *from, const void *end)
{
	u8 *t = to;

	for (const u8 *f = from; f < (const u8 *)end; f++)
		*t++ = *f;
	__asm__ volatile("fence.i" ::: "memory");
}

/* This hart enters the guest, with everything planted that has to survive. */
__attribute__((noreturn)) static void run_guest(void)
{
	struct notes *notes = NOTES;

	copy((void *)GUEST_CODE, guest_code, guest_code_end);
	notes->guest_context[0] = (u64)&notes->counter;
	notes->guest_context[1] = (u64)&notes->guest_may_exit;
	csr_write(hgatp, 0);
	csr_write(vsatp, 0);
	csr_write(hideleg, 0x444);
	csr_write(hedeleg, 0xb1ff);
	csr_write(vsscratch, (u64)notes->guest_context);
	csr_write(vsie, 0x202);
	csr_write(vsstatus, 0);
	csr_write(htimedelta, 77);
	csr_write(hvip, 0);
	csr_write(sie, 0x222);
	csr_write(hstatus, csr_read(hstatus) | 0x180);
	csr_write(sstatus, csr_read(sstatus) | 0x6100);
	csr_write(sepc, GUEST_CODE);
	__asm__ volatile("fmv.d.x f5, %0" ::"r"(SEED + 5));
	enter_guest(SEED);
}

/* The guest has been found after its exit, or interrupted. */
static void check_found_parked(u64 hart, bool exited)
{
	volatile struct hart_found *f = &hart_record(hart)->found;
	/* cppcheck-suppress comparePointers ; two labels of one piece of code */
	const u64 exit_pc = GUEST_CODE + (u64)(guest_code_exit - guest_code);

	check(f->state == FOUND_PARKED, f->state);
	check_x(f, 0, 1ul << 6 | 1ul << 7 | 1ul << 8 | 1ul << 9);
	check(f->x[8] == (u64)&NOTES->counter, f->x[8]);
	check(f->x[9] == (u64)&NOTES->guest_may_exit, f->x[9]);
	check((f->hstatus & 0x180) == 0x180, f->hstatus);
	check((f->sstatus & 0x100) == 0x100, f->sstatus);
	check(f->hgatp == 0, f->hgatp);
	if (exited) {
		check(f->pc == exit_pc, f->pc);
		check(f->scause == 10, f->scause);
	} else {
		check(f->pc >= GUEST_CODE && f->pc < exit_pc, f->pc);
		check(f->scause == WARDEN_EXIT_NONE, f->scause);
	}
}

/* What the hart carries of its guest when it arrives at the secondary entry. */
static void check_guest_csrs(u64 hart)
{
	check(NOTES->collected[hart].vsscratch == (u64)NOTES->guest_context,
	      NOTES->collected[hart].vsscratch);
	check(NOTES->collected[hart].vsie == 0x202, NOTES->collected[hart].vsie);
	check(NOTES->collected[hart].htimedelta == 77, NOTES->collected[hart].htimedelta);
	check(NOTES->collected[hart].f5 == SEED + 5, NOTES->collected[hart].f5);
}

/* ---- What harts do in the first life ---- */

void secondary_main(u64 hart, u64 opaque)
{
	struct notes *notes = NOTES;
	u64 f5;

	notes->collected[hart].opaque = opaque;
	notes->collected[hart].vsscratch = csr_read(vsscratch);
	notes->collected[hart].vsie = csr_read(vsie);
	notes->collected[hart].satp = csr_read(satp);
	notes->collected[hart].sie = csr_read(sie);
	notes->collected[hart].sstatus = csr_read(sstatus);
	notes->collected[hart].hgatp = csr_read(hgatp);
	notes->collected[hart].htimedelta = csr_read(htimedelta);
	csr_write(sstatus, csr_read(sstatus) | 0x6000);
	__asm__ volatile("fmv.x.d %0, f5" : "=r"(f5));
	notes->collected[hart].f5 = f5;
	__asm__ volatile("fence" ::: "memory");
	notes->collected[hart].seen = 1;

	while (!notes->go || (notes->who != hart && notes->who != ~0ul)) {
		hart_record(hart)->beat++;
		give_way();
		if (SCENARIO == PEACE && hart == 1) {
			hart_record(hart)->idle = 1;
			__asm__ volatile("wfi");
			hart_record(hart)->idle = 0;
		}
	}
	notes->here[hart] = notes->go;
	switch (notes->go) {
	case HANG:
		spin_planted(SEED);
	case TRAP_LOOP:
		*(volatile u32 *)TRAP_PAGE = 0x00100073;
		__asm__ volatile("fence.i" ::: "memory");
		trap_loop_planted(SEED, TRAP_PAGE);
	case TRAP_NOWHERE:
		trap_loop_planted(SEED, 0x10);
	case GUEST:
		run_guest();
	case TWO_AT_ONCE:
		warden(WARDEN_CRASH, LIFE_PANIC, 0, 0, 0);
		check(false, hart);
		break;
	case SUSPENDED:
		csr_write(sie, 0);
		sbi(0x48534d, 3, 0, 0, 0, 0);
		for (;;)
			;
	case NATIVE:
		sbi(0x48534d, 1, 0, 0, 0, 0);
		check(false, hart);
	}
	for (;;)
		;
}

__attribute__((noreturn)) static void crash(const char *text)
{
	u64 size = 0;

	while (text[size])
		size++;
	warden(WARDEN_CRASH, LIFE_PANIC, (u64)text, size, 0);
	check(false, 0);
	finish();
}

/* The hart that the scenario is about, told to begin; comes back if it is another than this. */
static void send_off(u64 hart, u64 what)
{
	NOTES->who = hart;
	NOTES->go = what;
	if (hart == 0)
		secondary_main(0, 0);
	check(waited_for(&NOTES->here[hart], what, 5000), hart);
}

static void check_arguments(void)
{
	const u64 slot = RAM + LAYOUT_SLOT_OFFSET(this_slot());
	const u64 other = RAM + LAYOUT_SLOT_OFFSET(1 - this_slot());
	struct result r = warden(WARDEN_INFO, 0, 0, 0, 0);

	check(r.error == 0 && r.value == WARDEN_VERSION, r.value);
	check(warden(WARDEN_COLLECT, 0, 0, 0, 0).error == ERR_STATE, 0);
	check(warden(WARDEN_READY, slot - 4, 5, 60, CRASH_RESET).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_READY, other + 128, 5, 60, CRASH_RESET).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_READY, slot + 130, 5, 60, CRASH_RESET).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_READY, RAM, 5, 60, CRASH_RESET).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_READY, slot + LAYOUT_SLOT_SIZE, 5, 60, CRASH_RESET).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_READY, slot + 128, 5, 60, CRASH_RECOVER).error == ERR_INVALID, 0);
	check(warden(WARDEN_READY, slot + 128, 5, 60, 3).error == ERR_INVALID, 0);
	check(warden(WARDEN_READY, slot + 128, ~0ul, ~0ul, CRASH_HALT).error == 0, 0);
	ready(CRASH_RESET);
	check(warden(WARDEN_COLLECT, MAX_HARTS, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_COLLECT, ~0ul, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_COLLECT, 63, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_COLLECT, 0x100000000ul, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_COLLECT, 0, 0, 0, 0).error == ERR_ALREADY, 0);
	check(warden(WARDEN_PARK, 0, 0, 0, 0).error == ERR_DENIED, 0);
	check(warden(WARDEN_WATCHDOG, ~0ul, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_WATCHDOG, 100, 0, 0, 0).error == 0, 0);
	check(warden(WARDEN_WATCHDOG, 0, 0, 0, 0).error == 0, 0);
	check(warden(WARDEN_CRASH, 0, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_CRASH, 999, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_CRASH, LIFE_PANIC, RAM, 16, 0).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_CRASH, LIFE_PANIC, 0x10000000, 1, 0).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_CRASH, LIFE_PANIC, other, 16, 0).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_CRASH, LIFE_PANIC, ~0ul, ~0ul, 0).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_CRASH, LIFE_PANIC, slot + LAYOUT_SLOT_SIZE - 4, 16, 0).error == ERR_ADDRESS, 0);
	check(warden(99, 0, 0, 0, 0).error == ERR_NOT_SUPPORTED, 0);
	check(warden(~0ul, 0, 0, 0, 0).error == ERR_NOT_SUPPORTED, 0);
	r = warden(WARDEN_VERIFY, 0, 0, 0, 0);
	check(r.error == 0 && r.value == 1, r.value);
	/* Firmware, pristine image and stub are closed, all else is open. */
	for (u64 page = RAM; page < RAM + LAYOUT_WARDEN_SIZE; page += PAGE_SIZE)
		check(traps(page, 0) && traps(page, 1), page);
	check(!traps(RAM + LAYOUT_WARDEN_SIZE, 0) && !traps(RAM + LAYOUT_SLOT_OFFSET(1), 1) &&
		      !traps(ESTATE, 1),
	      0);
}

/* ---- The machine is given away ---- */

static void others_up(void);

/* What a life leaves behind in the hart that no operating system expects. */
static void dirty_hypervisor_state(void)
{
	csr_write(hgatp, 8ul << 60 | (u64)ROOT_TABLE >> 12);
	csr_write(hideleg, 0x444);
	csr_write(hedeleg, 0xb1ff);
	csr_write(hvip, 0x444);
	csr_write(hie, 0x444);
	csr_write(hcounteren, 7);
	csr_write(htimedelta, 77);
	csr_write(henvcfg, ~0ul);
	csr_write(vsatp, 8ul << 60 | (u64)ROOT_TABLE >> 12);
	csr_write(vsstatus, 0x6122);
	csr_write(vstvec, 0x1000);
	csr_write(vsscratch, SEED);
	csr_write(hstatus, csr_read(hstatus) | 0x180);
	csr_write(0x24d, 0);
}

static void check_hypervisor_state(void)
{
	check((csr_read(hstatus) & ~0x300000000ul) == 0, csr_read(hstatus));
	check(csr_read(hgatp) == 0 && csr_read(vsatp) == 0, csr_read(hgatp));
	check(csr_read(hideleg) == 0 && csr_read(hedeleg) == 0, csr_read(hideleg));
	check(csr_read(hvip) == 0 && csr_read(hie) == 0, csr_read(hvip));
	check(csr_read(hcounteren) == 0 && csr_read(htimedelta) == 0, csr_read(htimedelta));
	check(csr_read(henvcfg) == 0, csr_read(henvcfg));
	check((csr_read(vsstatus) & ~0x300000000ul) == 0, csr_read(vsstatus));
	check(csr_read(vstvec) == 0 && csr_read(vsscratch) == 0, csr_read(vstvec));
	check(csr_read(0x24d) == ~0ul, csr_read(0x24d));
}

static struct warden_native native = {
	.sstatus = 0xc4120, /* MXR, SUM, FS clean, SPP, SPIE */
	.sie = 0x222,
	.sip = 2,
	.sscratch = SEED + 40,
	.sepc = SEED + 42,
	.scause = 13,
	.stval = SEED + 43,
	.stimecmp = ~0ul - 5,
};

static long devirtualise(u64 address, u64 only_check)
{
	return warden(WARDEN_DEVIRTUALISE, address, only_check, 0, 0).error;
}

static void give_machine_away(u64 last)
{
	const u64 slot = RAM + LAYOUT_SLOT_OFFSET(this_slot());

	ROOT_TABLE[0] = 0xc7;
	ROOT_TABLE[2] = RAM >> 2 | 0xcf;
	native.pc = (u64)native_entry;
	native.stvec = (u64)native_entry + 8;
	native.satp = 8ul << 60 | (u64)ROOT_TABLE >> 12;
	for (u64 n = 1; n < 32; n++)
		native.x[n] = SEED + n;
	native.x[2] = (u64)stacks + 4096;

	check(warden(WARDEN_WATCHDOG, 200, 0, 0, 0).error == 0, 0);
	check(devirtualise(RAM, 0) == ERR_ADDRESS, 0);
	check(devirtualise(ESTATE, 0) == ERR_ADDRESS, 0);
	check(devirtualise(slot + LAYOUT_SLOT_SIZE - 8, 0) == ERR_ADDRESS, 0);
	check(devirtualise((u64)&native + 4, 0) == ERR_ADDRESS, 0);
	check(devirtualise(~0ul, 0) == ERR_ADDRESS, 0);
	if (last)
		check(devirtualise((u64)&native, 0) == ERR_STATE, 0);
	for (u64 other = 1; other <= last; other++) {
		NOTES->who = other;
		NOTES->go = NATIVE;
		check(waited_for(&NOTES->here[other], NATIVE, 5000), other);
		NOTES->go = 0;
		while (sbi(0x48534d, 2, other, 0, 0, 0).value != 1)
			hart_record(0)->beat++;
		if (other < last)
			check(devirtualise((u64)&native, 0) == ERR_STATE, other);
	}
	native.satp |= 7ul << 60;
	check(devirtualise((u64)&native, 0) == ERR_INVALID, 0);
	native.satp = 8ul << 60 | (u64)ROOT_TABLE >> 12;
	/* Nothing has happened: the life goes on, and harts come back. */
	check(devirtualise((u64)&native, 1) == 0, 0);
	check(warden(WARDEN_INFO, 0, 0, 0, 0).value == WARDEN_VERSION, 0);
	if (last) {
		collect(last);
		check(devirtualise((u64)&native, 0) == ERR_STATE, 0);
		NOTES->who = last;
		NOTES->go = NATIVE;
		while (sbi(0x48534d, 2, last, 0, 0, 0).value != 1)
			hart_record(0)->beat++;
	}
	dirty_hypervisor_state();
	devirtualise((u64)&native, 0);
	check(false, 0);
	finish();
}

/* From native_entry, with all registers on the stack. */
void native_main(const u64 *x)
{
	const u64 last = last_hart();

	for (u64 n = 1; n < 32; n++)
		check(n == 2 || x[n] == SEED + n, x[n]);
	check((csr_read(sstatus) & 0xc6122) == 0xc4120, csr_read(sstatus));
	check(csr_read(sie) == 0x222, csr_read(sie));
	check((csr_read(sip) & 2) == 2, csr_read(sip));
	check(csr_read(stvec) == (u64)native_entry + 8, csr_read(stvec));
	check(csr_read(sscratch) == SEED + 40, csr_read(sscratch));
	check(csr_read(sepc) == SEED + 42, csr_read(sepc));
	check(csr_read(scause) == 13, csr_read(scause));
	check(csr_read(stval) == SEED + 43, csr_read(stval));
	check(csr_read(satp) == (8ul << 60 | (u64)ROOT_TABLE >> 12), csr_read(satp));
	check(csr_read(0x14d) == ~0ul - 5, csr_read(0x14d));
	check_hypervisor_state();
	check(sbi(0x10, 3, WARDEN_EXT, 0, 0, 0).value == 0, 0);
	for (u64 call = WARDEN_INFO; call <= WARDEN_DEVIRTUALISE; call++)
		check(warden(call, 0, 0, 0, 0).error == ERR_NOT_SUPPORTED, call);
	for (u64 other = 1; other <= last; other++) {
		NOTES->here[other] = 0;
		check(sbi(0x48534d, 0, other, (u64)native_secondary, SEED + other, 0).error == 0, other);
		check(waited_for(&NOTES->here[other], SEED + other, 5000), other);
	}
	/* No watchdog either. */
	for (u64 begin = now(); now() - begin < 5000000;)
		;
	finish();
}

void native_secondary_main(u64 hart, u64 opaque)
{
	NOTES->here[hart] = opaque;
	for (;;)
		;
}

static void others_up(void)
{
	for (u64 hart = 1; hart <= last_hart(); hart++)
		collect(hart);
}

static u64 rounds_in_a_second(void)
{
	const u64 begin = now();
	u64 rounds = 0;

	while (now() - begin < 10000000) {
		hart_record(0)->beat++;
		rounds++;
	}
	return rounds;
}

static void first_life(void)
{
	const u64 last = last_hart();

	if (SCENARIO == ARGUMENTS) {
		check_arguments();
		finish();
	}
	ready(SCENARIO == LIMIT_HALT ? CRASH_HALT : CRASH_RESET);
	if (SCENARIO == STARTING) {
		for (u64 hart = 1; hart <= last; hart++)
			sbi(0x48534d, 0, hart, (u64)secondary_entry, 0, 0);
		crash("others are on their way!");
	}
	others_up();
	switch (SCENARIO) {
	case CRASH:
	case LIMIT_RESET:
	case LIMIT_HALT:
	case MEASURE:
		crash_planted(SEED);
	case HANG:
	case TRAP_LOOP:
	case TRAP_NOWHERE:
		check(warden(WARDEN_WATCHDOG, 200, 0, 0, 0).error == 0, 0);
		send_off(last, SCENARIO);
		sleep_ms(5000);
		check(false, last);
		finish();
	case GUEST:
	case GUEST_CALLED:
	case GUEST_DOOMED:
	case FENCES:
		send_off(last, GUEST);
		check(guest_goes_on(), NOTES->counter);
		crash("with a guest");
	case SUSPENDED:
		send_off(last, SUSPENDED);
		sleep_ms(20);
		crash("one sleeps");
	case SILENT_HEIR:
	case TAKEN_OVER:
		crash("the first");
	case TWO_AT_ONCE:
		NOTES->who = ~0ul;
		NOTES->go = TWO_AT_ONCE;
		crash("me too");
	case PEACE:
		if (last > 1)
			send_off(last, GUEST);
		check(warden(WARDEN_WATCHDOG, 200, 0, 0, 0).error == 0, 0);
		sleep_ms(1500);
		finish();
	case TICKS:
		print("TICKS ");
		print_decimal(rounds_in_a_second());
		check(warden(WARDEN_WATCHDOG, 100, 0, 0, 0).error == 0, 0);
		print(" ");
		print_decimal(rounds_in_a_second());
		print("\n");
		finish();
	case NO_SSTC:
		check(warden(WARDEN_WATCHDOG, 100, 0, 0, 0).error == ERR_NOT_SUPPORTED, 0);
		crash("without a watchdog");
	case NATIVE:
		give_machine_away(last);
		break;
	case PRISTINE:
		print("WAITING\n");
		while (!NOTES->go)
			;
		check(warden(WARDEN_VERIFY, 0, 0, 0, 0).value == 0, 0);
		crash("with a damaged image");
	}
	check(false, SCENARIO);
	finish();
}

void boot_main(u64 hart, u64 fdt)
{
	struct notes *notes = NOTES;

	(void)hart;
	(void)fdt;
	for (u64 *word = (u64 *)notes; word < (u64 *)(notes + 1); word++)
		*word = 0;
	for (u64 *word = (u64 *)ESTATE; word < (u64 *)(ESTATE + KIB(256)); word++)
		*word = 0;
	notes->lives = 1;
	first_life();
}

/* ---- What heirs find ---- */

static void second_life(u64 hart)
{
	const u64 last = last_hart();

	switch (SCENARIO) {
	case HANG:
		check_record(LIFE_HANG, last);
		check_found_spinning(last, 0);
		break;
	case TRAP_LOOP:
	case TRAP_NOWHERE:
		check_record(LIFE_TRAP_LOOP, last);
		check(hart_record(last)->found.state == FOUND_HS, 0);
		check_x(&hart_record(last)->found, 0, 0);
		break;
	case STARTING:
		check(warden_record()->text_size == 24, warden_record()->text_size);
		for (u64 i = 0; i < 24; i++)
			check(warden_record()->text[i] == "others are on their way!"[i], i);
		check_record(LIFE_PANIC, 0);
		for (u64 other = 1; other <= last; other++)
			check(hart_record(other)->found.state == FOUND_HS, hart_record(other)->found.state);
		break;
	case TWO_AT_ONCE:
		check(warden_record()->crashes == 1, warden_record()->crashes);
		for (u64 other = 0; other <= last; other++)
			check(hart_record(other)->found.state == FOUND_HS, hart_record(other)->found.state);
		break;
	case GUEST:
		check_record(LIFE_PANIC, 0);
		check(hart_record(last)->found.state == FOUND_GUEST, hart_record(last)->found.state);
		check(hart_record(last)->found.sie == 0x222, hart_record(last)->found.sie);
		/* Now the waits below do not count as an heir's silence. */
		ready(CRASH_RESET);
		check(guest_goes_on(), NOTES->counter);
		NOTES->guest_may_exit = 1;
		check(waited_for(&hart_record(last)->found.state, FOUND_PARKED, 5000), 0);
		check_found_parked(last, true);
		check(hart_record(last)->found.sie == 0x222, hart_record(last)->found.sie);
		break;
	case GUEST_CALLED:
		check(hart_record(last)->found.state == FOUND_GUEST, hart_record(last)->found.state);
		break;
	case GUEST_DOOMED:
		check(hart_record(last)->found.state == FOUND_GUEST, hart_record(last)->found.state);
		crash("the heir, too");
	case FENCES:
		ready(CRASH_RESET);
		/* fence.i, sfence.vma and hfence.gvma to all */
		check(sbi(0x52464e43, 0, 0, ~0ul, 0, 0).error == 0, 0);
		check(sbi(0x52464e43, 1, 0, ~0ul, 0, ~0ul).error == 0, 0);
		check(sbi(0x52464e43, 4, 0, ~0ul, 0, ~0ul).error == 0, 0);
		check(guest_goes_on(), NOTES->counter);
		check(hart_record(last)->found.state == FOUND_GUEST, hart_record(last)->found.state);
		finish();
	case NO_SSTC:
		check_record(LIFE_PANIC, 0);
		break;
	case SUSPENDED:
		check_record(LIFE_PANIC, 0);
		check(hart_record(last)->found.state == FOUND_HS, hart_record(last)->found.state);
		break;
	case SILENT_HEIR:
		spin_planted(SEED);
	case TAKEN_OVER:
		/* Dies before anything is taken over. */
		hart_record(0)->found.x[5] = 0x5555;
		hart_record(last)->found.x[6] = 0x6666;
		crash("nothing taken over");
	}
	take_over_all();
	ready(CRASH_RESET);
	NOTES->go = 0;
	for (u64 other = 0; other <= last; other++)
		if (other != hart)
			collect(other);
	if (SCENARIO == GUEST_CALLED) {
		check_found_parked(last, false);
		check_guest_csrs(last);
	}
	if (SCENARIO == GUEST)
		check_guest_csrs(last);
	finish();
}

/* Crash upon crash, the last of them one too many. */
static void next_of_many(u64 hart)
{
	volatile struct hart_found *f = &hart_record(hart)->found;
	volatile struct warden_record *w = warden_record();

	check(f->state == FOUND_HS, f->state);
	check_x(f, 10, 1ul << 11 | 1ul << 12 | 1ul << 16 | 1ul << 17);
	check(f->pc == (u64)crash_planted_pc - (u64)_start + RAM + LAYOUT_SLOT_OFFSET(1 - this_slot()),
	      f->pc);
	if (SCENARIO == MEASURE) {
		print("MEASURE stop ");
		print_decimal(w->t_stopped - w->t_fault);
		print(" heir ");
		print_decimal(w->t_heir - w->t_fault);
		print(" entered ");
		print_decimal(NOTES->go - w->t_fault);
		print(" ticks\n");
		NOTES->go = 0;
	}
	check_record(LIFE_PANIC, hart);
	take_over_all();
	if (SCENARIO != LIMIT_RESET && SCENARIO != LIMIT_HALT && NOTES->lives == 5)
		finish();
	check(NOTES->lives <= 6, NOTES->lives);
	ready(SCENARIO == LIMIT_HALT ? CRASH_HALT : CRASH_RESET);
	others_up();
	print("LIFE ");
	print_decimal(NOTES->lives);
	print("\n");
	crash_planted(SEED);
}

static void third_life(void)
{
	const u64 last = last_hart();

	switch (SCENARIO) {
	case SILENT_HEIR:
		check_record(LIFE_ADOPTION, 0);
		finish();
	case GUEST_DOOMED:
		check_record(LIFE_PANIC, 0);
		check_found_parked(last, false);
		finish();
	case TAKEN_OVER:
		check(hart_record(0)->found.x[5] == 0x5555, 0);
		check(hart_record(last)->found.x[6] == 0x6666, 0);
		finish();
	}
	/* Nobody expects a third life: what ended the second? */
	check(false, warden_record()->cause);
	check(false, warden_record()->hart);
	check(false, warden_record()->t_fault);
	check(false, hart_record(warden_record()->hart & 7)->found.pc);
	finish();
}

void heir_main(u64 hart, u64 estate, u64 others)
{
	const u64 entered = now();

	main_hart = hart;
	NOTES->lives++;
	if (SCENARIO == MEASURE)
		NOTES->go = entered;
	check(estate == ESTATE, estate);
	check(others == 0, others);
	check(csr_read(satp) == 0 && csr_read(sie) == 0 && csr_read(sscratch) == 0 && csr_read(hgatp) == 0,
	      0);
	check(csr_read(stvec) == (u64)_start + IMAGE_HEIR_ENTRY, csr_read(stvec));
	check((csr_read(sstatus) & 0xc0122) == 0, csr_read(sstatus));
	check(this_slot() == (NOTES->lives - 1) % 2, this_slot());
	if (SCENARIO == CRASH || SCENARIO == LIMIT_RESET || SCENARIO == LIMIT_HALT || SCENARIO == MEASURE)
		next_of_many(hart);
	if (NOTES->lives == 2)
		second_life(hart);
	third_life();
}
