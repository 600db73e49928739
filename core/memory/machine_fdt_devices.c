/*
 * Devices of the machine that the hypervisor drives itself: PLIC, UART, virtio-mmio
 * (bindings interrupt-controller/sifive,plic-1.0.0.yaml, serial/8250.yaml, virtio/mmio.yaml).
 */
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/memory/machine_fdt_node.h"
#include <libfdt.h>

/* Sources and context registers (RISC-V PLIC specification 1.0, "Memory Map"). */
#define PLIC_SOURCES_MAX  1023
#define PLIC_CONTEXTS_MAX 15872
#define PLIC_CONTEXT_BASE 0x200000u
#define PLIC_CONTEXT_SIZE 0x1000u

/* Supervisor external interrupt (privileged specification, scause). */
#define IRQ_S_EXTERNAL 9

#define NO_CONTEXT ~0u

/* The first registers of a device, which must not lie in RAM. */
static int device_reg(struct fdt_reader *r, int node, struct machine_range *range)
{
	int error = fdt_reader_reg(r, node, 0, range);

	if (error)
		return error;
	if (!range->size)
		return fdt_reader_fail(r, -EINVAL, node, "no registers");
	for (u32 i = 0; i < r->m->ram_count; i++)
		if (ranges_overlap(range->base, range->size, r->m->ram[i].base, r->m->ram[i].size))
			return fdt_reader_fail(r, -EINVAL, node, "registers lie in RAM");
	return 0;
}

/* The first node in use that is compatible with one of the names; negative if none. */
static int find_compatible(struct fdt_reader *r, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int node = fdt_node_offset_by_compatible(r->fdt, -1, names[i]);

		for (; node >= 0; node = fdt_node_offset_by_compatible(r->fdt, node, names[i]))
			if (fdt_reader_is_okay(r, node))
				return node;
	}
	return -FDT_ERR_NOTFOUND;
}

/* Index of the hart with that interrupt controller, or MAX_HARTS. */
static u32 hart_of_intc(const struct fdt_reader *r, u32 phandle)
{
	for (u32 i = 0; i < r->m->hart_count; i++)
		if (r->intc[i] == phandle)
			return i;
	return MAX_HARTS;
}

/* Cells of an interrupt specifier of a controller that belongs to none of our harts. */
static int foreign_cells(struct fdt_reader *r, u32 phandle, u64 *cells)
{
	int node = fdt_node_offset_by_phandle(r->fdt, phandle);

	if (node < 0 || fdt_reader_number(r, node, "#interrupt-cells", cells) || *cells > 4)
		return -EINVAL;
	return 0;
}

/* Which context belongs to which hart: the n-th entry of interrupts-extended is context n's output. */
static int contexts_read(struct fdt_reader *r, int node)
{
	int length;
	const fdt32_t *at = fdt_getprop(r->fdt, node, "interrupts-extended", &length);
	const fdt32_t *end = at ? at + length / 4 : NULL;

	if (!at || length % 4)
		return fdt_reader_fail(r, -EINVAL, node, "malformed interrupts-extended");
	for (u32 context = 0; at < end; context++) {
		u32 phandle = fdt32_ld(at++);
		u32 hart = hart_of_intc(r, phandle);
		u64 cells = 1;

		if (hart == MAX_HARTS && foreign_cells(r, phandle, &cells))
			return fdt_reader_fail(r, -EINVAL, node, "context %u leads nowhere", context);
		if ((u64)(end - at) < cells || context == PLIC_CONTEXTS_MAX)
			return fdt_reader_fail(r, -EINVAL, node, "interrupts-extended breaks off");
		if (hart < MAX_HARTS && fdt32_ld(at) == IRQ_S_EXTERNAL &&
		    r->m->plic_context[hart] == NO_CONTEXT)
			r->m->plic_context[hart] = context;
		at += cells;
	}
	return 0;
}

/* Every hart has a context, and its registers are in the PLIC's range. */
static int contexts_check(struct fdt_reader *r, int node)
{
	for (u32 i = 0; i < r->m->hart_count; i++) {
		u64 context = r->m->plic_context[i];

		if (context == NO_CONTEXT)
			return fdt_reader_fail(r, -ENODEV, node, "no supervisor context for hart %u",
					       r->m->hart_ids[i]);
		if (PLIC_CONTEXT_BASE + (context + 1) * PLIC_CONTEXT_SIZE > r->m->plic.size)
			return fdt_reader_fail(r, -EINVAL, node, "context %u lies behind its registers",
					       (u32)context);
	}
	return 0;
}

static int plic_read(struct fdt_reader *r)
{
	static const char *const names[] = { "sifive,plic-1.0.0", "riscv,plic0", "thead,c900-plic" };
	int node = find_compatible(r, names, ARRAY_SIZE(names));
	u64 sources = 0;
	int error;

	if (node < 0)
		return fdt_reader_fail(r, -ENODEV, -1, "no PLIC");
	error = device_reg(r, node, &r->m->plic);
	if (error)
		return error;
	if (fdt_reader_number(r, node, "riscv,ndev", &sources) || !sources || sources > PLIC_SOURCES_MAX)
		return fdt_reader_fail(r, -EINVAL, node, "bad riscv,ndev");
	r->m->plic_sources = (u32)sources;
	r->plic_phandle = fdt_get_phandle(r->fdt, node);
	for (u32 i = 0; i < r->m->hart_count; i++)
		r->m->plic_context[i] = NO_CONTEXT;
	error = contexts_read(r, node);
	return error ? error : contexts_check(r, node);
}

static const char *const uart_names[] = { "ns16550a", "ns16550" };

/* The console that /chosen names, "path:options" or "alias:options", if we have a driver for it. */
static int stdout_node(struct fdt_reader *r)
{
	int chosen = fdt_path_offset(r->fdt, "/chosen");
	const char *path = chosen < 0 ? NULL : fdt_reader_string(r, chosen, "stdout-path");
	int length = 0;
	int node;

	while (path && path[length] && path[length] != ':')
		length++;
	if (!length)
		return -FDT_ERR_NOTFOUND;
	node = fdt_path_offset_namelen(r->fdt, path, length);
	for (size_t i = 0; node >= 0 && i < ARRAY_SIZE(uart_names); i++)
		if (!fdt_node_check_compatible(r->fdt, node, uart_names[i]) && fdt_reader_is_okay(r, node))
			return node;
	return -FDT_ERR_NOTFOUND;
}

/* A machine without a UART of this kind talks through SBI. */
static int uart_read(struct fdt_reader *r)
{
	struct machine_record *m = r->m;
	int node = stdout_node(r);
	u64 shift, width, offset;
	int error;

	if (node < 0)
		node = find_compatible(r, uart_names, ARRAY_SIZE(uart_names));
	if (node < 0)
		return 0;
	error = fdt_reader_number_or(r, node, "reg-shift", 0, &shift);
	if (!error)
		error = fdt_reader_number_or(r, node, "reg-io-width", 1, &width);
	if (!error)
		error = fdt_reader_number_or(r, node, "reg-offset", 0, &offset);
	if (error)
		return error;
	if (shift > 4 || width != 1) {
		fdt_reader_fail(r, 0, node, "left out: only byte-wide registers have a driver");
		return 0;
	}
	error = device_reg(r, node, &m->uart);
	if (!error)
		error = fdt_reader_interrupt(r, node, &m->uart_irq);
	if (error)
		return error;
	if (!range_inside(offset, 8ull << shift, 0, m->uart.size))
		return fdt_reader_fail(r, -EINVAL, node, "eight registers do not fit in reg");
	m->uart.base += offset;
	m->uart.size -= offset;
	m->uart_shift = (u32)shift;
	return 0;
}

/* Puts a slot in its place by address. */
static int virtio_add(struct fdt_reader *r, int node)
{
	struct machine_record *m = r->m;
	struct machine_range range;
	u32 irq = 0, n;
	int error = device_reg(r, node, &range);

	if (!error)
		error = fdt_reader_interrupt(r, node, &irq);
	if (error)
		return error;
	/* Registers end at 0x100, configuration follows (virtio 1.2, 4.2.2). */
	if (range.size < 0x100)
		return fdt_reader_fail(r, -EINVAL, node, "too small for virtio");
	if (m->virtio_count == MACHINE_MAX_VIRTIO) {
		fdt_reader_fail(r, 0, node, "left out: more than %u virtio slots", MACHINE_MAX_VIRTIO);
		return 0;
	}
	for (n = 0; n < m->virtio_count; n++)
		if (ranges_overlap(m->virtio[n].base, m->virtio[n].size, range.base, range.size))
			return fdt_reader_fail(r, -EINVAL, node, "registers belong to another slot");
	for (n = m->virtio_count++; n && m->virtio[n - 1].base > range.base; n--) {
		m->virtio[n] = m->virtio[n - 1];
		m->virtio_irq[n] = m->virtio_irq[n - 1];
	}
	m->virtio[n] = range;
	m->virtio_irq[n] = irq;
	return 0;
}

/* A machine without a clock is none the worse for it, nor is one whose clock is described wrongly. */
static void rtc_read(struct fdt_reader *r)
{
	static const char *const names[] = { "google,goldfish-rtc" };
	int node = find_compatible(r, names, ARRAY_SIZE(names));

	if (node >= 0 && (device_reg(r, node, &r->m->rtc) || r->m->rtc.size < 8))
		r->m->rtc = (struct machine_range){ 0 };
}

static int virtio_read(struct fdt_reader *r)
{
	int node = fdt_node_offset_by_compatible(r->fdt, -1, "virtio,mmio");
	int error = 0;

	for (; !error && node >= 0; node = fdt_node_offset_by_compatible(r->fdt, node, "virtio,mmio"))
		if (fdt_reader_is_okay(r, node))
			error = virtio_add(r, node);
	return error;
}

int machine_fdt_devices(struct fdt_reader *r)
{
	int error = plic_read(r);

	if (!error)
		error = uart_read(r);
	rtc_read(r);
	return error ? error : virtio_read(r);
}
