/*
 * ELF kernels: 64-bit RISC-V, executable or position-independent, by the physical addresses of their segments
 * (System V ABI, "ELF Header" and "Program Header"; RISC-V ELF psABI).
 */
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/vm/load_plan.h"

struct elf_header {
	u8 ident[16];
	u16 type;
	u16 machine;
	u32 version;
	u64 entry;
	u64 phoff;
	u64 shoff;
	u32 flags;
	u16 ehsize;
	u16 phentsize;
	u16 phnum;
	u16 shentsize;
	u16 shnum;
	u16 shstrndx;
};

struct elf_segment {
	u32 type;
	u32 flags;
	u64 offset;
	u64 vaddr;
	u64 paddr;
	u64 filesz;
	u64 memsz;
	u64 align;
};

_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56, "ELF64 layout");

#define ELF_CLASS	  4 /* index in ident */
#define ELF_DATA	  5
#define ELF_CLASS_64	  2
#define ELF_DATA_LITTLE	  1
#define ELF_EXECUTABLE	  2
#define ELF_SHARED	  3
#define ELF_MACHINE_RISCV 243
#define ELF_SEGMENT_LOAD  1
#define ELF_PHNUM_ESCAPE  0xffff

bool load_elf_is(const struct load_request *q)
{
	return q->kernel_size >= 4 && !memcmp(q->kernel, "\177ELF", 4);
}

static int header_check(const struct load_request *q, struct load_plan *plan, const struct elf_header *h)
{
	if (h->ident[ELF_CLASS] != ELF_CLASS_64 || h->ident[ELF_DATA] != ELF_DATA_LITTLE)
		return load_plan_fail(plan, -EINVAL, "ELF kernel is not 64-bit little-endian");
	if (h->machine != ELF_MACHINE_RISCV)
		return load_plan_fail(plan, -EINVAL, "ELF kernel is not for RISC-V but for machine %u",
				      h->machine);
	if (h->type != ELF_EXECUTABLE && h->type != ELF_SHARED)
		return load_plan_fail(plan, -EINVAL, "ELF file is no executable (type %u)", h->type);
	if (h->phentsize != sizeof(struct elf_segment) || !h->phnum || h->phnum == ELF_PHNUM_ESCAPE)
		return load_plan_fail(plan, -EINVAL, "ELF kernel has no program headers that can be read");
	if (!range_inside(h->phoff, (u64)h->phnum * sizeof(struct elf_segment), 0, q->kernel_size))
		return load_plan_fail(plan, -EINVAL, "ELF kernel is truncated: program headers are missing");
	return 0;
}

/*
 * Physical address of the entry: e_entry is virtual where the two differ. Linux's vmlinux, for one, is linked high and
 * says so in p_vaddr only.
 */
static u64 entry_of(const struct elf_header *h, const struct elf_segment *s, u64 found)
{
	if (range_inside(h->entry, 1, s->vaddr, s->memsz))
		return h->entry - s->vaddr + s->paddr;
	if (!found && range_inside(h->entry, 1, s->paddr, s->memsz))
		return h->entry;
	return found;
}

int load_elf_plan(const struct load_request *q, struct load_plan *plan)
{
	const u8 *bytes = q->kernel;
	struct elf_header h;
	int error;

	plan->kind = "ELF";
	if (q->kernel_size < sizeof(h))
		return load_plan_fail(plan, -EINVAL, "ELF kernel is truncated: no header");
	memcpy(&h, bytes, sizeof(h));
	error = header_check(q, plan, &h);
	for (u64 i = 0; !error && i < h.phnum; i++) {
		struct elf_segment s;

		memcpy(&s, bytes + h.phoff + i * sizeof(s), sizeof(s));
		if (s.type != ELF_SEGMENT_LOAD || !s.memsz)
			continue;
		if (s.filesz > s.memsz)
			return load_plan_fail(plan, -EINVAL,
					      "ELF kernel: segment %u is larger in the file than in memory",
					      (unsigned)i);
		plan->entry = entry_of(&h, &s, plan->entry);
		error = load_plan_add(
			q, plan,
			&(struct load_part){
				.offset = s.offset, .file = s.filesz, .memory = s.memsz, .to = s.paddr });
	}
	if (error)
		return error;
	if (!plan->parts)
		return load_plan_fail(plan, -EINVAL, "ELF kernel has nothing to load");
	if (!plan->entry)
		return load_plan_fail(plan, -EINVAL, "ELF kernel: entry %llx is in no segment",
				      (unsigned long long)h.entry);
	return 0;
}
