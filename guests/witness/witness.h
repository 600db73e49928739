/*
 * A guest that witnesses against whatever is below it: all of its vCPUs check, all the time, that nothing happens to what
 * is theirs. It needs a few milliseconds to start, so that it can live through thousands of crashes in a night.
 *
 * The last vCPU spins: it reads `time` without end and makes no exit of its own. The others work: each has some of the
 * tasks below, takes a turn at each, and sleeps now and then until its next tick. With one vCPU, or spin=0 in the command
 * line, none spins.
 *
 *   memory      patterns over RAM, which is all zero where it is touched first
 *   disk        virtio-blk: blocks written, read back and compared, flushes
 *   net         virtio-net: frames to all others on the switch, which send them back
 *   registers   x, f and v registers, and CSRs, held over loops without exits, SBI calls and wfi
 *   signals     IPIs to all workers, and pages mapped anew with remote fences
 *
 * All vCPUs take timer interrupts from stimecmp, one each tick, and look whether they are early and how many went missing;
 * all of them look whether `time` goes back.
 *
 * Every 100 ms a line of figures (main.c), each error at once:
 *
 *   WITNESS t=5100 time=51093871 boot=5f0e... vcpus=4 mem=8360 disk=871 net=420 regs=900 ticks=20381 ipis=1180
 *           fences=393 netlost=0 netdup=0 gap_exit_us=1210 gap_spin_us=14 lost_ticks=0 gaps_us=1210,1007,1105,14 errors=0
 *   WITNESS ERROR what where expected got hart=N       (numbers in hex)
 *   WITNESS NOTE ...
 *
 * t is in ms, time the time counter. mem counts slices of 16 KiB. A gap is how long a vCPU was seen to do nothing, the
 * longest since the line before: up to a tick more than it really was for a worker, which may have slept. A "-" stands for
 * what this guest does not have.
 *
 * Command line (numbers): period=100 ms between lines, tick=1000 us, mib=16 MiB at most that one vCPU checks, grow=50 ms
 * between new pieces of them, load=8 turns between sleeps, rest=1 ticks of sleep, with an exit at each, wide=1: a word of
 * each block of all RAM is read over and over, pauses=0: gaps of a worker of so many us have a line of their own, behind the
 * next line of figures; 0: none
 *
 *   WITNESS PAUSE hart=N from=T to=T us=N spin_ticks=N spin_gap_us=N spin_gap_at=T at=T,T,...
 *
 * which says what the spinning vCPU did meanwhile: ticks taken, the longest gap and when it began, and when the last ticks
 * were, in ticks of `time`.
 */
#ifndef GUESTS_WITNESS_WITNESS_H
#define GUESTS_WITNESS_WITNESS_H

#include "abi/types.h"
#include "guests/lib/hart.h"

#define WITNESS_HARTS_MAX 8

/* Gaps that a vCPU remembers. The one that spins has one for each time that an emulator lets others run. */
#define WITNESS_GAPS 1024

struct gap {
	u64 from, to;
};

/* One of our vCPUs. Written by itself, read by the first one for its line; it takes `gap`. */
struct witness {
	u64 due;   /* of the next tick */
	u64 early; /* the deadline for which a tick came before its time */
	u64 ticks; /* taken */
	u64 lost;  /* ticks whose time went by before one was taken */
	u64 alive; /* when it was last seen to do something */
	u64 gap;   /* the longest that it was not */
	u64 gap_count;
	struct gap gaps[WITNESS_GAPS]; /* number n is at n modulo the size */
	u64 answered, answer, wanted;  /* signals.c */
	u64 ipis;		       /* that were wanted from it and came */
	u64 extra;		       /* that nobody had sent */
	u64 random;
};

extern struct witness witnesses[WITNESS_HARTS_MAX];
extern unsigned witness_count;	 /* vCPUs */
extern unsigned witness_workers; /* those that do not spin: the first ones */
extern u64 witness_boot;	 /* a random number of this start's */

/* Index of the calling vCPU. */
static inline unsigned self_index(void)
{
	return (unsigned)(hart_self() - harts);
}

static inline struct witness *self(void)
{
	return &witnesses[self_index()];
}

/* Something is not as it must be: counted, and a line of its own, but for the tail of a flood. */
void witness_error(const char *what, u64 where, u64 expected, u64 got);

/* The same if they differ. */
static inline void expect(const char *what, u64 where, u64 expected, u64 got)
{
	if (__builtin_expect(expected != got, 0))
		witness_error(what, where, expected, got);
}

/* The calling vCPU's next random number. */
u64 witness_random(void);

/* A number that has little to do with its neighbours'. */
static inline u64 mix(u64 x)
{
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 29;
	return x * 0x94d049bb133111ebull;
}

/* ---- Tasks: step() is one turn, short. All but those of memory and registers are on one vCPU only. ---- */

/* Divides RAM from `begin` to `end` among the vCPUs. */
void memory_start(u64 begin, u64 end);
void memory_step(void);
extern u64 memory_slices; /* checked, by all */

/* False: there is no such device. The calling vCPU gets its interrupts. */
bool disk_start(void);
void disk_step(void);
extern u64 disk_blocks; /* written, or read back */
void disk_interrupt(void);

bool net_start(void);
void net_step(void);
extern u64 net_echoes, net_lost, net_duplicates;
void net_interrupt(void);

void registers_start(void); /* once on each vCPU with the task */
void registers_step(void);
extern u64 registers_rounds;

/* Our page tables, for all; then each vCPU switches them on. */
void signals_start(void);
void signals_translate(void);
void signals_step(void);
void signals_glance(void); /* each worker, now and then */
void signals_interrupt(void);
extern u64 signals_fences;

/* ---- Time (ticks.c) ---- */

/* Starts the calling vCPU's ticks. False: it has no stimecmp. */
bool ticks_start(u64 period);
void ticks_interrupt(void);

/* The calling vCPU does something: looks how long it has not. Returns the time. */
u64 ticks_alive(void);

/* For the vCPU that spins: never returns. */
_Noreturn void ticks_spin(void);

/* Prints lines about the workers' pauses since the last call. */
void ticks_tell_pauses(void);

/* Ticks of `time` as microseconds. */
u64 ticks_us(u64 ticks);

#endif
