/*
 * Page tables that change while they are in use: of this hart's own and of all other harts, since they are shared. The
 * image is mapped through a root of the hart's own that is not attacked, so that the hart finds back.
 */
#include "core/lib/string.h"
#include "guests/hostile/hostile.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"

#define SATP_SV39 (8ull << 60)

#define PTE_V	1u
#define PTE_RWX 0xeu
#define PTE_AD	0xc0u

static u64 roots[GUEST_HARTS_MAX][512] __attribute__((aligned(4096)));

/* Tables that all harts write nonsense into: the last quarter of scratch, which devices write to as well. */
#define SHARED_TABLES 16
static u64 *shared_table(u64 n)
{
	return (u64 *)(scratch() + SCRATCH_SIZE - MIB(1) + n * PAGE_SIZE);
}

static u64 pte(u64 at, u64 flags)
{
	return at >> 12 << 10 | flags;
}

static u64 rnd_pte(void)
{
	switch (rnd_below(6)) {
	case 0: /* a table, perhaps the one that it stands in */
		return pte((u64)shared_table(rnd_below(SHARED_TABLES)), PTE_V);
	case 1: /* scratch */
		return pte(scratch() + rnd_below(SCRATCH_SIZE / PAGE_SIZE) * PAGE_SIZE,
			   PTE_V | PTE_RWX | PTE_AD);
	case 2: /* a table that is nowhere, or a device */
		return pte(rnd_value(), PTE_V);
	case 3:
		return pte(rnd_value() & ((1ull << 56) - 1), rnd_below(1024));
	case 4:
		return 0;
	default:
		return rnd();
	}
}

static void shared_change(void)
{
	for (unsigned i = 0; i < 8; i++)
		((volatile u64 *)shared_table(rnd_below(SHARED_TABLES)))[rnd_below(512)] = rnd_pte();
}

static void fence(void)
{
	u64 at = rnd_value(), asid = rnd_below(16);

	switch (rnd_below(4)) {
	case 0:
		__asm__ volatile("sfence.vma" ::: "memory");
		break;
	case 1:
		__asm__ volatile("sfence.vma %0" ::"r"(at) : "memory");
		break;
	case 2:
		__asm__ volatile("sfence.vma zero, %0" ::"r"(asid) : "memory");
		break;
	default:
		__asm__ volatile("sfence.vma %0, %1" ::"r"(at), "r"(asid) : "memory");
	}
}

/* Reads, writes or executes somewhere in the attacked part of the address space; a fault ends the attack. */
static void touch(void)
{
	/* Root entries from 8 on: 8 GiB and up, to the end of the lower half. */
	u64 at = ((8 + rnd_below(8)) << 30) + rnd_below(4) * 0x200000 + rnd_below(8) * PAGE_SIZE +
		 rnd_below(64) * 8;

	if (rnd_one_in(8))
		at = rnd_value() | 1ull << 33;
	switch (rnd_below(3)) {
	case 0:
		(void)*(volatile u64 *)at;
		break;
	case 1:
		/* Its own tables may be behind it, and nothing worse: leaves map scratch or no RAM. */
		*(volatile u64 *)at = rnd_pte();
		break;
	default:
		__asm__ volatile("jalr %0" ::"r"(at) : "ra", "memory");
	}
}

void attack_tables(u64 unused)
{
	u64 *root = roots[hart_self() - harts];
	u64 mode = SATP_SV39;

	(void)unused;
	memset(root, 0, PAGE_SIZE);
	/* Devices and RAM as they are: the first 8 GiB in one leaf each. */
	for (u64 i = 0; i < 8; i++)
		root[i] = pte(i << 30, PTE_V | PTE_RWX | PTE_AD);
	for (u64 i = 8; i < 512; i++)
		root[i] = i < 16 ? pte((u64)shared_table(i - 8), PTE_V) : 0;
	shared_change();
	/* Reserved modes: the write must be ignored. (Sv48 and Sv57 would make the root one that the hart is lost in.) */
	if (rnd_one_in(16))
		mode = (11 + rnd_below(5)) << 60;
	/* What is executed there may be a loop. */
	limit_time();
	csr_write(satp, mode | rnd_below(16) << 44 | (u64)root >> 12);
	for (unsigned i = 0; i < 8; i++) {
		if (rnd_one_in(2))
			fence();
		if (rnd_one_in(2))
			shared_change();
		if (rnd_one_in(2))
			touch();
	}
	csr_write(satp, 0);
	fence();
}
