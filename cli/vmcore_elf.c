/*
 * A VM's dump as an ELF64 core for gdb, crash, drgn and makedumpfile.
 *
 *   0                ELF header; program headers at 64, where makedumpfile expects them: PT_NOTE, then PT_LOADs
 *   behind them      the notes
 *   `data`           memory, in extents
 *
 * How many PT_LOADs there are is known only when all memory is there, as the guest's page tables say it: their room is reserved,
 * and what of it is not used is a hole. All-zero pages are holes, too. The PT_LOADs have guest physical addresses in p_paddr.
 * The first ones cover all RAM, at its virtual addresses in Linux's linear map; the others are for gdb, overlap those in the
 * file, and say what the guest's page tables map elsewhere: its kernel, modules, and the stacks in vmalloc's range.
 */
#include "cli/guest_tables.h"
#include "cli/memory.h"
#include "cli/vmcore.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for so many is reserved; e_phnum counts to 65534. */
#define LOADS_ROOM 24000u
/* A gap of excluded pages must save so much to cost a PT_LOAD of its own; and there are at most so many. */
#define GAP_MIN	 KIB(256)
#define GAPS_MAX 2000u
/* If the page tables cannot be read, this much of the kernel's image is taken to be where VMCOREINFO says. */
#define KERNEL_GUESS MIB(64)

struct loads {
	struct elf_segment *list;
	size_t count, room;
	bool is_cut;
};

int vmcore_elf_begin(struct vmcore *v)
{
	v->end = ALIGN_UP(sizeof(Elf64_Ehdr) + (LOADS_ROOM + 1) * sizeof(Elf64_Phdr) +
				  vmcore_notes_max(v->vcpu_count),
			  PAGE_SIZE);
	return 0;
}

/* ---- Memory ---- */

static bool is_range_start(const struct vmcore *v, u64 at)
{
	for (u32 i = 0; i < v->range_count; i++)
		if (v->ranges[i].at == at)
			return true;
	return false;
}

/* Gives pages their place in the file; its offset. */
static u64 extend(struct vmcore *v, u64 at, u64 bytes)
{
	struct vmcore_extent *last = v->extent_count ? &v->extents[v->extent_count - 1] : NULL;
	u64 offset = v->end;

	if (!last || last->at + last->size != at || is_range_start(v, at)) {
		if (!v->extents || v->extent_count == v->extent_room) {
			v->extent_room = v->extent_room ? v->extent_room * 2 : 64;
			v->extents = memory_resize(v->extents, v->extent_room, sizeof(*v->extents));
		}
		last = &v->extents[v->extent_count++];
		*last = (struct vmcore_extent){ .at = at, .offset = offset };
	}
	last->size += bytes;
	v->end += bytes;
	return offset;
}

/* Pages come that are not left out: what is left out before them is a gap if that is worth it. */
static void end_gap(struct vmcore *v)
{
	if (v->gap && (v->gap < GAP_MIN || v->extent_count >= GAPS_MAX))
		extend(v, v->gap_at, v->gap);
	v->gap = 0;
}

int vmcore_elf_pages(struct vmcore *v, u64 at, u64 count, const u8 *bytes)
{
	end_gap(v);
	return output_write(v->out, extend(v, at, count * PAGE_SIZE), bytes, count * PAGE_SIZE);
}

int vmcore_elf_zero(struct vmcore *v, u64 at, u64 count, bool is_excluded)
{
	if (!is_excluded || is_range_start(v, at))
		end_gap(v);
	if (!is_excluded) {
		extend(v, at, count * PAGE_SIZE);
		return 0;
	}
	if (!v->gap)
		v->gap_at = at;
	v->gap += count * PAGE_SIZE;
	return 0;
}

static const struct vmcore_extent *extent_of(const struct vmcore *v, u64 at)
{
	size_t low = 0, high = v->extent_count;

	/* The last one that begins at or before `at`. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->extents[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &v->extents[low - 1] : NULL;
}

static bool read_page(void *arg, u64 at, void *to)
{
	const struct vmcore *v = arg;
	const struct vmcore_extent *e = extent_of(v, at);
	ssize_t got;

	if (!e || at % PAGE_SIZE || at - e->at >= e->size)
		return false;
	got = pread(v->out->fd, to, PAGE_SIZE, (off_t)(e->offset + at - e->at));
	if (got < 0)
		return false;
	memset((u8 *)to + got, 0, PAGE_SIZE - (size_t)got);
	return true;
}

/* ---- Program headers ---- */

static void add_load(struct loads *l, u64 virtual, u64 physical, u64 offset, u64 file_size, u64 size)
{
	if (l->count == LOADS_ROOM) {
		l->is_cut = true;
		return;
	}
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		l->list = memory_resize(l->list, l->room, sizeof(*l->list));
	}
	l->list[l->count++] = (struct elf_segment){ .virtual = virtual,
						    .physical = physical,
						    .size = size,
						    .file_size = file_size,
						    .offset = offset,
						    .is_alias = true,
						    .is_executable = true };
}

/*
 * [physical, + size) of one range at a virtual address: a PT_LOAD for each extent in it, which has the gap behind it as memory without
 * bytes in the file.
 */
static void add_loads(const struct vmcore *v, struct loads *l, u64 virtual, u64 physical, u64 size)
{
	const struct vmcore_extent *end = v->extents + v->extent_count;
	u64 at = physical, stop = physical + size;

	while (at < stop) {
		const struct vmcore_extent *e = extent_of(v, at);
		const struct vmcore_extent *next = e ? e + 1 : v->extents;
		u64 until = next < end && next->at < stop ? next->at : stop;
		u64 in_file = e && at - e->at < e->size ? e->size - (at - e->at) : 0;

		if (in_file > until - at)
			in_file = until - at;
		add_load(l, virtual + (at - physical), at, in_file ? e->offset + (at - e->at) : v->end,
			 in_file, until - at);
		at = until;
	}
}

/* The same for a mapping of the guest's, of which only what is RAM counts. */
static void add_mapping(const struct vmcore *v, struct loads *l, const struct guest_mapping *m)
{
	for (u32 i = 0; i < v->range_count; i++) {
		const struct vmcore_range *r = &v->ranges[i];
		u64 from = m->physical > r->at ? m->physical : r->at;
		u64 to = m->physical + m->size < r->at + r->size ? m->physical + m->size : r->at + r->size;

		if (from < to)
			add_loads(v, l, m->virtual + (from - m->physical), from, to - from);
	}
}

/* ---- What the kernel says of its address space ---- */

/* All RAM: at the addresses of the linear map, or its own. */
static size_t linear_map(const struct vmcore *v, struct guest_linear *linear)
{
	u64 offset, base;
	bool is_known = vmcoreinfo_number(v->info, "NUMBER(PAGE_OFFSET)", &offset) &&
			vmcoreinfo_number(v->info, "NUMBER(phys_ram_base)", &base);

	for (u32 i = 0; i < v->range_count; i++) {
		const struct vmcore_range *r = &v->ranges[i];
		u64 at = is_known ? offset + (r->at - base) : r->at;

		/* Not what a guest makes up to confuse: the upper half, no wrap. */
		if (is_known && (at < 1ull << 63 || at % PAGE_SIZE || r->at < base || at > 0 - r->size))
			at = r->at;
		linear[i] = (struct guest_linear){ .start = at, .size = r->size, .physical = r->at };
	}
	return v->range_count;
}

/* Where the kernel's own page table is; its levels, 0 if nobody knows. */
static unsigned find_root(const struct vmcore *v, u64 *root)
{
	u64 table, offset, bits;

	if (vmcoreinfo_symbol(v->info, "swapper_pg_dir", &table) &&
	    vmcoreinfo_number(v->info, "NUMBER(va_kernel_pa_offset)", &offset) &&
	    vmcoreinfo_number(v->info, "NUMBER(VA_BITS)", &bits) &&
	    (bits == 39 || bits == 48 || bits == 57)) {
		*root = table - offset;
		return (unsigned)(bits - 12) / 9;
	}
	/* Each process's table has the kernel's upper half. */
	for (size_t i = 0; i < v->vcpu_count; i++) {
		unsigned levels = guest_tables_root(v->vcpus[i].satp, root);

		if (levels)
			return levels;
	}
	return 0;
}

static void guess_kernel(const struct vmcore *v, struct loads *l)
{
	struct guest_mapping kernel = { .size = KERNEL_GUESS };
	u64 offset;

	if (!vmcoreinfo_number(v->info, "NUMBER(KERNEL_LINK_ADDR)", &kernel.virtual) ||
	    !vmcoreinfo_number(v->info, "NUMBER(va_kernel_pa_offset)", &offset))
		return;
	kernel.physical = kernel.virtual - offset;
	if (kernel.physical % PAGE_SIZE == 0 && kernel.physical >> 56 == 0)
		add_mapping(v, l, &kernel);
}

static void make_loads(struct vmcore *v, struct loads *l)
{
	struct guest_linear linear[VM_MAX_EXTENTS];
	size_t count = linear_map(v, linear);
	struct guest_mappings m = { 0 };
	u64 root = 0;
	unsigned levels = find_root(v, &root);

	for (size_t i = 0; i < count; i++)
		add_loads(v, l, linear[i].start, linear[i].physical, linear[i].size);
	if (levels)
		guest_tables_walk(&m, levels, root, linear, count, read_page, v);
	if (!m.count)
		guess_kernel(v, l);
	for (size_t i = 0; i < m.count; i++)
		add_mapping(v, l, &m.list[i]);
	v->mappings = m.count;
	v->is_cut = m.is_cut || l->is_cut;
	free(m.list);
}

/* ---- The end ---- */

int vmcore_elf_end(struct vmcore *v)
{
	struct loads loads = { 0 };
	struct elf_notes notes = { 0 };
	size_t size, info_offset;
	u8 *head;
	int error;

	vmcore_notes(v, &notes, &info_offset);
	make_loads(v, &loads);
	head = elf_core_head(&notes, loads.list, loads.count, &size);
	error = output_write(v->out, 0, head, size);
	/* Zero pages at the end have not been written. */
	if (!error)
		error = output_size(v->out, v->end);
	free(head);
	free(loads.list);
	elf_notes_free(&notes);
	return error;
}
