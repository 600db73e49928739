/* The hypervisor's own page tables and the windows onto guest RAM. */
#include "arch/riscv64/paging.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/slot.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/sealed.h"
#include "core/memory/pages.h"

#define PTE_V 1ull
#define PTE_R 2ull
#define PTE_W 4ull
#define PTE_X 8ull
#define PTE_A 0x40ull
#define PTE_D 0x80ull

#define PTE_READ  (PTE_V | PTE_R | PTE_A)
#define PTE_WRITE (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D)
#define PTE_EXEC  (PTE_V | PTE_R | PTE_X | PTE_A)

/* Windows: 4 MiB of virtual addresses a hart, above all RAM that Sv39 identity mapping reaches. */
#define WINDOW_BASE    0x3f00000000ull
#define WINDOW_STRIDE  MIB(4)
#define WINDOW_BLOCK   MIB(2)
#define IDENTITY_LIMIT WINDOW_BASE

extern char image_start[], image_rodata[], image_sealed[], image_end[];

static SEALED u64 *root;
/* Of each hart: the table with the entries of its page windows, and the entry of its block window. */
static SEALED u64 *window_pages[MAX_HARTS];
static SEALED u64 *window_block[MAX_HARTS];

u64 slot_base(void)
{
	return (u64)(uintptr_t)image_start;
}

static u64 *next_table(u64 *table, unsigned index)
{
	u64 *next;

	if (table[index] & PTE_V) {
		ASSERT(!(table[index] & (PTE_R | PTE_X)));
		return (u64 *)(uintptr_t)(table[index] >> 10 << 12);
	}
	next = page_alloc();
	ASSERT(next);
	table[index] = (u64)(uintptr_t)next >> 12 << 10 | PTE_V;
	return next;
}

/* The entry for `va` at `level` (0: 4 KiB, 1: 2 MiB), with the tables above it. */
static u64 *entry(u64 va, unsigned level)
{
	u64 *table = root;

	for (unsigned l = 2; l > level; l--)
		table = next_table(table, va >> (12 + 9 * l) & 511);
	return &table[va >> (12 + 9 * level) & 511];
}

static void identity_leaves(u64 from, u64 bytes, u64 flags, bool big_fits)
{
	u64 at = ALIGN_DOWN(from, PAGE_SIZE);
	u64 end = ALIGN_UP(from + bytes, PAGE_SIZE);

	ASSERT(end <= IDENTITY_LIMIT && end >= at);
	while (at < end) {
		bool big = big_fits && at % BLOCK_SIZE == 0 && end - at >= BLOCK_SIZE;

		*entry(at, big) = at >> 12 << 10 | flags;
		at += big ? BLOCK_SIZE : PAGE_SIZE;
	}
}

/* Maps [from, from + bytes) to itself with `flags`, rounded out to pages; 2 MiB leaves where they fit. */
static void identity(u64 from, u64 bytes, u64 flags)
{
	identity_leaves(from, bytes, flags, true);
}

/* The same with 4 KiB leaves: pages whose rights will differ. */
static void identity_pages(u64 from, u64 bytes, u64 flags)
{
	identity_leaves(from, bytes, flags, false);
}

static void map_image(void)
{
	u64 start = slot_base();
	u64 rodata = (u64)(uintptr_t)image_rodata;
	u64 data = (u64)(uintptr_t)image_sealed; /* writable until paging_seal */
	u64 end = (u64)(uintptr_t)image_end;

	identity(start, rodata - start, PTE_EXEC);
	identity(rodata, data - rodata, PTE_READ);
	identity(data, end - data, PTE_WRITE);
	for (unsigned n = 0; n < MAX_HARTS; n++)
		identity(start + SLOT_STACKS + n * SLOT_STACK_STRIDE + SLOT_STACK_GUARD,
			 SLOT_STACK_STRIDE - SLOT_STACK_GUARD, PTE_WRITE);
	/* The first pages of the heap become these tables. */
	identity_pages(start + SLOT_HEAP, BLOCK_SIZE, PTE_WRITE);
	identity(start + SLOT_HEAP + BLOCK_SIZE, LAYOUT_SLOT_SIZE - SLOT_HEAP - BLOCK_SIZE, PTE_WRITE);
}

void paging_set_writable(u64 from, u64 bytes, bool writable)
{
	for (u64 at = ALIGN_DOWN(from, PAGE_SIZE); at < from + bytes; at += PAGE_SIZE) {
		u64 *e = entry(at, 0);

		ASSERT(*e & PTE_R && *e >> 10 << 12 == at);
		*e = at >> 12 << 10 | (writable ? PTE_WRITE : PTE_READ);
	}
}

/* Calls f for `table` and the tables below it, but for those of the windows. */
static void each_table(const u64 *table, unsigned level, void (*f)(const void *table, u64 bytes))
{
	for (unsigned n = 0; level && n < PAGE_SIZE / sizeof(u64); n++) {
		u64 e = table[n];

		if (e & PTE_V && !(e & (PTE_R | PTE_X)) && !(level == 2 && n == WINDOW_BASE >> 30))
			each_table((const u64 *)(uintptr_t)(e >> 10 << 12), level - 1, f);
	}
	f(table, PAGE_SIZE);
}

void paging_each_table(void (*f)(const void *table, u64 bytes))
{
	each_table(root, 2, f);
}

static void protect(const void *table, u64 bytes)
{
	paging_set_writable((u64)(uintptr_t)table, bytes, false);
}

void paging_build(void)
{
	const struct machine_record *m = &estate.machine;

	root = page_alloc();
	ASSERT(root);
	map_image();
	identity_pages(estate.base, estate.size, PTE_WRITE);
	identity(m->uart.base, m->uart.size, PTE_WRITE);
	if (m->rtc.size)
		identity(m->rtc.base, m->rtc.size, PTE_WRITE);
	identity(m->plic.base, m->plic.size, PTE_WRITE);
	for (unsigned n = 0; n < m->virtio_count; n++)
		identity(m->virtio[n].base, m->virtio[n].size, PTE_WRITE);
	if (m->pack.size)
		identity(m->pack.base, m->pack.size, PTE_READ);
	if (m->dtb.size)
		identity(m->dtb.base, m->dtb.size, PTE_READ);
	for (unsigned n = 0; n < m->hart_count; n++) {
		u64 va = WINDOW_BASE + n * WINDOW_STRIDE;

		window_pages[n] = entry(va, 0);
		window_block[n] = entry(va + WINDOW_BLOCK, 1);
	}
	paging_each_table(protect);
}

void paging_load(void)
{
	csr_write(satp, SATP_SV39 | (u64)(uintptr_t)root >> 12);
	sfence_vma_all();
}

void *arch_window(unsigned which, hpa_t page)
{
	unsigned n = arch_hart();
	u64 va = WINDOW_BASE + n * WINDOW_STRIDE + which * PAGE_SIZE;
	u64 pte = page.a >> 12 << 10 | PTE_WRITE;

	if (window_pages[n][which] != pte) {
		window_pages[n][which] = pte;
		sfence_vma_page(va);
	}
	return (void *)(uintptr_t)va;
}

void arch_window_close(unsigned which)
{
	unsigned n = arch_hart();

	window_pages[n][which] = 0;
	sfence_vma_page(WINDOW_BASE + n * WINDOW_STRIDE + which * PAGE_SIZE);
}

void *arch_window_block(hpa_t block)
{
	unsigned n = arch_hart();
	u64 va = WINDOW_BASE + n * WINDOW_STRIDE + WINDOW_BLOCK;

	/* Whoever works through blocks may take long, and is not hung. */
	arch_beat();
	*window_block[n] = block.a >> 12 << 10 | PTE_WRITE;
	sfence_vma_page(va);
	return (void *)(uintptr_t)va;
}

void arch_window_block_close(void)
{
	unsigned n = arch_hart();

	*window_block[n] = 0;
	sfence_vma_page(WINDOW_BASE + n * WINDOW_STRIDE + WINDOW_BLOCK);
}

void arch_zero(void *at, size_t bytes)
{
	u64 *p = at;
	u64 *end = p + bytes / 8;

	for (; p < end; p += 16) {
		p[0] = 0, p[1] = 0, p[2] = 0, p[3] = 0;
		p[4] = 0, p[5] = 0, p[6] = 0, p[7] = 0;
		p[8] = 0, p[9] = 0, p[10] = 0, p[11] = 0;
		p[12] = 0, p[13] = 0, p[14] = 0, p[15] = 0;
	}
}
