/*
 * Interrupts between vCPUs, and page tables. One worker maps a page anew, has all workers' translations of it fenced, and
 * sends them an IPI; each answers with what it reads there, which must be the new page. The next round begins when all have
 * answered, so that as many IPIs come as are sent, but for repeats of a call that a life died in, which must do no harm.
 */
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/sbi.h"
#include "guests/witness/witness.h"

#define SATP_SV39 (8ull << 60)

#define PTE_V	1u
#define PTE_RWX 0xeu
#define PTE_AD	0xc0u

/* Translated by one leaf a GiB: as much as our machines may have RAM, and devices. */
#define PLAIN_GIBS 132

/* In the last GiB of the lower half: the page that is mapped anew. */
#define REMAPPED	(255ull << 30)
#define SIGNAL_SECONDS	10
#define RFENCE_VMA	1ul
#define RFENCE_VMA_ASID 2ul

static u64 root[512] __attribute__((aligned(4096)));
static u64 middle[512] __attribute__((aligned(4096)));
static u64 lowest[512] __attribute__((aligned(4096)));
static u64 pages[2][512] __attribute__((aligned(4096)));

/* Of the round under way; 0: the first has not begun. */
static u64 number;
static bool answered_by_all = true;
static u64 since;

u64 signals_fences;

static u64 pte(const void *at, u64 flags)
{
	return (u64)(uintptr_t)at >> 12 << 10 | flags;
}

static void map(u64 n)
{
	pages[n & 1][0] = n;
	__atomic_store_n(&lowest[0], pte(pages[n & 1], PTE_V | PTE_RWX | PTE_AD), __ATOMIC_SEQ_CST);
}

void signals_start(void)
{
	for (u64 i = 0; i < PLAIN_GIBS; i++)
		root[i] = pte((void *)(uintptr_t)(i << 30), PTE_V | PTE_RWX | PTE_AD);
	root[255] = pte(middle, PTE_V);
	middle[0] = pte(lowest, PTE_V);
	map(0);
}

void signals_translate(void)
{
	csr_write(satp, SATP_SV39 | (u64)(uintptr_t)root >> 12);
	__asm__ volatile("sfence.vma" ::: "memory");
}

static u64 remapped(void)
{
	return *(volatile u64 *)REMAPPED;
}

/* Keeps the old translation in use. Any page may be there, but none from before the last answer. */
void signals_glance(void)
{
	u64 least = __atomic_load_n(&self()->answered, __ATOMIC_SEQ_CST), got = remapped();

	if (got < least)
		witness_error("stale_page", REMAPPED, least, got);
}

void signals_interrupt(void)
{
	struct witness *w = self();
	u64 wanted = __atomic_load_n(&w->wanted, __ATOMIC_SEQ_CST);

	if (wanted == w->answered) {
		w->extra++;
		return;
	}
	w->ipis++;
	w->answer = remapped();
	__atomic_store_n(&w->answered, wanted, __ATOMIC_SEQ_CST);
}

static void begin(void)
{
	u64 mask = (1ull << witness_workers) - 1;
	struct sbi_result r;

	/* Ids of harts are 0 and up on our machines, but the mask is of ids wherever it runs. */
	number++;
	map(number);
	r = sbi(SBI_RFENCE, number & 2 ? RFENCE_VMA : RFENCE_VMA_ASID, mask, harts[0].id, REMAPPED, PAGE_SIZE,
		0);
	expect("remote_fence", number, 0, (u64)r.error);
	signals_fences++;
	for (unsigned i = 0; i < witness_workers; i++)
		__atomic_store_n(&witnesses[i].wanted, number, __ATOMIC_SEQ_CST);
	since = time_now();
	answered_by_all = false;
	r = sbi(SBI_IPI, 0, mask, harts[0].id, 0, 0, 0);
	expect("ipi", number, 0, (u64)r.error);
}

static void collect(void)
{
	bool all = true;

	for (unsigned i = 0; i < witness_workers; i++) {
		if (__atomic_load_n(&witnesses[i].answered, __ATOMIC_SEQ_CST) != number)
			all = false;
		else
			expect("remapped_page", i, number, witnesses[i].answer);
	}
	if (!all && time_now() - since > SIGNAL_SECONDS * guest_timebase) {
		for (unsigned i = 0; i < witness_workers; i++)
			expect("ipi_lost", i, number, witnesses[i].answered);
		since = time_now();
	}
	answered_by_all = all;
}

void signals_step(void)
{
	if (answered_by_all)
		begin();
	else
		collect();
}
