/*
 * A file with the memory and the vCPUs of a VM, in a format that debuggers for Linux open:
 *
 *   vmcore.c         memory as it comes, page by page; what both formats need
 *   vmcore_elf.c     an ELF64 core
 *   vmcore_kdump.c   kdump-compressed, version 6, not flattened
 *
 * Calls in this order: vmcore_begin, vmcore_pages in ascending order for all of the ranges, vmcore_end, vmcore_free. They return 0,
 * or a negative errno: what is wrong with the file has been printed (cli/output_file.h).
 */
#ifndef CLI_VMCORE_H
#define CLI_VMCORE_H

#include "abi/control.h"
#include "cli/elf_core.h"
#include "cli/output_file.h"
#include "cli/vmcoreinfo.h"

enum vmcore_format { VMCORE_ELF, VMCORE_KDUMP };

/* What to leave out. */
#define VMCORE_NO_ZERO (1u << 0) /* pages that are all zero; the next is among them */
#define VMCORE_NO_FREE (1u << 1) /* pages that the guest has never used */

struct vmcore_range {
	u64 at, size;
};

/* ELF: pages that lie in the file one behind the other. */
struct vmcore_extent {
	u64 at;	    /* guest physical */
	u64 size;   /* bytes */
	u64 offset; /* in the file */
};

/* kdump: where a page is. */
struct kdump_page {
	u64 offset;
	u32 size;
	u32 flags;
	u64 page_flags;
};

struct vmcore {
	struct output_file *out;
	enum vmcore_format format;
	u32 exclude;
	struct vmcore_range ranges[VM_MAX_EXTENTS]; /* ascending */
	u32 range_count;
	struct ctl_dump_vcpu *vcpus;
	size_t vcpu_count;
	struct vmcoreinfo *info;

	u64 pages, zero_pages, untouched_pages,
		excluded_pages; /* the first: all; `untouched` are not `zero` */
	u64 mappings;		/* ELF: of the guest's page tables */
	bool is_cut;		/* ELF: the guest has more mappings than fit */

	u64 end; /* of the file, so far */
	/* ELF */
	struct vmcore_extent *extents;
	size_t extent_count, extent_room;
	u64 gap_at, gap; /* pages to be left out, not decided on yet: where, bytes */
	/* kdump */
	u8 *bitmap; /* of the pages that are in the file */
	u64 bitmap_size;
	u64 descriptors; /* offset */
	struct kdump_page *list;
	size_t list_count, list_room;
	struct kdump_page zero; /* the one that all zero pages share; size 0: none yet */
};

/*
 * Begins a file that is empty. The caller has set out, format, exclude, ranges and vCPUs. -EINVAL if the ranges overlap, are not
 * ascending, or not of whole pages; -EFBIG if the format has no room for them. Nothing is printed of these.
 */
int vmcore_begin(struct vmcore *v);

/* `count` pages at a guest physical address. `bytes` are theirs, NULL for CTL_DUMP_ZERO and CTL_DUMP_UNTOUCHED. */
int vmcore_pages(struct vmcore *v, u64 at, u64 count, enum ctl_dump_kind kind, const u8 *bytes);

int vmcore_end(struct vmcore *v);

void vmcore_free(struct vmcore *v);

/* Forgets what has come, for another beginning. The file is cut to nothing. */
int vmcore_restart(struct vmcore *v);

/* ---- For the formats ---- */

/* The ELF notes: an NT_PRSTATUS for each vCPU, then VMCOREINFO if the guest has it, whose text begins at *info_offset. */
void vmcore_notes(const struct vmcore *v, struct elf_notes *notes, size_t *info_offset);

/* Bytes that the notes of so many vCPUs need at most. */
u64 vmcore_notes_max(size_t vcpus);

int vmcore_elf_begin(struct vmcore *v);
int vmcore_elf_pages(struct vmcore *v, u64 at, u64 count, const u8 *bytes);
int vmcore_elf_end(struct vmcore *v);
/* Pages without bytes: to be left out, or all zero. */
int vmcore_elf_zero(struct vmcore *v, u64 at, u64 count, bool is_excluded);

int vmcore_kdump_begin(struct vmcore *v);
int vmcore_kdump_pages(struct vmcore *v, u64 at, u64 count, const u8 *bytes);
int vmcore_kdump_zero(struct vmcore *v, u64 at, u64 count, bool is_excluded);
int vmcore_kdump_end(struct vmcore *v);

#endif
