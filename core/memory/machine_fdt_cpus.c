/*
 * Harts of the machine: ids, what all of them can do, time base
 * (bindings riscv/cpus.yaml, riscv/extensions.yaml).
 */
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/memory/machine_fdt_node.h"
#include <libfdt.h>

/* What one hart can do. */
struct hart_isa {
	u32 letters; /* bit n: single-letter extension 'a' + n */
	u32 isa;     /* MACHINE_ISA_... */
};

/* Letters that guests are promised (rv64imafdc) and what it takes to run them. */
static const char needed_letters[] = "imafdch";

static const struct {
	const char *name;
	u32 bit;
} known_extensions[] = {
	{ "sstc", MACHINE_ISA_SSTC },
	{ "v", MACHINE_ISA_V },
	{ "zicboz", MACHINE_ISA_ZICBOZ },
};

static u32 letter_bit(char c)
{
	return c >= 'a' && c <= 'z' ? 1u << (c - 'a') : 0;
}

static void extension_add(struct hart_isa *hart, const char *name, size_t length)
{
	if (length == 1)
		hart->letters |= letter_bit(name[0]);
	for (size_t i = 0; i < ARRAY_SIZE(known_extensions); i++)
		if (strlen(known_extensions[i].name) == length &&
		    !strncmp(known_extensions[i].name, name, length))
			hart->isa |= known_extensions[i].bit;
}

/*
 * The old form, one string: rv64, single letters, then names of several letters separated by underscores (RISC-V
 * unprivileged specification, "ISA Extension Naming Conventions"). Version numbers are passed over.
 */
static bool isa_string_read(struct hart_isa *hart, const char *isa)
{
	if (strncmp(isa, "rv64", 4) != 0)
		return false;
	for (isa += 4; *isa; isa++) {
		size_t length;

		if (!letter_bit(*isa))
			continue;
		if (*isa != 'z' && *isa != 's' && *isa != 'x') {
			extension_add(hart, isa, 1);
			/* "2p0": the p of a version is no letter of its own. */
			while (isa[1] >= '0' && isa[1] <= '9')
				isa += isa[2] == 'p' && isa[3] >= '0' && isa[3] <= '9' ? 2 : 1;
			continue;
		}
		for (length = 1; isa[length] && isa[length] != '_'; length++)
			;
		extension_add(hart, isa, length);
		isa += length - 1;
	}
	return true;
}

static int isa_read(struct fdt_reader *r, int node, struct hart_isa *hart)
{
	const char *base = fdt_reader_string(r, node, "riscv,isa-base");
	int count = fdt_stringlist_count(r->fdt, node, "riscv,isa-extensions");

	*hart = (struct hart_isa){ 0 };
	if (base && count > 0) {
		if (strcmp(base, "rv64i") != 0)
			return fdt_reader_fail(r, -ENODEV, node, "base is not rv64i");
		for (int i = 0; i < count; i++) {
			int length;
			const char *name =
				fdt_stringlist_get(r->fdt, node, "riscv,isa-extensions", i, &length);

			if (name && length > 0)
				extension_add(hart, name, (size_t)length);
		}
	} else {
		const char *isa = fdt_reader_string(r, node, "riscv,isa");

		if (!isa || !isa_string_read(hart, isa))
			return fdt_reader_fail(r, -EINVAL, node, "no riscv,isa of the form rv64...");
	}
	for (const char *c = needed_letters; *c; c++)
		if (!(hart->letters & letter_bit(*c)))
			return fdt_reader_fail(r, -ENODEV, node, "hart lacks the %c extension",
					       *c - 'a' + 'A');
	return 0;
}

/* mmu-type as satp.MODE (privileged specification, table "Encoding of satp MODE field"). */
static int mmu_read(struct fdt_reader *r, int node, u32 *mode)
{
	static const char *const types[] = { "riscv,sv39", "riscv,sv48", "riscv,sv57" };
	const char *type = fdt_reader_string(r, node, "mmu-type");

	*mode = 8;
	if (!type)
		return 0;
	for (u32 i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i])) {
			*mode = 8 + i;
			return 0;
		}
	return fdt_reader_fail(r, -ENODEV, node, "mmu-type is none of Sv39, Sv48, Sv57");
}

/* Phandle of the hart's interrupt controller, which the PLIC names its contexts by. */
static int intc_read(struct fdt_reader *r, int node, u32 *phandle)
{
	int child;

	fdt_for_each_subnode(child, r->fdt, node)
	{
		u64 cells;

		if (fdt_node_check_compatible(r->fdt, child, "riscv,cpu-intc"))
			continue;
		if (fdt_reader_number(r, child, "#interrupt-cells", &cells) || cells != 1)
			return fdt_reader_fail(r, -EINVAL, child, "#interrupt-cells is not 1");
		*phandle = fdt_get_phandle(r->fdt, child);
		if (!*phandle || *phandle == ~0u)
			return fdt_reader_fail(r, -EINVAL, child, "no phandle");
		return 0;
	}
	return fdt_reader_fail(r, -EINVAL, node, "no interrupt controller riscv,cpu-intc");
}

/* Facts that the record has once for all harts: the least of them. */
static int blocks_read(struct fdt_reader *r, int node, u32 isa)
{
	struct machine_record *m = r->m;
	u64 block, vlenb;
	int error = fdt_reader_number_or(r, node, "riscv,cboz-block-size", 0, &block);

	if (!error)
		error = fdt_reader_number_or(r, node, "riscv,vlenb", 0, &vlenb);
	if (error)
		return error;
	/* Without its block size the instruction cannot be used (extensions.yaml). */
	if ((isa & MACHINE_ISA_ZICBOZ) && (block < 8 || block > PAGE_SIZE || (block & (block - 1))))
		block = 0;
	if (m->hart_count && (block != m->cboz_block || vlenb != m->vlenb))
		block = vlenb = 0;
	if (vlenb > VCPU_VECTOR_BYTES / 32)
		vlenb = 0;
	m->cboz_block = (u32)block;
	m->vlenb = (u32)vlenb;
	return 0;
}

static int id_read(struct fdt_reader *r, int node, u64 *id)
{
	int error = fdt_reader_number(r, node, "reg", id);

	if (error || *id > ~0u)
		return fdt_reader_fail(r, -EINVAL, node, "bad hart id");
	for (u32 i = 0; i < r->m->hart_count; i++)
		if (r->m->hart_ids[i] == *id)
			return fdt_reader_fail(r, -EINVAL, node, "hart id %llu for the second time",
					       (unsigned long long)*id);
	return 0;
}

static int cpu_read(struct fdt_reader *r, int node)
{
	struct machine_record *m = r->m;
	u32 n = m->hart_count, mode = 0;
	struct hart_isa hart = { 0 };
	u64 id = 0;
	int error = id_read(r, node, &id);

	if (!error)
		error = isa_read(r, node, &hart);
	if (!error)
		error = mmu_read(r, node, &mode);
	if (!error)
		error = intc_read(r, node, &r->intc[n]);
	if (!error)
		error = blocks_read(r, node, hart.isa);
	if (error)
		return error;
	m->hart_ids[n] = (u32)id;
	m->isa = n ? m->isa & hart.isa : hart.isa;
	m->satp_mode = n && m->satp_mode < mode ? m->satp_mode : mode;
	m->hart_count = n + 1;
	return 0;
}

static int timebase_read(struct fdt_reader *r, int cpus, int cpu)
{
	u64 *hz = &r->m->timebase;

	/* The binding has it at /cpus, the specification also at each processor. */
	if (fdt_reader_number(r, cpus, "timebase-frequency", hz) &&
	    fdt_reader_number(r, cpu, "timebase-frequency", hz))
		return fdt_reader_fail(r, -EINVAL, cpus, "no timebase-frequency");
	/* Guests are told it in one cell. */
	if (!*hz || *hz > ~0u)
		return fdt_reader_fail(r, -EINVAL, cpus, "timebase-frequency is %llu",
				       (unsigned long long)*hz);
	return 0;
}

int machine_fdt_cpus(struct fdt_reader *r)
{
	int cpus = fdt_path_offset(r->fdt, "/cpus");
	int node, first = -1;

	if (cpus < 0)
		return fdt_reader_fail(r, -EINVAL, cpus, "no /cpus");
	fdt_for_each_subnode(node, r->fdt, cpus)
	{
		const char *type = fdt_reader_string(r, node, "device_type");
		int error;

		if (!type || strcmp(type, "cpu") != 0 || !fdt_reader_is_okay(r, node))
			continue;
		if (r->m->hart_count == MAX_HARTS) {
			fdt_reader_fail(r, 0, node, "left out: more than %u harts", MAX_HARTS);
			break;
		}
		error = cpu_read(r, node);
		if (error)
			return error;
		if (first < 0)
			first = node;
	}
	if (first < 0)
		return fdt_reader_fail(r, -ENODEV, cpus, "no hart is okay");
	if (!r->m->cboz_block)
		r->m->isa &= ~MACHINE_ISA_ZICBOZ;
	if (!(r->m->isa & MACHINE_ISA_ZICBOZ))
		r->m->cboz_block = 0;
	return timebase_read(r, cpus, first);
}
