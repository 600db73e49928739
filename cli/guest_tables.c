/* Walks a guest's page tables: see guest_tables.h. Formats: Privileged Architecture, "Supervisor-Level ISA". */
#include "cli/guest_tables.h"
#include "cli/memory.h"
#include <string.h>

#define PTE_VALID   (1ull << 0)
#define PTE_READ    (1ull << 1)
#define PTE_EXECUTE (1ull << 3)
#define PTE_NAPOT   (1ull << 63)
#define PPN_BITS    ((1ull << 44) - 1)
#define ENTRIES	    512u

/* Svnapot has one size: 64 KiB, told by the low bits of the number of the page. */
#define NAPOT_64K_BITS 0xfull
#define NAPOT_64K      0x8ull

struct walk {
	struct guest_mappings *m;
	const struct guest_linear *linear;
	size_t linear_count;
	guest_read_page *read;
	void *arg;
	u32 tables; /* read so far */
};

static bool is_linear(const struct walk *w, u64 virtual, u64 physical, u64 size)
{
	for (size_t i = 0; i < w->linear_count; i++) {
		const struct guest_linear *l = &w->linear[i];
		u64 offset = virtual - l->start;

		if (virtual >= l->start && offset < l->size && size <= l->size - offset &&
		    physical == l->physical + offset)
			return true;
	}
	return false;
}

static void add(struct walk *w, u64 virtual, u64 physical, u64 size)
{
	struct guest_mappings *m = w->m;
	struct guest_mapping *last = m->count ? &m->list[m->count - 1] : NULL;

	if (is_linear(w, virtual, physical, size))
		return;
	if (last && last->virtual + last->size == virtual && last->physical + last->size == physical) {
		last->size += size;
		return;
	}
	if (m->count == GUEST_MAPPINGS_MAX) {
		m->is_cut = true;
		return;
	}
	if (!m->list || m->count == m->room) {
		m->room = m->room ? m->room * 2 : 64;
		m->list = memory_resize(m->list, m->room, sizeof(*m->list));
	}
	m->list[m->count++] =
		(struct guest_mapping){ .virtual = virtual, .physical = physical, .size = size };
}

static void add_leaf(struct walk *w, u64 entry, unsigned level, u64 virtual)
{
	u64 page = entry >> 10 & PPN_BITS;
	u64 size = PAGE_SIZE << 9 * level;

	if (entry & PTE_NAPOT) {
		if (level != 0 || (page & NAPOT_64K_BITS) != NAPOT_64K)
			return;
		page = (page & ~NAPOT_64K_BITS) | (virtual / PAGE_SIZE & NAPOT_64K_BITS);
	}
	/* A large page that is not aligned faults. */
	if (page * PAGE_SIZE % size == 0)
		add(w, virtual, page * PAGE_SIZE, size);
}

/* One table, whose entries mean 4 KiB << 9 * level each; level is at most 4. */
// NOLINTNEXTLINE(misc-no-recursion)
static void walk(struct walk *w, unsigned level, u64 table, u64 virtual, unsigned first)
{
	u64 entries[ENTRIES];

	if (w->tables++ >= GUEST_TABLES_MAX || w->m->is_cut) {
		w->m->is_cut = true;
		return;
	}
	if (!w->read(w->arg, table, entries))
		return;
	for (unsigned i = first; i < ENTRIES; i++) {
		u64 at = virtual + i * (PAGE_SIZE << 9 * level);

		if (!(entries[i] & PTE_VALID))
			continue;
		if (entries[i] & (PTE_READ | PTE_EXECUTE))
			add_leaf(w, entries[i], level, at);
		else if (level)
			walk(w, level - 1, (entries[i] >> 10 & PPN_BITS) * PAGE_SIZE, at, 0);
	}
}

void guest_tables_walk(struct guest_mappings *m, unsigned levels, u64 root, const struct guest_linear *linear,
		       size_t count, guest_read_page *read, void *arg)
{
	struct walk w = { .m = m, .linear = linear, .linear_count = count, .read = read, .arg = arg };

	memset(m, 0, sizeof(*m));
	if (levels < 3 || levels > 5)
		return;
	/* The upper half of a sign-extended address space begins with all bits above it set. */
	walk(&w, levels - 1, root, ~0ull << (12 + 9 * levels), ENTRIES / 2);
}

unsigned guest_tables_root(u64 satp, u64 *root)
{
	u64 mode = satp >> 60;

	*root = (satp & PPN_BITS) * PAGE_SIZE;
	return mode >= 8 && mode <= 10 ? (unsigned)mode - 5 : 0;
}
