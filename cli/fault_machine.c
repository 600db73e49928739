/* A stopped machine: see fault_machine.h. */
#include "cli/fault_machine.h"
#include "abi/estate.h"
#include <errno.h>
#include <string.h>

/* Of QEMU's virt machine. */
#define RAM_BASE 0x80000000ull

#define PTE_V	       1ull
#define PTE_W	       4ull
#define PTE_LEAF       0xeull
#define PTE_ADDRESS(p) (((p) >> 10 & 0xfffffffffffull) << 12)

#define SATP_TABLE(s) (((s)&0xfffffffffffull) << 12)

#define MODE_SUPERVISOR 1

#define SLOT_HEAP MIB(2)

u64 fault_machine_estate(void)
{
	return RAM_BASE + LAYOUT_ESTATE_OFFSET;
}

u64 fault_machine_slot(unsigned n)
{
	return RAM_BASE + LAYOUT_SLOT_OFFSET(n);
}

/* ---- Harts ---- */

static bool is_vector(const struct fault_image *i, u64 offset)
{
	return offset == i->hs_trap || offset == i->entry_begin || offset == i->entry_going_in ||
	       offset == i->entry_begin - LIFE_ENTRY_CAUGHT || offset == i->heir_entry ||
	       offset == i->secondary_entry || offset == i->early_trap;
}

/* What must be right for a hart to be in the life of a slot. */
static bool is_in_slot(const struct fault_image *image, u64 slot, u64 stvec, u64 satp)
{
	u64 table = SATP_TABLE(satp);

	return stvec >= slot && is_vector(image, stvec - slot) &&
	       (satp == 0 || (table >= slot + SLOT_HEAP && table < slot + LAYOUT_SLOT_SIZE));
}

static int look_at_hart(struct fault_machine *m, u32 n)
{
	struct fault_hart *h = &m->harts[n];
	struct gdb_remote *g = m->gdb;
	u64 mode = 0, stvec = 0;
	int error = gdb_register(g, n, GDB_PC, &h->pc);

	if (!error)
		error = gdb_register(g, n, 2, &h->sp);
	if (!error)
		error = gdb_register(g, n, gdb_mode(g), &mode);
	if (!error)
		error = gdb_register(g, n, gdb_csr(g, CSR_STVEC), &stvec);
	if (!error)
		error = gdb_register(g, n, gdb_csr(g, CSR_SATP), &h->satp);
	if (!error)
		error = gdb_register(g, n, gdb_csr(g, CSR_HGATP), &h->hgatp);
	for (unsigned slot = 0; slot < LAYOUT_SLOTS; slot++) {
		u64 at = fault_machine_slot(slot);

		if ((mode & 3) == MODE_SUPERVISOR && is_in_slot(m->image, at, stvec, h->satp) &&
		    h->pc >= at && h->pc - at < m->image->text_to) {
			h->is_inside = true;
			h->slot = at;
		}
	}
	return error;
}

/* ---- The life ---- */

/* The estate's header: that of its copies that has the higher number. The machine is well, so nothing else is checked. */
static int read_header(struct fault_machine *m, struct estate_header *header)
{
	struct {
		struct cold_head head;
		struct estate_header body;
	} copy;
	u64 newest = 0;

	memset(header, 0, sizeof(*header));
	for (unsigned n = 0; n < 2; n++) {
		int error = gdb_read(m->gdb,
				     fault_machine_estate() + ESTATE_HEADER_OFFSET + n * ESTATE_COLD_STRIDE,
				     &copy, sizeof(copy));

		if (error)
			return error;
		if (copy.head.magic == COLD_HEADER && copy.body.magic == ESTATE_MAGIC &&
		    copy.head.sequence >= newest) {
			newest = copy.head.sequence;
			*header = copy.body;
		}
	}
	return 0;
}

static int look_at_life(struct fault_machine *m)
{
	struct estate_header header;
	int error = read_header(m, &header);

	if (error || header.magic != ESTATE_MAGIC)
		return error;
	m->estate_size = header.size;
	for (u64 n = 0; n < LIFE_COUNT; n++) {
		u64 words[2]; /* number and slot */

		error = gdb_read(m->gdb, header.base + header.lives + n * sizeof(struct life_record), words,
				 sizeof(words));
		if (error)
			return error;
		if (words[0] > m->life) {
			m->life = words[0];
			m->slot = words[1];
		}
		/* The ring is filled from its second place on. */
		if (n > 1 && words[0] == 0)
			break;
	}
	if (m->slot != fault_machine_slot(0) && m->slot != fault_machine_slot(1))
		m->slot = 0;
	return 0;
}

int fault_machine_look(struct fault_machine *m)
{
	int error = 0;

	memset(m->harts, 0, sizeof(m->harts));
	m->slot = m->life = m->estate_size = 0;
	for (u32 n = 0; n < m->hart_count && !error; n++)
		error = look_at_hart(m, n);
	return error ? error : look_at_life(m);
}

const struct fault_hart *fault_machine_inside(const struct fault_machine *m, u64 n)
{
	u32 count = 0;

	for (u32 i = 0; i < m->hart_count; i++)
		count += m->harts[i].is_inside;
	for (u32 i = 0; count && i < m->hart_count; i++)
		if (m->harts[i].is_inside && n-- % count == 0)
			return &m->harts[i];
	return NULL;
}

/* ---- Tables ---- */

static void add_table(struct fault_machine *m, u64 at)
{
	for (size_t i = 0; i < m->table_count; i++)
		if (m->tables[i] == at)
			return;
	if (m->table_count < FAULT_TABLES_MAX)
		m->tables[m->table_count++] = at;
}

static void add_writable(struct fault_machine *m, u64 at, u64 bytes)
{
	struct fault_range *last = m->writable_count ? &m->writable[m->writable_count - 1] : NULL;

	if (last && last->at + last->bytes == at)
		last->bytes += bytes;
	else if (m->writable_count < FAULT_RANGES_MAX)
		m->writable[m->writable_count++] = (struct fault_range){ at, bytes };
}

/*
 * A page of a table and those below it; leaves that can be written are noted if they belong to the hypervisor's own. What is
 * no table, because a fault has been there before, costs at most its page.
 */
static int walk(struct fault_machine *m, u64 page, unsigned level, bool is_own);

static int walk_entry(struct fault_machine *m, u64 entry, unsigned level, bool is_own)
{
	u64 at = PTE_ADDRESS(entry);

	if (!(entry & PTE_V))
		return 0;
	if (entry & PTE_LEAF) {
		if (is_own && entry & PTE_W)
			add_writable(m, at, 4096ull << 9 * level);
		return 0;
	}
	if (level == 0 || m->table_count == FAULT_TABLES_MAX)
		return 0;
	return walk(m, at, level - 1, is_own);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as there are levels */
static int walk(struct fault_machine *m, u64 page, unsigned level, bool is_own)
{
	u64 entries[512];
	int error;

	/* All tables lie in the slots. */
	if (page < fault_machine_slot(0) || page >= fault_machine_estate())
		return 0;
	add_table(m, page);
	error = gdb_read(m->gdb, page, entries, sizeof(entries));
	for (size_t i = 0; i < ARRAY_SIZE(entries) && !error; i++)
		error = walk_entry(m, entries[i], level, is_own);
	return error;
}

/* Three levels in mode 8, one more with each mode (privileged specification, section 4.1.11). */
static unsigned top_level(u64 atp)
{
	u64 mode = atp >> 60;

	return mode >= 8 && mode <= 10 ? (unsigned)mode - 6 : 0;
}

/* The hypervisor's own translation is Sv39 (arch/riscv64/paging.c). */
#define OWN_TOP_LEVEL 2

int fault_machine_tables(struct fault_machine *m)
{
	u64 root = 0;
	int error;

	m->writable_count = m->table_count = 0;
	/* Its own root from the variable: no hart need be inside to show it. */
	error = gdb_read(m->gdb, m->slot + m->image->root, &root, sizeof(root));
	if (!error && root)
		error = walk(m, root, OWN_TOP_LEVEL, true);
	for (u32 n = 0; n < m->hart_count && !error; n++) {
		const struct fault_hart *h = &m->harts[n];

		/* A guest's root has four pages. */
		for (u64 page = 0; page < 4 && top_level(h->hgatp) && !error; page++)
			error = walk(m, SATP_TABLE(h->hgatp) + page * 4096, top_level(h->hgatp), false);
	}
	return error;
}

/* ---- Heap ---- */

int fault_machine_heap(struct fault_machine *m, u64 *bytes)
{
	u64 words[16] = { 0 }, heap = m->slot + SLOT_HEAP, end = m->slot + LAYOUT_SLOT_SIZE;
	size_t size = m->image->pages_size < sizeof(words) ? m->image->pages_size : sizeof(words);
	int error = gdb_read(m->gdb, m->slot + m->image->pages, words, size);

	*bytes = LAYOUT_SLOT_SIZE - SLOT_HEAP;
	if (error)
		return error;
	/* Beginning, border and end stand one behind the other (core/memory/pages.c). */
	for (size_t i = 0; i + 2 < ARRAY_SIZE(words); i++)
		if (words[i] == heap && words[i + 2] == end && words[i + 1] > heap && words[i + 1] <= end)
			*bytes = words[i + 1] - heap;
	return 0;
}
