/*
 * Fake harts for the exit handlers of arch/riscv64, which run on them natively: control registers, general and floating
 * point registers of each hart, a firmware, a warden. The code of the trap entry and exit is interpreted from entry.S.
 *
 * What a hart has (struct exits_hart) is the machine's and outlives a life. A guest does not execute instructions: while
 * a hart is in a guest a test changes its registers at will, and then makes it trap with exits_trap. That runs entry.S,
 * exit_handle and the hart's loop, until the hart is in a guest again or waits for work; other harts that were sent an
 * interrupt run in exits_settle, or when this one waits for them.
 *
 * A life that ends at a store (host_live) leaves each hart where it is. exits_stop then is the warden, and exits_heir the
 * way through arch/riscv64/boot.c.
 */
#ifndef TESTS_EXITS_H
#define TESTS_EXITS_H

#include "tests/exits/harts.h"
#include "tests/lib/fixture.h"

/* What the firmware was asked for. */
struct exits_firmware {
	u64 ipis;
	u64 fences;
	u64 fence_function, fence_mask, fence_base, fence_from, fence_bytes, fence_asid; /* of the last one */
	u64 stuck;   /* bit n: hart n cannot be stopped */
	s64 refuses; /* WARDEN_DEVIRTUALISE: this error */
	bool gone;   /* the machine has been given away, to ... */
	struct warden_native native;
	bool late; /* WARDEN_COLLECT brings harts only when exits_heir is through */
};

extern struct exits_firmware exits_firmware;

/* A machine with so many harts and `ram` bytes, its estate, and the first life on hart 0; all other harts wait for work. */
void exits_start(u64 ram, unsigned harts);

/*
 * The same in two steps: the machine with its estate, to whose record `more` adds something (NULL: nothing); and the first
 * life, which makes the VMs of the boot pack.
 */
void exits_power_on(u64 ram, unsigned harts, void (*more)(struct machine_record *m));
void exits_first_life(void);

/* Makes every hart go round its loop: it enters a guest if there is one to run. */
void exits_schedule(void);

/*
 * The guest on hart `hart` traps, with these in scause, stval and htval. When this returns the hart is in a guest again, or
 * waits. exits_interrupt: it is interrupted.
 */
void exits_trap(unsigned hart, u64 cause, u64 stval, u64 htval);
void exits_interrupt(unsigned hart);

/* Hart `hart`, in a guest or waiting, is interrupted, carries out f(context) as part of its loop, and goes on. */
void exits_call(unsigned hart, void (*f)(void *context), void *context);

/* Lets harts that were sent an interrupt take it, until none is left. */
void exits_settle(void);

/* Time goes on; harts whose timer is due by then take its interrupt. */
void exits_advance(u64 ticks);

/* The hart that runs a vCPU in its guest, or -1. */
int exits_hart_of(const struct vcpu *v);

/*
 * The warden stops a life that has ended on hart `hart`: keeps what it finds, as warden/found.c does. The heir then starts
 * on hart `boot`, which is not in a guest.
 */
void exits_stop(unsigned hart);
void exits_heir(unsigned boot);

/* Host memory of guest RAM, which is touched if it was not yet. */
void *exits_ram(struct vm *vm, u64 gpa);

/* ---- entry.S ---- */

/* Instructions between the labels entry_begin and entry_saved. */
unsigned entry_length(void);

/* Number of the first instruction whose trap is caught (entry_coming_out). */
unsigned entry_caught_from(void);

/* Numbers of the instructions at the four labels (struct life_record). */
void entry_labels(unsigned labels[4]);

/*
 * Executes the trap entry on a hart from its first instruction on, and ends before instruction number `end`. Each store to
 * the record is one to the estate. The hart's pc moves along, from `base` on, four bytes an instruction.
 */
void entry_execute(struct exits_hart *h, u64 base, unsigned end);

/* Executes guest_enter with `record` in a0: afterwards registers and control registers are the guest's. */
void entry_enter(struct exits_hart *h, struct vcpu_record *record);

#endif
