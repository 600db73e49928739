/* RAM of the machine, what of it is not ours, and where the boot pack lies. */
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/memory/machine_fdt_node.h"
#include <libfdt.h>

/* Puts a range of RAM in its place by address. */
static int ram_add(struct fdt_reader *r, int node, struct machine_range range)
{
	struct machine_record *m = r->m;
	u64 end = ALIGN_DOWN(range.base + range.size, PAGE_SIZE);
	u32 n;

	/* Parts of pages cannot be given to anyone. */
	if (range.base > ALIGN_DOWN(~0ull, PAGE_SIZE))
		return 0;
	range.base = ALIGN_UP(range.base, PAGE_SIZE);
	if (range.base >= end)
		return 0;
	range.size = end - range.base;
	for (n = 0; n < m->ram_count; n++)
		if (ranges_overlap(m->ram[n].base, m->ram[n].size, range.base, range.size))
			return fdt_reader_fail(r, -EINVAL, node, "RAM at %llx is there twice",
					       (unsigned long long)range.base);
	if (m->ram_count == MACHINE_MAX_RAM) {
		fdt_reader_fail(r, 0, node, "RAM left out: more than %u ranges", MACHINE_MAX_RAM);
		return 0;
	}
	for (n = m->ram_count++; n && m->ram[n - 1].base > range.base; n--)
		m->ram[n] = m->ram[n - 1];
	m->ram[n] = range;
	return 0;
}

/* Ranges that touch become one: a VM's memory may lie across them. */
static void ram_join(struct machine_record *m)
{
	u32 last = 0;

	for (u32 n = 1; n < m->ram_count; n++) {
		if (m->ram[last].base + m->ram[last].size == m->ram[n].base)
			m->ram[last].size += m->ram[n].size;
		else
			m->ram[++last] = m->ram[n];
	}
	for (u32 n = last + 1; n < m->ram_count; n++)
		m->ram[n] = (struct machine_range){ 0 };
	m->ram_count = m->ram_count ? last + 1 : 0;
}

/* Does `add` with each of the ranges in a node's `reg`. 0 or the first error. */
static int each_range(struct fdt_reader *r, int node,
		      int (*add)(struct fdt_reader *r, int node, struct machine_range range))
{
	int count = fdt_reader_reg_count(r, node);
	int error = count < 0 ? count : 0;

	for (int i = 0; !error && i < count; i++) {
		struct machine_range range;

		error = fdt_reader_reg(r, node, i, &range);
		if (!error)
			error = add(r, node, range);
	}
	return error;
}

static int ram_read(struct fdt_reader *r)
{
	int node;

	fdt_for_each_subnode(node, r->fdt, 0)
	{
		const char *type = fdt_reader_string(r, node, "device_type");
		int error;

		if (!type || strcmp(type, "memory") != 0 || !fdt_reader_is_okay(r, node))
			continue;
		error = each_range(r, node, ram_add);
		if (error)
			return error;
	}
	ram_join(r->m);
	return r->m->ram_count ? 0 : fdt_reader_fail(r, -ENODEV, 0, "no memory");
}

static int reserve(struct fdt_reader *r, int node, struct machine_range range)
{
	struct machine_record *m = r->m;

	if (!range.size)
		return 0;
	if (m->reserved_count == MACHINE_MAX_RESERVED)
		return fdt_reader_fail(r, -E2BIG, node, "more than %u reserved ranges", MACHINE_MAX_RESERVED);
	m->reserved[m->reserved_count++] = range;
	return 0;
}

/* Binding reserved-memory/reserved-memory.yaml. What has a size but no place is for an operating system to place. */
static int reserved_nodes_read(struct fdt_reader *r)
{
	int parent = fdt_path_offset(r->fdt, "/reserved-memory");
	int node;

	if (parent < 0)
		return 0;
	fdt_for_each_subnode(node, r->fdt, parent)
	{
		int error;

		if (!fdt_getprop(r->fdt, node, "reg", NULL) || !fdt_reader_is_okay(r, node))
			continue;
		error = each_range(r, node, reserve);
		if (error)
			return error;
	}
	return 0;
}

static int reserved_read(struct fdt_reader *r)
{
	int count = fdt_num_mem_rsv(r->fdt);

	for (int i = 0; i < count; i++) {
		struct machine_range range;
		u64 end;
		int error;

		if (fdt_get_mem_rsv(r->fdt, i, &range.base, &range.size) ||
		    __builtin_add_overflow(range.base, range.size, &end))
			return fdt_reader_fail(r, -EINVAL, -1, "bad entry %d of the memory reservation block",
					       i);
		error = reserve(r, -1, range);
		if (error)
			return error;
	}
	return reserved_nodes_read(r);
}

/* The boot pack comes as an initrd: /chosen linux,initrd-start and -end (binding chosen.yaml of dt-schema). */
static int pack_read(struct fdt_reader *r, int chosen)
{
	struct machine_record *m = r->m;
	u64 start = 0, end = 0;
	int error = fdt_reader_number_or(r, chosen, "linux,initrd-start", 0, &start);

	if (!error)
		error = fdt_reader_number_or(r, chosen, "linux,initrd-end", 0, &end);
	if (error || start == end)
		return error;
	if (end < start)
		return fdt_reader_fail(r, -EINVAL, chosen, "initrd ends before it starts");
	for (u32 i = 0; i < m->ram_count; i++)
		if (range_inside(start, end - start, m->ram[i].base, m->ram[i].size)) {
			m->pack = (struct machine_range){ start, end - start };
			return 0;
		}
	return fdt_reader_fail(r, -EINVAL, chosen, "initrd lies outside of RAM");
}

int machine_fdt_memory(struct fdt_reader *r)
{
	int chosen = fdt_path_offset(r->fdt, "/chosen");
	const char *bootargs;
	int error = ram_read(r);

	if (!error)
		error = reserved_read(r);
	if (error || chosen < 0)
		return error;
	bootargs = fdt_reader_string(r, chosen, "bootargs");
	if (bootargs)
		format(r->boot->bootargs, sizeof(r->boot->bootargs), "%s", bootargs);
	return pack_read(r, chosen);
}
