/*
 * A root VM without an operating system: takes the machine over, and then looks whether it really has it.
 *
 * It prints "takeover: ..." lines, first through the hypervisor, then through the firmware and the machine's UART, and
 * "TAKEOVER wrong: what" for each thing that is not as it should be; at the end "TAKEOVER done", and powers off.
 *
 * Options: wait=1 waits for the exception that a crash of the hypervisor gives it, instead of beginning by itself. hart=1
 * makes the requests from its second hart, which may not devirtualise. reboot=1 asks for a reboot when it has been struck.
 *
 * It is linked for another address than it runs at: no initialised pointers.
 */
#include "abi/guest.h"
#include "abi/image.h"
#include "abi/layout.h"
#include "abi/warden.h"
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/hart.h"
#include "guests/lib/sbi.h"

#define ERR_FAILED (-1)
#define ERR_DENIED (-4)

#define CAUSE_BREAKPOINT 3

static volatile u64 counters[GUEST_HARTS_MAX];
static volatile u64 here; /* how many harts the firmware has started for us */
static bool native;	  /* print past the firmware */
static unsigned harts_found;

static void say(const char *text)
{
	if (!native) {
		print("%s\n", text);
		return;
	}
	for (; *text; text++) {
		while (!(*(volatile u8 *)UART_LSR & UART_LSR_THRE))
			;
		*(volatile u8 *)UART_BASE = (u8)*text;
	}
	*(volatile u8 *)UART_BASE = '\n';
}

static void check(bool good, const char *what, s64 found)
{
	char line[160];

	if (good)
		return;
	format(line, sizeof(line), "TAKEOVER wrong: %s: %ld", what, (long)found);
	say(line);
}

static struct sbi_result request(u64 function)
{
	return sbi(GUEST_EXT, function, 0, 0, 0, 0, 0);
}

static void expect(u64 function, s64 error, const char *what)
{
	struct sbi_result r = request(function);

	check(r.error == error, what, r.error);
}

static void wait_ms(u64 ms)
{
	u64 end = time_now() + guest_timebase / 1000 * ms;

	while (time_now() < end)
		;
}

static void count(void *n)
{
	for (;;)
		counters[(u64)n]++;
}

/* Nobody but the caller runs: its other harts stand still. */
static void check_alone(unsigned self)
{
	u64 before[GUEST_HARTS_MAX] = { 0 };

	for (unsigned n = 0; n < harts_found; n++)
		before[n] = counters[n];
	wait_ms(50);
	for (unsigned n = 0; n < harts_found; n++)
		check(n == self || counters[n] == before[n], "a hart runs on after suspend", n);
}

static void read_hgatp(u64 unused)
{
	u64 value;

	(void)unused;
	__asm__ volatile("csrr %0, 0x680" : "=r"(value)); /* hgatp: a guest may not */
	check(value == 0, "hgatp", (s64)value);
	__asm__ volatile("csrr %0, 0x600" : "=r"(value)); /* hstatus; VSXL stays */
	check((value & ~0x300000000ull) == 0, "hstatus", (s64)value);
	__asm__ volatile("csrr %0, 0x602" : "=r"(value)); /* hedeleg */
	check(value == 0, "hedeleg", (s64)value);
}

static void arrive(void *n)
{
	check(guard(read_hgatp, 0) == ~0ull, "another hart is not in HS-mode", (s64)(u64)n);
	__atomic_add_fetch(&here, 1, __ATOMIC_SEQ_CST);
}

/* The slots of the host and its estate: RAM like any other now. */
static void look_at_dead_life(u64 base)
{
	const struct image_header *image = (const struct image_header *)(base + LAYOUT_SLOT_OFFSET(0));

	check(image->magic == IMAGE_OUTLIVE_MAGIC, "slot A has no image", (s64)image->magic);
}

static void touch(u64 at)
{
	*(volatile u64 *)at;
}

static void look_at_the_machine(void)
{
	native = true;
	say("takeover: this is the machine's UART");
	check(guard(read_hgatp, 0) == ~0ull, "this is not HS-mode", 0);
	check(!sbi_has(GUEST_EXT), "the hypervisor's extension is there", 0);
	check(!sbi_has(WARDEN_EXT), "the warden's extension is there", 0);
	check(sbi(SBI_BASE, 1, 0, 0, 0, 0, 0).value == 1, "the firmware is not OpenSBI", 0);
	look_at_dead_life(guest_option("base", 0x80000000));
	check(guard(touch, guest_option("base", 0x80000000)) != ~0ull, "the firmware's RAM is open", 0);
	here = 0;
	for (unsigned n = 1; n < harts_found; n++) {
		check(hart_stopped(n), "a hart is not stopped", n);
		check(hart_start(n, arrive, (void *)(u64)n), "a hart cannot be started", n);
	}
	wait_ms(200);
	check(here == harts_found - 1, "harts have not come", (s64)here);
	/* The timer, and its interrupt. */
	sbi_set_timer(time_now() + guest_timebase / 100);
	csr_set(sie, IRQ_BIT(IRQ_TIMER));
	csr_set(sstatus, SSTATUS_SIE);
	wait_ms(50);
	check(hart_self()->interrupts > 0, "no timer interrupt comes", 0);
	print("takeover: and this goes through the firmware\n");
	say("TAKEOVER done");
	guest_off();
}

static void spin(u64 unused)
{
	(void)unused;
	for (;;)
		counters[0]++;
}

/* Until the hypervisor crashes and its policy strikes us. */
static void wait_for_the_strike(void)
{
	u64 cause;

	say("takeover: waits");
	cause = guard(spin, 0);
	check(cause == CAUSE_BREAKPOINT, "what has struck us", (s64)cause);
	say("takeover: struck");
	if (guest_option("reboot", 0)) {
		sbi(SBI_SRST, 0, 1, 0, 0, 0, 0);
		check(false, "a reboot comes back", 0);
	}
}

static bool no_interrupts(u64 cause)
{
	csr_clear(sie, IRQ_BIT(cause));
	return false;
}

static void give_up(struct trap *t, u64 cause, u64 value)
{
	(void)t;
	(void)value;
	check(false, "an exception", (s64)cause);
	guest_off();
}

/* On the second hart: everything but the last step, which it is denied and told who may. */
static void try_elsewhere(void *done)
{
	struct sbi_result r = request(GUEST_ROOT_PREPARE);

	check(!r.error && r.value == harts[0].id, "prepare does not say which hart", (s64)r.value);
	r = request(GUEST_ROOT_DEVIRTUALISE);
	check(r.error == ERR_DENIED && r.value == harts[0].id, "another hart is not denied", r.error);
	*(volatile u64 *)done = 1;
}

void guest_main(void)
{
	volatile u64 done = 0;
	struct sbi_result r;

	trap_interrupt = no_interrupts;
	trap_exception = give_up;
	harts_found = hart_find();
	print("takeover: %u harts, RAM at %llx\n", harts_found, (unsigned long long)(u64)image_start);
	if (guest_option("hart", 0)) {
		check(hart_start(1, try_elsewhere, (void *)&done), "hart 1 does not start", 0);
		while (!done)
			;
		while (!hart_stopped(1))
			;
	}
	for (unsigned n = 1; n < harts_found; n++)
		check(hart_start(n, count, (void *)(u64)n), "a hart does not start", n);
	wait_ms(50);
	for (unsigned n = 1; n < harts_found; n++)
		check(counters[n] > 0, "a hart does not count", n);
	if (guest_option("wait", 0)) {
		wait_for_the_strike();
	} else {
		expect(GUEST_ROOT_DEVIRTUALISE, ERR_FAILED, "devirtualise before suspend");
		expect(GUEST_ROOT_SUSPEND, guest_option("hart", 0) ? 0 : ERR_FAILED,
		       "suspend before prepare");
	}
	r = request(GUEST_ROOT_PREPARE);
	check(!r.error && r.value == harts[0].id, "prepare", r.error);
	expect(GUEST_ROOT_SUSPEND, 0, "suspend");
	check_alone(0);
	print("takeover: alone\n");
	r = request(GUEST_ROOT_DEVIRTUALISE);
	if (r.error) {
		check(false, "devirtualise", r.error);
		return;
	}
	look_at_the_machine();
}
