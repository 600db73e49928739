/* What all parts of the warden's test use: calls, checks, waiting, harts, and the guest. */
#include "warden/test/payload.h"

struct result sbi(u64 extension, u64 function, u64 a, u64 b, u64 c, u64 d)
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

struct result warden(u64 call, u64 a, u64 b, u64 c, u64 d)
{
	return sbi(WARDEN_EXT, call, a, b, c, d);
}

void print(const char *s)
{
	while (*s)
		sbi(1, 0, (u64)*s++, 0, 0, 0);
}

void print_number(u64 n)
{
	char digits[17] = { 0 };

	for (int i = 15; i >= 0; i--, n >>= 4)
		digits[i] = "0123456789abcdef"[n & 15];
	print(digits);
}

void print_decimal(u64 n)
{
	char digits[21] = { 0 };
	int i = 20;

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	print(digits + i);
}

void check_line(bool good, const char *what, u64 value, const char *file, int line)
{
	if (good)
		return;
	NOTES->wrong++;
	print("CHECK ");
	print(file);
	print(":");
	print_decimal((u64)line);
	print(": ");
	print(what);
	print(" in life ");
	print_decimal(NOTES->lives);
	print(": ");
	print_number(value);
	print("\n");
}

void finish(void)
{
	print(NOTES->wrong ? "FAIL\n" : "PASS\n");
	sbi(0x53525354, 0, 0, 0, 0, 0);
	for (;;)
		;
}

u64 now(void)
{
	return csr_read(time);
}

volatile struct warden_record *warden_record(void)
{
	return (struct warden_record *)(ESTATE + ESTATE_WARDEN_OFFSET);
}

u64 this_slot(void)
{
	return ((u64)_start - RAM - LAYOUT_WARDEN_SIZE) / LAYOUT_SLOT_SIZE;
}

volatile struct hart_record *hart_record(u64 hart)
{
	return (struct hart_record *)(ESTATE + ESTATE_HARTS_OFFSET) + hart;
}

void give_way(void)
{
	if (SCENARIO != MEASURE)
		return;
	csr_write(0x14d, now() + 1000);
	csr_write(sie, 0x20);
	__asm__ volatile("wfi");
	csr_write(sie, 0);
}

u64 main_hart;

bool waited_for(volatile u64 *word, u64 value, u64 ms)
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

bool guest_goes_on(void)
{
	const u64 begin = now(), before = NOTES->counter;

	while (NOTES->counter == before) {
		hart_record(main_hart)->beat++;
		if (now() - begin > 50000000)
			return false;
	}
	return true;
}

void sleep_ms(u64 ms)
{
	const u64 begin = now();

	while (now() - begin < ms * 10000)
		hart_record(main_hart)->beat++;
}

u64 last_hart(void)
{
	u64 hart = 0;

	while (hart < 7 && sbi(0x48534d, 2, hart + 1, 0, 0, 0).error == 0)
		hart++;
	return hart;
}

void ready(u64 policy)
{
	check(warden(WARDEN_READY, (u64)secondary_entry, 5, 60, policy).error == 0, 0);
}

void collect(u64 hart)
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

void check_x(volatile struct hart_found *f, u64 first_skip, u64 skip_mask)
{
	for (u64 n = 1; n < 32; n++)
		if (n != first_skip && !(skip_mask & (1ul << n)))
			check(f->x[n] == SEED + n, f->x[n]);
}

void check_found_spinning(u64 hart, u64 slot)
{
	volatile struct hart_found *f = &hart_record(hart)->found;

	check(f->state == FOUND_HS, f->state);
	check_x(f, 0, 0);
	check(f->pc == (u64)spin_planted_pc - (u64)_start + RAM + LAYOUT_SLOT_OFFSET(slot), f->pc);
	check((f->mstatus >> 39 & 1) == 0 && (f->mstatus >> 11 & 3) == 1, f->mstatus);
}

void check_record(u64 cause, u64 hart)
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

void take_over_all(void)
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

void run_guest(void)
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

void check_found_parked(u64 hart, bool exited)
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

void check_guest_csrs(u64 hart)
{
	check(NOTES->collected[hart].vsscratch == (u64)NOTES->guest_context,
	      NOTES->collected[hart].vsscratch);
	check(NOTES->collected[hart].vsie == 0x202, NOTES->collected[hart].vsie);
	check(NOTES->collected[hart].htimedelta == 77, NOTES->collected[hart].htimedelta);
	check(NOTES->collected[hart].f5 == SEED + 5, NOTES->collected[hart].f5);
}

void crash(const char *text)
{
	u64 size = 0;

	while (text[size])
		size++;
	warden(WARDEN_CRASH, LIFE_PANIC, (u64)text, size, 0);
	check(false, 0);
	finish();
}

void others_up(void)
{
	for (u64 hart = 1; hart <= last_hart(); hart++)
		collect(hart);
}
