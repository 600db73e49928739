/*
 * The warden's test from the inside: lives that end in every way the warden deals with, and heirs that look at what it
 * left them. One image; a word that QEMU's loader puts into RAM chooses the scenario. See tests/machine/warden.sh.
 *
 * Prints "CHECK what" for each thing that is wrong, then "PASS" or "FAIL", and powers off.
 */
#include "warden/test/payload.h"

char stacks[9 * 4096] __attribute__((aligned(4096)));

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
	case UPDATE:
		update_first_life();
	case PRIVATE:
		private_life();
	case HOSTILE:
		hostile_life();
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
	if (SCENARIO == UPDATE)
		update_heir();
	if (NOTES->lives == 2)
		second_life(hart);
	third_life();
}
