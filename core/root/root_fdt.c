/*
 * The root VM's device tree, made of the machine's (Devicetree Specification 0.4; Linux's bindings).
 *
 * The machine's tree was checked when the first life read the machine from it, and is kept in RAM that no VM gets. It is
 * checked again each time: a device of the root may have written there meanwhile. What is added or changed:
 *   - harts that the root does not have, and all devices that it does not have, are disabled;
 *   - harts lose the extensions that the hypervisor keeps from guests, H among them;
 *   - RAM that is not the root's becomes reserved memory that is not to be mapped, by what it is: outlive-slot@...,
 *     outlive-estate@..., outlive-kept@... for the RAM of other VMs, the boot pack and what nobody has;
 *   - /chosen says what the root starts with.
 */
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/memory/machine_fdt_node.h"
#include "core/root/root.h"
#include "core/root/root_isa.h"
#include <libfdt.h>

/* Added at most: /chosen, a status for each node of a tree of this size, and nodes of reserved memory. */
#define ROOM_ADDED (KIB(16) + VM_CMDLINE_SIZE)

/* A tree that is being changed. */
struct edit {
	void *fdt;
	struct fdt_reader reader; /* over the same tree, to translate addresses */
	struct machine_record scratch;
	struct machine_boot boot;
	char *why;
	size_t why_size;
};

static int fail(struct edit *e, int error, const char *text, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct edit *e, int error, const char *text, ...)
{
	va_list list;

	va_start(list, text);
	format_list(e->why, e->why_size, text, list);
	va_end(list);
	return error;
}

/* An error of libfdt as ours. */
static int check_fdt(struct edit *e, int error, const char *what)
{
	if (error >= 0)
		return 0;
	return fail(e, error == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL, "%s: %s", what, fdt_strerror(error));
}

static int set_string(struct edit *e, int node, const char *property, const char *value)
{
	return fdt_setprop(e->fdt, node, property, value, (int)strlen(value) + 1);
}

static int disable(struct edit *e, int node)
{
	return check_fdt(e, set_string(e, node, "status", "disabled"), "status");
}

/* ---- Harts ---- */

static bool has_hart(const struct vm *vm, u64 id)
{
	for (u32 n = 0; n < vm->config.vcpus; n++) {
		if (vm->vcpu[n].id == id)
			return true;
	}
	return false;
}

/* riscv,isa and riscv,isa-extensions, without what guests do not get. */
static int edit_isa(struct edit *e, int cpu)
{
	static char text[ROOT_ISA_SIZE];
	int length, error = 0;
	const char *isa = fdt_reader_string(&e->reader, cpu, "riscv,isa");
	const char *list;
	size_t size;

	if (isa) {
		if (!root_isa_string(isa, text))
			return fail(e, -EINVAL, "riscv,isa of a hart is too long");
		error = set_string(e, cpu, "riscv,isa", text);
	}
	list = fdt_getprop(e->fdt, cpu, "riscv,isa-extensions", &length);
	if (error || !list)
		return check_fdt(e, error, "riscv,isa");
	if (length <= 0 || list[length - 1] || !root_isa_list(list, (size_t)length, text, &size))
		return fail(e, -EINVAL, "riscv,isa-extensions of a hart is malformed or too long");
	return check_fdt(e, fdt_setprop(e->fdt, cpu, "riscv,isa-extensions", text, (int)size),
			 "riscv,isa-extensions");
}

static int edit_cpus(struct edit *e, const struct vm *vm)
{
	int cpus = fdt_path_offset(e->fdt, "/cpus");
	int cpu, error = 0;

	fdt_for_each_subnode(cpu, e->fdt, cpus)
	{
		const char *type = fdt_reader_string(&e->reader, cpu, "device_type");
		u64 id;

		if (!type || strcmp(type, "cpu") != 0)
			continue;
		if (fdt_reader_number(&e->reader, cpu, "reg", &id) || !has_hart(vm, id))
			error = disable(e, cpu);
		if (!error)
			error = edit_isa(e, cpu);
		if (error)
			return error;
	}
	return 0;
}

/* ---- Devices ---- */

/* True if the registers at `base` are those of something that the root has. */
static bool has_device(u64 base)
{
	const struct machine_record *m = &estate.machine;

	if (base == m->plic.base || base == m->uart.base)
		return true;
	for (unsigned n = 0; n < m->virtio_count; n++) {
		if ((m->root_windows >> n & 1) && base == m->virtio[n].base)
			return true;
	}
	return false;
}

static bool is_compatible(const struct edit *e, int node, const char *name)
{
	return fdt_node_check_compatible(e->fdt, node, name) == 0;
}

/* Firmware does for the root what these would. */
static bool is_for_firmware(const struct edit *e, int node)
{
	static const char *const names[] = { "syscon-poweroff", "syscon-reboot", "riscv,pmu" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (is_compatible(e, node, names[i]))
			return true;
	}
	return false;
}

static bool is_wanted(struct edit *e, int node)
{
	struct machine_range range;

	if (!fdt_getprop(e->fdt, node, "compatible", NULL))
		return true;
	if (is_for_firmware(e, node))
		return false;
	if (!fdt_getprop(e->fdt, node, "reg", NULL))
		/* A bus, a clock; buses with devices of their own behind addresses that they make up are of no use. */
		return !is_compatible(e, node, "qemu,platform");
	return !fdt_reader_reg(&e->reader, node, 0, &range) && has_device(range.base);
}

/* True for the nodes that are described elsewhere: harts, RAM. */
static bool is_special(struct edit *e, int node)
{
	int parent = fdt_parent_offset(e->fdt, node);
	const char *name = parent >= 0 ? fdt_get_name(e->fdt, parent, NULL) : NULL;
	const char *type = fdt_reader_string(&e->reader, node, "device_type");

	if (type && (!strcmp(type, "cpu") || !strcmp(type, "memory")))
		return true;
	type = parent >= 0 ? fdt_reader_string(&e->reader, parent, "device_type") : NULL;
	return (type && !strcmp(type, "cpu")) || (name && !strcmp(name, "reserved-memory"));
}

static int edit_devices(struct edit *e)
{
	int node = fdt_next_node(e->fdt, 0, NULL);

	for (; node >= 0; node = fdt_next_node(e->fdt, node, NULL)) {
		int error;

		if (is_special(e, node) || is_wanted(e, node))
			continue;
		error = disable(e, node);
		if (error)
			return error;
	}
	return 0;
}

/* ---- RAM ---- */

/* What a piece of RAM is; NULL as a name: the root's, or reserved by the firmware's own node. */
struct piece {
	struct machine_range range;
	const char *name;
};

#define PIECES_MAX (MACHINE_MAX_RESERVED + 5)

static unsigned list_pieces(const struct vm *vm, struct piece *to)
{
	const struct machine_record *m = &estate.machine;
	const struct vm_extent *own = &vm->config.extents[0];
	u64 base = estate.base - LAYOUT_ESTATE_OFFSET;
	unsigned n = 0;

	for (u32 i = 0; i < m->reserved_count && i < MACHINE_MAX_RESERVED; i++)
		to[n++] = (struct piece){ m->reserved[i], NULL };
	to[n++] = (struct piece){ { own->hpa, own->size }, NULL };
	for (unsigned slot = 0; slot < LAYOUT_SLOTS; slot++)
		to[n++] = (struct piece){ { base + LAYOUT_SLOT_OFFSET(slot), LAYOUT_SLOT_SIZE },
					  "outlive-slot" };
	to[n++] = (struct piece){ { estate.base, estate.size }, "outlive-estate" };
	return n;
}

/* The piece that `at` is in, or NULL; *end becomes where the next one begins, or where this one ends, if that is lower. */
static const struct piece *piece_at(const struct piece *pieces, unsigned count, u64 at, u64 *end)
{
	for (unsigned i = 0; i < count; i++) {
		const struct machine_range *r = &pieces[i].range;

		if (r->base > at && r->base < *end)
			*end = r->base;
		if (range_inside(at, 1, r->base, r->size)) {
			if (r->base + r->size < *end)
				*end = r->base + r->size;
			return &pieces[i];
		}
	}
	return NULL;
}

static int add_reserved(struct edit *e, int parent, const char *name, u64 base, u64 size)
{
	fdt64_t reg[2] = { cpu_to_fdt64(base), cpu_to_fdt64(size) };
	char full[48];
	int node, error;

	format(full, sizeof(full), "%s@%lx", name, (unsigned long)base);
	node = fdt_add_subnode(e->fdt, parent, full);
	error = node < 0 ? node : fdt_setprop(e->fdt, node, "reg", reg, sizeof(reg));
	if (!error)
		error = fdt_setprop(e->fdt, node, "no-map", NULL, 0);
	return check_fdt(e, error, full);
}

/* The node of reserved memory, made if there is none; its cells are those of the root node. */
static int reserved_node(struct edit *e)
{
	int node = fdt_path_offset(e->fdt, "/reserved-memory");
	int error;

	if (node < 0) {
		node = fdt_add_subnode(e->fdt, 0, "reserved-memory");
		error = node < 0 ? node : fdt_setprop_u32(e->fdt, node, "#address-cells", 2);
		if (!error)
			error = fdt_setprop_u32(e->fdt, node, "#size-cells", 2);
		if (!error)
			error = fdt_setprop(e->fdt, node, "ranges", NULL, 0);
		error = check_fdt(e, error, "reserved-memory");
		if (error)
			return error;
	}
	if (fdt_address_cells(e->fdt, node) != 2 || fdt_size_cells(e->fdt, node) != 2)
		return fail(e, -EINVAL, "reserved-memory has other than 2 and 2 cells");
	return node;
}

static int edit_memory(struct edit *e, const struct vm *vm)
{
	const struct machine_record *m = &estate.machine;
	struct piece pieces[PIECES_MAX];
	unsigned count = list_pieces(vm, pieces);
	int parent = reserved_node(e);

	if (parent < 0)
		return parent;
	for (u32 i = 0; i < m->ram_count; i++) {
		u64 at = m->ram[i].base, last = at + m->ram[i].size;

		while (at < last) {
			u64 end = last;
			const struct piece *p = piece_at(pieces, count, at, &end);
			const char *name = p ? p->name : "outlive-kept";
			int error = name ? add_reserved(e, parent, name, at, end - at) : 0;

			if (error)
				return error;
			at = end;
		}
	}
	return 0;
}

/* ---- What the root starts with ---- */

static int edit_chosen(struct edit *e, const struct vm *vm, const struct guest_boot *boot)
{
	static const char *const gone[] = { "linux,initrd-start", "linux,initrd-end", "kaslr-seed" };
	int node = fdt_path_offset(e->fdt, "/chosen");
	int error;

	if (node < 0)
		node = fdt_add_subnode(e->fdt, 0, "chosen");
	error = node < 0 ? node : set_string(e, node, "bootargs", vm->config.cmdline);
	if (!error)
		error = fdt_setprop(e->fdt, node, "rng-seed", boot->rng_seed, sizeof(boot->rng_seed));
	for (size_t i = 0; !error && i < ARRAY_SIZE(gone); i++) {
		error = fdt_delprop(e->fdt, node, gone[i]);
		if (error == -FDT_ERR_NOTFOUND)
			error = 0;
	}
	if (!error && boot->initrd_size) {
		error = fdt_setprop_u64(e->fdt, node, "linux,initrd-start", boot->initrd.a);
		if (!error)
			error = fdt_setprop_u64(e->fdt, node, "linux,initrd-end",
						boot->initrd.a + boot->initrd_size);
	}
	return check_fdt(e, error, "chosen");
}

u64 root_fdt_bound(void)
{
	return estate.machine.dtb.size + ROOM_ADDED;
}

static int open_tree(struct edit *e, void *to, u64 size)
{
	const void *machine = (const void *)(uintptr_t)estate.machine.dtb.base;
	u64 bytes = estate.machine.dtb.size;

	if (bytes < sizeof(struct fdt_header) || (uintptr_t)machine % 8 || fdt_off_dt_struct(machine) % 4 ||
	    fdt_off_mem_rsvmap(machine) % 8)
		return fail(e, -EINVAL, "the machine's is truncated or misaligned");
	if (fdt_check_full(machine, bytes))
		return fail(e, -EINVAL, "the machine's is damaged");
	return check_fdt(e, fdt_open_into(machine, to, size > INT32_MAX ? INT32_MAX : (int)size), "room");
}

int root_fdt_build(const struct vm *vm, const struct guest_boot *boot, void *to, u64 size, char *why,
		   size_t why_size)
{
	/* Too large for a stack; operations on VMs are one at a time. */
	static struct edit e;
	int error;

	e = (struct edit){ .fdt = to, .why = why, .why_size = why_size };
	e.reader = (struct fdt_reader){ .fdt = to, .m = &e.scratch, .boot = &e.boot };
	error = open_tree(&e, to, size);
	if (!error)
		error = edit_cpus(&e, vm);
	if (!error)
		error = edit_devices(&e);
	if (!error)
		error = edit_memory(&e, vm);
	if (!error)
		error = edit_chosen(&e, vm, boot);
	return error ? error : check_fdt(&e, fdt_pack(to), "packing");
}
