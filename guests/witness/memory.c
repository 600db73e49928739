/*
 * Memory patterns: each slice of a vCPU's part of RAM is compared with what the round before has written, and written
 * anew. A round's number is in each word, so that an old page in the place of a new one shows. The part grows, by slices
 * that nobody has touched yet, one in each block of 2 MiB before the second in any: they must be zero.
 */
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/witness/witness.h"

#define SLICE	     KIB(16)
#define SLICE_ERRORS 4 /* told of one slice */
#define WIDE_TURN    4 /* blocks read in a turn */

/* The device tree is in the last block of the first GiB, or of RAM if that is smaller (docs/guests.md). */
#define OURS_END GIB(1)

struct part {
	u64 begin;   /* address */
	u64 blocks;  /* of 2 MiB */
	u64 most;    /* slices that it may grow to */
	u64 count;   /* slices in use */
	u64 next;    /* the next one to check */
	u64 round;   /* whose pattern the next one has */
	u64 grow_at; /* time */
};

static struct part parts[WITNESS_HARTS_MAX];
static u64 grow_period;
static u64 wide_blocks; /* of all RAM, that are read: see `wide`; 0: none is */

u64 memory_slices;

void memory_start(u64 begin, u64 end)
{
	u64 limit = guest_ram_base + OURS_END - BLOCK_SIZE;
	u64 blocks;
	u64 most = guest_option("mib", 16) * (MIB(1) / SLICE);

	end = end < limit ? end : limit;
	blocks = end > begin ? (end - begin) / BLOCK_SIZE / witness_workers : 0;
	/* From the image on: what is before it is not ours on every machine. */
	if (guest_option("wide", 0))
		wide_blocks = (guest_ram_base + guest_ram_size - (u64)image_start) / BLOCK_SIZE;
	grow_period = guest_option("grow", 50) * guest_timebase / 1000;
	for (unsigned i = 0; i < witness_workers; i++) {
		parts[i].begin = begin + i * blocks * BLOCK_SIZE;
		parts[i].blocks = blocks;
		parts[i].most = blocks * (BLOCK_SIZE / SLICE) < most ? blocks * (BLOCK_SIZE / SLICE) : most;
		parts[i].round = 1;
	}
}

static volatile u64 *slice_at(const struct part *p, u64 n)
{
	return (volatile u64 *)(uintptr_t)(p->begin + n % p->blocks * BLOCK_SIZE + n / p->blocks * SLICE);
}

static u64 pattern(const volatile u64 *at, u64 round)
{
	return mix((u64)(uintptr_t)at ^ round << 40 ^ witness_boot);
}

/* A slice has the pattern of a round, or zeros for round 0; afterwards it has that of the next. */
static void check(volatile u64 *slice, const char *what, u64 round)
{
	unsigned told = 0;

	for (volatile u64 *at = slice; at < slice + SLICE / sizeof(*slice); at++) {
		u64 expected = round ? pattern(at, round) : 0, got = *at;

		if (got != expected && told++ < SLICE_ERRORS)
			witness_error(what, (u64)(uintptr_t)at, expected, got);
		*at = pattern(at, round + 1);
	}
	__atomic_fetch_add(&memory_slices, 1, __ATOMIC_RELAXED);
}

static void grow(struct part *p)
{
	volatile u64 *fresh = slice_at(p, p->count);

	check(fresh, "first_touch", 0);
	/* As all others are at the start of a round. */
	for (volatile u64 *at = fresh; at < fresh + SLICE / sizeof(*at); at++)
		*at = pattern(at, p->round);
	p->count++;
	p->grow_at = time_now() + grow_period;
}

/* So that all RAM is mapped, as in a guest that uses what it has. */
static void read_widely(void)
{
	static u64 block;

	for (unsigned i = 0; wide_blocks && i < WIDE_TURN; i++) {
		u64 n = __atomic_fetch_add(&block, 1, __ATOMIC_RELAXED) % wide_blocks;

		(void)*(volatile u64 *)(image_start + BLOCK_SIZE * n);
	}
}

void memory_step(void)
{
	struct part *p = &parts[self_index()];

	read_widely();
	if (p->next == 0 && p->count < p->most && time_now() >= p->grow_at)
		grow(p);
	if (!p->count)
		return;
	check(slice_at(p, p->next), "memory", p->round);
	if (++p->next == p->count) {
		p->next = 0;
		p->round++;
	}
}
