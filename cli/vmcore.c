/* What the formats of a VM's dump share: see vmcore.h. */
#include "cli/vmcore.h"
#include "cli/memory.h"
#include <errno.h>
#include <stdlib.h>

static bool ranges_valid(const struct vmcore *v)
{
	u64 last = 0;

	if (!v->range_count || v->range_count > VM_MAX_EXTENTS)
		return false;
	for (u32 i = 0; i < v->range_count; i++) {
		const struct vmcore_range *r = &v->ranges[i];

		/* Guest physical addresses have 56 bits. */
		if (r->at % PAGE_SIZE || r->size % PAGE_SIZE || !r->size || r->at < last || r->at >> 56 ||
		    r->size >> 56)
			return false;
		last = r->at + r->size;
	}
	return true;
}

int vmcore_begin(struct vmcore *v)
{
	if (!ranges_valid(v))
		return -EINVAL;
	v->info = memory_new(1, sizeof(*v->info));
	return v->format == VMCORE_ELF ? vmcore_elf_begin(v) : vmcore_kdump_begin(v);
}

static int zero(struct vmcore *v, u64 at, u64 count, enum ctl_dump_kind kind)
{
	bool is_excluded = v->exclude & VMCORE_NO_ZERO ||
			   (kind == CTL_DUMP_UNTOUCHED && v->exclude & VMCORE_NO_FREE);

	if (kind == CTL_DUMP_UNTOUCHED)
		v->untouched_pages += count;
	else
		v->zero_pages += count;
	if (is_excluded)
		v->excluded_pages += count;
	return v->format == VMCORE_ELF ? vmcore_elf_zero(v, at, count, is_excluded)
				       : vmcore_kdump_zero(v, at, count, is_excluded);
}

int vmcore_pages(struct vmcore *v, u64 at, u64 count, enum ctl_dump_kind kind, const u8 *bytes)
{
	v->pages += count;
	if (!bytes)
		return zero(v, at, count, kind);
	for (u64 i = 0; i < count; i++)
		vmcoreinfo_look(v->info, at + i * PAGE_SIZE, bytes + i * PAGE_SIZE);
	return v->format == VMCORE_ELF ? vmcore_elf_pages(v, at, count, bytes)
				       : vmcore_kdump_pages(v, at, count, bytes);
}

int vmcore_end(struct vmcore *v)
{
	return v->format == VMCORE_ELF ? vmcore_elf_end(v) : vmcore_kdump_end(v);
}

void vmcore_free(struct vmcore *v)
{
	free(v->info);
	free(v->extents);
	free(v->bitmap);
	free(v->list);
	v->info = NULL;
	v->extents = NULL;
	v->bitmap = NULL;
	v->list = NULL;
}

int vmcore_restart(struct vmcore *v)
{
	struct vmcore fresh = { .out = v->out, .format = v->format, .exclude = v->exclude };

	vmcore_free(v);
	*v = fresh;
	return output_size(v->out, 0);
}

/* A note of an NT_PRSTATUS: header, name, struct. */
#define PRSTATUS_NOTE 400u

u64 vmcore_notes_max(size_t vcpus)
{
	return vcpus * PRSTATUS_NOTE + VMCOREINFO_HEADER + VMCOREINFO_MAX;
}

/* crash takes every note of type NT_PRSTATUS, of any name, for the next CPU: these alone have it. */
void vmcore_notes(const struct vmcore *v, struct elf_notes *notes, size_t *info_offset)
{
	for (size_t i = 0; i < v->vcpu_count; i++)
		elf_notes_put_hart(notes, (u32)i + 1, v->vcpus[i].pc, v->vcpus[i].x);
	*info_offset = notes->count + VMCOREINFO_HEADER;
	if (v->info->length)
		elf_notes_put(notes, "VMCOREINFO", 0, v->info->text, v->info->length);
}
