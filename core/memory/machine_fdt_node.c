/* Checked reading of device tree nodes: see machine_fdt_node.h. */
#include "core/memory/machine_fdt_node.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include <libfdt.h>

int fdt_reader_fail(struct fdt_reader *r, int error, int node, const char *text, ...)
{
	char *at = r->boot->text;
	size_t size = sizeof(r->boot->text);
	size_t length;
	va_list list;

	/* A path that does not fit gives way to the node's name, which is what matters. */
	if (node < 0 || fdt_get_path(r->fdt, node, at, (int)size / 2))
		format(at, size / 2, "%s", node < 0 ? "device tree" : fdt_get_name(r->fdt, node, NULL));
	length = strnlen(at, size / 2);
	length += format(at + length, size - length, ": ");
	va_start(list, text);
	format_list(at + length, size - length, text, list);
	va_end(list);
	return error;
}

/* A number of `cells` cells. More than two hold no address of this machine (they are PCI's). */
static bool cells_read(const fdt32_t *at, int cells, u64 *value)
{
	*value = 0;
	if (cells < 0 || cells > 2)
		return false;
	for (int i = 0; i < cells; i++)
		*value = *value << 32 | fdt32_ld(at + i);
	return true;
}

int fdt_reader_number(struct fdt_reader *r, int node, const char *property, u64 *value)
{
	int length;
	const fdt32_t *at = fdt_getprop(r->fdt, node, property, &length);

	*value = 0;
	if (!at)
		return length == -FDT_ERR_NOTFOUND ? -ENOENT : -EINVAL;
	if (length != 4 && length != 8)
		return fdt_reader_fail(r, -EINVAL, node, "%s has %d bytes", property, length);
	cells_read(at, length / 4, value);
	return 0;
}

int fdt_reader_number_or(struct fdt_reader *r, int node, const char *property, u64 missing, u64 *value)
{
	int error = fdt_reader_number(r, node, property, value);

	if (error != -ENOENT)
		return error;
	*value = missing;
	return 0;
}

const char *fdt_reader_string(struct fdt_reader *r, int node, const char *property)
{
	int length;
	const char *s = fdt_getprop(r->fdt, node, property, &length);

	return s && length > 0 && strnlen(s, (size_t)length) < (size_t)length ? s : NULL;
}

bool fdt_reader_is_okay(struct fdt_reader *r, int node)
{
	const char *status;

	if (!fdt_getprop(r->fdt, node, "status", NULL))
		return true;
	status = fdt_reader_string(r, node, "status");
	return status && (!strcmp(status, "okay") || !strcmp(status, "ok"));
}

/* How the registers of a bus's children are written. */
struct bus_cells {
	int address;
	int size;
};

static bool bus_cells(struct fdt_reader *r, int bus, struct bus_cells *cells)
{
	cells->address = fdt_address_cells(r->fdt, bus);
	cells->size = fdt_size_cells(r->fdt, bus);
	return cells->address >= 0 && cells->size >= 0 && cells->address + cells->size > 0;
}

/* One step up: the addresses of `bus`'s children as those of the bus that it is on. */
static bool translate(struct fdt_reader *r, int bus, int above, struct machine_range *range)
{
	struct bus_cells own, outer;
	int length, entry;
	const fdt32_t *at = fdt_getprop(r->fdt, bus, "ranges", &length);

	if (!at || !bus_cells(r, bus, &own) || !bus_cells(r, above, &outer))
		return false;
	if (!length)
		return true;
	entry = own.address + outer.address + own.size;
	if (!entry || length % (4 * entry))
		return false;
	for (const fdt32_t *end = at + length / 4; at < end; at += entry) {
		u64 child, parent, size;

		if (!cells_read(at, own.address, &child) ||
		    !cells_read(at + own.address, outer.address, &parent) ||
		    !cells_read(at + own.address + outer.address, own.size, &size))
			continue;
		if (range->base < child || range->base - child >= size ||
		    range->size > size - (range->base - child))
			continue;
		return !__builtin_add_overflow(range->base - child, parent, &range->base);
	}
	return false;
}

int fdt_reader_reg_count(struct fdt_reader *r, int node)
{
	int bus = fdt_parent_offset(r->fdt, node);
	struct bus_cells cells;
	int length;

	if (!fdt_getprop(r->fdt, node, "reg", &length) || bus < 0 || !bus_cells(r, bus, &cells) ||
	    length % (4 * (cells.address + cells.size)))
		return fdt_reader_fail(r, -EINVAL, node, "malformed reg");
	return length / (4 * (cells.address + cells.size));
}

int fdt_reader_reg(struct fdt_reader *r, int node, int n, struct machine_range *range)
{
	int count = fdt_reader_reg_count(r, node);
	int bus = fdt_parent_offset(r->fdt, node);
	const fdt32_t *at = fdt_getprop(r->fdt, node, "reg", NULL);
	struct bus_cells cells;
	u64 end;

	if (count < 0)
		return count;
	if (!at || n >= count || !bus_cells(r, bus, &cells))
		return fdt_reader_fail(r, -EINVAL, node, "too few ranges in reg");
	at += n * (cells.address + cells.size);
	if (!cells_read(at, cells.address, &range->base) ||
	    !cells_read(at + cells.address, cells.size, &range->size))
		return fdt_reader_fail(r, -EINVAL, node, "reg has more cells than an address");
	while (bus > 0) {
		int above = fdt_parent_offset(r->fdt, bus);

		if (above < 0 || !translate(r, bus, above, range))
			return fdt_reader_fail(r, -EINVAL, node,
					       "no address of the machine: see the ranges of its buses");
		bus = above;
	}
	if (__builtin_add_overflow(range->base, range->size, &end))
		return fdt_reader_fail(r, -EINVAL, node, "reg wraps around the end of addresses");
	return 0;
}

/* The phandle of the controller that `interrupts` of the node speaks of; 0: none. */
static u32 interrupt_parent(struct fdt_reader *r, int node)
{
	while (node >= 0) {
		int length;
		const fdt32_t *parent = fdt_getprop(r->fdt, node, "interrupt-parent", &length);

		if (parent)
			return length == 4 ? fdt32_ld(parent) : 0;
		node = fdt_parent_offset(r->fdt, node);
	}
	return 0;
}

int fdt_reader_interrupt(struct fdt_reader *r, int node, u32 *irq)
{
	int length;
	const fdt32_t *at = fdt_getprop(r->fdt, node, "interrupts-extended", &length);

	/* The PLIC's specifiers are one cell: the number of the source (sifive,plic-1.0.0). */
	*irq = 0;
	if (at && length >= 8 && fdt32_ld(at) == r->plic_phandle) {
		*irq = fdt32_ld(at + 1);
	} else if (!at) {
		at = fdt_getprop(r->fdt, node, "interrupts", &length);
		if (at && length >= 4 && interrupt_parent(r, node) == r->plic_phandle)
			*irq = fdt32_ld(at);
	}
	if (*irq > r->m->plic_sources)
		return fdt_reader_fail(r, -EINVAL, node, "interrupt %u, the PLIC has %u sources", *irq,
				       r->m->plic_sources);
	return 0;
}
