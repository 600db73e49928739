/*
 * The parts of the warden's test: where things lie, which scenarios there are, what lives tell each other (payload.c has
 * them), and what all of them use (lib.c).
 */
#ifndef WARDEN_TEST_PAYLOAD_H
#define WARDEN_TEST_PAYLOAD_H

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
	UPDATE = 23,	 /* another image: refused, undone, put in force, not reporting */
	PRIVATE = 24,	 /* a confidential VM */
	HOSTILE = 25,	 /* the same, attacked by its hypervisor */
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
extern char stacks[9 * 4096];

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

/* ---- lib.c ---- */

struct result sbi(u64 extension, u64 function, u64 a, u64 b, u64 c, u64 d);
struct result warden(u64 call, u64 a, u64 b, u64 c, u64 d);

void print(const char *s);
void print_number(u64 n); /* hexadecimal, 16 digits */
void print_decimal(u64 n);

/* Counts and prints what does not hold, with a value that says more. */
#define check(good, value) check_line(good, #good, (u64)(value), __FILE__, __LINE__)
void check_line(bool good, const char *what, u64 value, const char *file, int line);

/* Says how it went and powers off. */
void finish(void) __attribute__((noreturn));

/* The hart that runs the test. */
extern u64 main_hart;

u64 now(void); /* ticks of 100 ns */
u64 this_slot(void);
volatile struct warden_record *warden_record(void);
volatile struct hart_record *hart_record(u64 hart);

/* With -icount only one hart runs at a time: those that wait give way. Needs Sstc. */
void give_way(void);

/* Both show life meanwhile. waited_for: true as soon as the word has the value. */
bool waited_for(volatile u64 *word, u64 value, u64 ms);
void sleep_ms(u64 ms);

/* True when the guest has counted on. */
bool guest_goes_on(void);

/* The highest hart, which is the boot hart if there is only one. */
u64 last_hart(void);

/* Report for duty; fetch a hart, or all but the boot hart; end this life. */
void ready(u64 policy);
void collect(u64 hart);
void others_up(void);
void crash(const char *text) __attribute__((noreturn));

/* This hart enters the guest, with everything planted that has to survive. */
void run_guest(void) __attribute__((noreturn));

/* All registers but x0, `first_skip` and those in the mask are as planted. */
void check_x(volatile struct hart_found *f, u64 first_skip, u64 skip_mask);

/* Of a hart that ran into its end in HS-mode, the dead life in slot `slot`. */
void check_found_spinning(u64 hart, u64 slot);

/* The guest has been found after its exit, or interrupted. */
void check_found_parked(u64 hart, bool exited);

/* What the hart carries of its guest when it arrives at the secondary entry. */
void check_guest_csrs(u64 hart);

/* What the warden says of the last life, which it found dead for `cause` on `hart`. */
void check_record(u64 cause, u64 hart);

void take_over_all(void);

/* ---- native.c ---- */

/* Checks what is refused, then gives the machine away, where native_main goes on. `last` is the highest hart. */
void give_machine_away(u64 last);

/* ---- update.c ---- */

/* A life that reports for duty and is then updated, and the heirs after it. They do not return. */
void update_first_life(void) __attribute__((noreturn));
void update_heir(void) __attribute__((noreturn));

/* ---- private.c ---- */

/* Makes a confidential VM and runs it, exit by exit. */
void private_life(void) __attribute__((noreturn));

/* ---- hostile.c ---- */

/* Makes a confidential VM and tries to get at what it has. */
void hostile_life(void) __attribute__((noreturn));

#endif
