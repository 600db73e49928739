/* See tree.h. */
#include "guests/kdump/tree.h"

#include <errno.h>
#include <libfdt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* For the properties of /chosen, beside the command line. */
#define ROOM KIB(1)

/* libfdt checks everything but that its blocks are aligned. */
static bool is_tree(const struct blob *dtb)
{
	return dtb->size >= sizeof(struct fdt_header) && dtb->size < INT_MAX / 2 &&
	       !(fdt_off_dt_struct(dtb->data) % 4) && !(fdt_off_mem_rsvmap(dtb->data) % 8) &&
	       !fdt_check_full(dtb->data, (size_t)dtb->size);
}

/* A number of `cells` cells; false if there are not 1 or 2. */
static bool read_cells(const fdt32_t *p, int cells, u64 *value)
{
	if (cells != 1 && cells != 2)
		return false;
	*value = cells == 1 ? fdt32_ld(p) : fdt64_ld((const fdt64_t *)p);
	return true;
}

int tree_reserved(const struct blob *dtb, const char *prefix, struct ranges *ram)
{
	int parent, node, address_cells, size_cells;

	*ram = (struct ranges){ 0 };
	if (!is_tree(dtb))
		return -EINVAL;
	parent = fdt_path_offset(dtb->data, "/reserved-memory");
	if (parent < 0)
		return 0;
	address_cells = fdt_address_cells(dtb->data, parent);
	size_cells = fdt_size_cells(dtb->data, parent);

	fdt_for_each_subnode(node, dtb->data, parent)
	{
		const char *name = fdt_get_name(dtb->data, node, NULL);
		int length, error;
		const fdt32_t *reg = fdt_getprop(dtb->data, node, "reg", &length);
		u64 base, size;

		if (!name || strncmp(name, prefix, strlen(prefix)) != 0 || !reg)
			continue;
		if (address_cells < 0 || size_cells < 0)
			return -EINVAL;
		for (int cells = address_cells + size_cells; length >= 4 * cells;
		     reg += cells, length -= 4 * cells) {
			if (!read_cells(reg, address_cells, &base) ||
			    !read_cells(reg + address_cells, size_cells, &size))
				return -EINVAL;
			error = ranges_add(ram, base, size, base);
			if (error)
				return error;
		}
	}
	return 0;
}

/* A property with one range, in the root's cells. */
static int set_range(void *dtb, int node, const char *name, struct range r)
{
	int address_cells = fdt_address_cells(dtb, 0), size_cells = fdt_size_cells(dtb, 0);
	fdt32_t cells[4];
	fdt32_t *p = cells;

	if (address_cells < 1 || address_cells > 2 || size_cells < 1 || size_cells > 2)
		return -FDT_ERR_BADNCELLS;
	if (address_cells == 2)
		fdt32_st(p++, (u32)(r.base >> 32));
	fdt32_st(p++, (u32)r.base);
	if (size_cells == 2)
		fdt32_st(p++, (u32)(r.size >> 32));
	fdt32_st(p++, (u32)r.size);
	return fdt_setprop(dtb, node, name, cells, (int)(4 * (p - cells)));
}

static int remove_property(void *dtb, int node, const char *name)
{
	int error = fdt_delprop(dtb, node, name);

	return error == -FDT_ERR_NOTFOUND ? 0 : error;
}

static int set_chosen(void *dtb, const struct tree_chosen *chosen)
{
	static const char *const stale[] = { "linux,initrd-start",
					     "linux,initrd-end",
					     "linux,elfcorehdr",
					     "linux,usable-memory-range",
					     "rng-seed",
					     "kaslr-seed",
					     "linux,crashkernel-base",
					     "linux,crashkernel-size" };
	int node = fdt_path_offset(dtb, "/chosen");
	int error = 0;

	if (node == -FDT_ERR_NOTFOUND)
		node = fdt_add_subnode(dtb, 0, "chosen");
	if (node < 0)
		return node;
	for (unsigned i = 0; i < ARRAY_SIZE(stale) && !error; i++)
		error = remove_property(dtb, node, stale[i]);
	error = error ? error : set_range(dtb, node, "linux,usable-memory-range", chosen->usable);
	error = error ? error : set_range(dtb, node, "linux,elfcorehdr", chosen->corehdr);
	error = error ? error
		      : fdt_setprop(dtb, node, "bootargs", chosen->command_line,
				    (int)strlen(chosen->command_line) + 1);
	if (chosen->initrd.size) {
		error = error ? error : fdt_setprop_u64(dtb, node, "linux,initrd-start", chosen->initrd.base);
		error = error ? error
			      : fdt_setprop_u64(dtb, node, "linux,initrd-end",
						chosen->initrd.base + chosen->initrd.size);
	}
	return error;
}

u64 tree_room(const struct blob *dtb, const char *command_line)
{
	return dtb->size + strlen(command_line) + ROOM;
}

struct blob tree_make(const struct blob *dtb, const struct tree_chosen *chosen)
{
	struct blob out = { .size = tree_room(dtb, chosen->command_line) };

	if (!is_tree(dtb) || out.size > INT_MAX)
		return (struct blob){ 0 };
	out.data = malloc(out.size);
	if (!out.data || fdt_open_into(dtb->data, out.data, (int)out.size) || set_chosen(out.data, chosen)) {
		free(out.data);
		return (struct blob){ 0 };
	}
	return out;
}
