/*
 * Writes memory such that a picture of it shows whether it is of one instant: each hart goes over its pages again and again,
 * in order, and writes the number of the round into the first word of each. At any instant the words of a hart's pages are
 * therefore n, n, ..., n, n-1, ..., n-1, and its register s10 is n or n+1. A picture that was taken bit by bit is different.
 *
 * Command line: mib=N, for each hart (16). The words are found by a table in the block of RAM 6 MiB from its start:
 *
 *   "SEQUENCE", number of harts, pages of each, guest physical address of the first page of the first hart
 *
 * and the pages of the harts lie one behind the other. Once a second a line "SEQUENCE t=S rounds=N" of the boot hart.
 */
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/hart.h"

#define TABLE 0x600000ull
#define PAGES 0x800000ull

struct table {
	char magic[8];
	u64 harts, pages, first;
};

static u64 pages;

/* One round over [at, end), with its number in s10 all the time. */
static void write_round(u64 at, u64 end, u64 number)
{
	register u64 n __asm__("s10") = number;

	__asm__ volatile("1: sd %1, 0(%0); add %0, %0, %2; bne %0, %3, 1b"
			 : "+r"(at)
			 : "r"(n), "r"(PAGE_SIZE), "r"(end)
			 : "memory");
}

static void run(void *argument)
{
	u64 hart = (u64)(uintptr_t)argument, at = guest_ram_base + PAGES + hart * pages * PAGE_SIZE;
	u64 begin = time_now(), said = 0;

	for (u64 n = 1;; n++) {
		write_round(at, at + pages * PAGE_SIZE, n);
		if (hart == 0 && (time_now() - begin) / guest_timebase > said) {
			said = (time_now() - begin) / guest_timebase;
			print("SEQUENCE t=%llu rounds=%llu\n", (unsigned long long)said,
			      (unsigned long long)n);
		}
	}
}

void guest_main(void)
{
	struct table *table = (struct table *)(uintptr_t)(guest_ram_base + TABLE);
	unsigned count = hart_find();

	pages = guest_option("mib", 16) * 256;
	*table = (struct table){ .harts = count, .pages = pages, .first = guest_ram_base + PAGES };
	for (unsigned n = 1; n < count; n++)
		hart_start(n, run, (void *)(uintptr_t)n);
	for (unsigned i = 0; i < sizeof(table->magic); i++)
		table->magic[i] = "SEQUENCE"[i];
	run(NULL);
}
