/*
 * A guest that does everything wrong that a guest can: what it does must cost nobody but itself.
 *
 * Each attack is one function that does one random thing and returns. All harts do attacks for ever; exceptions end an
 * attack and are counted. Hart 0 prints a line "HOSTILE beat ..." every second, which is how a test sees that the guest
 * still runs. Command line: seed=N, seconds=N (then power off; 0: for ever), only=N (bit mask of attacks).
 */
#ifndef GUESTS_HOSTILE_HOSTILE_H
#define GUESTS_HOSTILE_HOSTILE_H

#include "abi/types.h"
#include "guests/lib/hart.h"

/* Per-hart state of the attacks. */
struct attacker {
	u64 random;
	u64 attacks;
	u64 timeouts;
	bool limited;
};

/* The next random number of the calling hart (xorshift64*). */
u64 rnd(void);

static inline u64 rnd_below(u64 n)
{
	return rnd() % n;
}

static inline bool rnd_one_in(u64 n)
{
	return rnd_below(n) == 0;
}

/*
 * Guest RAM that attacks may have others write to: nothing of the guest's own lies there. Everything that a hypervisor,
 * firmware or device is told to write to is in it, or is no RAM at all.
 */
#define SCRATCH_SIZE MIB(4)
u64 scratch(void);

/* An address or number as an attacker picks it: scratch, its edges, outside of RAM, small, huge; rarely well aligned. */
u64 rnd_value(void);

/* From an attack that may not end by itself: it is ended after 5 ms. Interrupts are on from here. */
void limit_time(void);

/* The attacks: one random action each; run under guard(). */
void attack_sbi(u64 unused);
void attack_mmio(u64 unused);
void attack_virtio(u64 unused);
void attack_tables(u64 unused);
void attack_ipi(u64 unused);
void attack_wfi(u64 unused);
void attack_instructions(u64 unused);
void attack_harts(u64 unused);

/* Harts of the guest, the boot hart included. */
extern unsigned hostile_harts;

/* What every hart but the first runs. */
void hostile_run(void *argument);

#endif
