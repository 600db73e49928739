/*
 * A VM's dump in makedumpfile's kdump-compressed format, version 6, for crash and drgn. Blocks of 4 KiB:
 *
 *   0                  header
 *   1                  sub-header
 *   2                  the notes: room for them, of whole blocks; they count as the sub-header's
 *   behind them        a bitmap of the page frames that exist, then one of those that are in the file
 *   `descriptors`      for each page in the file, ascending: where it is; room for all pages is reserved
 *   behind that        pages, each compressed by itself by zlib, or as it is if that does not help
 */
#include "cli/memory.h"
#include "cli/vmcore.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define BLOCK		PAGE_SIZE
#define KDUMP_VERSION	6
#define KDUMP_ZLIB	0x1u /* header: pages may be compressed so; descriptor: this one is */
#define DUMP_LEVEL_ZERO 0x1u
/* The fastest level: memory compresses nearly as well, several times as fast. */
#define ZLIB_LEVEL 1

#define UTSNAME 65

struct kdump_header {
	char signature[8];
	s32 version;
	/* struct new_utsname */
	char sysname[UTSNAME], nodename[UTSNAME], release[UTSNAME], build[UTSNAME], machine[UTSNAME],
		domainname[UTSNAME];
	u8 padding[6];
	u64 seconds, microseconds;
	u32 status;
	s32 block_size;
	s32 sub_blocks;
	u32 bitmap_blocks; /* of both */
	u32 max_pfn;	   /* one more than the highest, cut to 32 bits */
	u32 total_blocks, device_blocks, written_blocks, current_cpu;
	s32 cpus;
};
_Static_assert(offsetof(struct kdump_header, block_size) == 428 && sizeof(struct kdump_header) == 464,
	       "struct disk_dump_header, 64 bits");

struct kdump_sub_header {
	u64 phys_base;
	s32 dump_level;
	s32 split;
	u64 start_pfn, end_pfn;
	u64 info_offset, info_size; /* VMCOREINFO */
	u64 note_offset, note_size;
	u64 erase_offset, erase_size;
	u64 start_pfn_64, end_pfn_64, max_pfn_64;
};
_Static_assert(sizeof(struct kdump_sub_header) == 104, "struct kdump_sub_header, 64 bits");
_Static_assert(sizeof(struct kdump_page) == 24, "page_desc_t, 64 bits");

static u64 max_pfn(const struct vmcore *v)
{
	const struct vmcore_range *last = &v->ranges[v->range_count - 1];

	return (last->at + last->size) / PAGE_SIZE;
}

static u64 notes_room(const struct vmcore *v)
{
	return ALIGN_UP(vmcore_notes_max(v->vcpu_count), BLOCK);
}

int vmcore_kdump_begin(struct vmcore *v)
{
	u64 pages = 0;

	for (u32 i = 0; i < v->range_count; i++)
		pages += v->ranges[i].size / PAGE_SIZE;
	/* The bitmaps cover all below the highest page: not for a guest at the end of a large address space. */
	if (max_pfn(v) > 1ull << 32)
		return -EFBIG;
	v->bitmap_size = ALIGN_UP((max_pfn(v) + 7) / 8, BLOCK);
	v->bitmap = memory_new(1, v->bitmap_size);
	v->descriptors = 2 * BLOCK + notes_room(v) + 2 * v->bitmap_size;
	v->end = v->descriptors + pages * sizeof(struct kdump_page);
	return 0;
}

static void set_bits(u8 *bitmap, u64 from, u64 count)
{
	for (u64 pfn = from; pfn < from + count; pfn++)
		bitmap[pfn / 8] |= (u8)(1u << pfn % 8);
}

static void list_page(struct vmcore *v, u64 at, const struct kdump_page *page)
{
	if (v->list_count == v->list_room) {
		v->list_room = v->list_room ? v->list_room * 2 : 1024;
		v->list = memory_resize(v->list, v->list_room, sizeof(*v->list));
	}
	v->list[v->list_count++] = *page;
	set_bits(v->bitmap, at / PAGE_SIZE, 1);
}

/* Writes one page and describes it. */
static int put_page(struct vmcore *v, const u8 *bytes, struct kdump_page *page)
{
	u8 packed[2 * PAGE_SIZE];
	uLongf size = sizeof(packed);
	bool helps = compress2(packed, &size, bytes, PAGE_SIZE, ZLIB_LEVEL) == Z_OK && size < PAGE_SIZE;

	*page = (struct kdump_page){ .offset = v->end,
				     .size = helps ? (u32)size : (u32)PAGE_SIZE,
				     .flags = helps ? KDUMP_ZLIB : 0 };
	v->end += page->size;
	return output_write(v->out, page->offset, helps ? packed : bytes, page->size);
}

int vmcore_kdump_pages(struct vmcore *v, u64 at, u64 count, const u8 *bytes)
{
	for (u64 i = 0; i < count; i++) {
		struct kdump_page page;
		int error = put_page(v, bytes + i * PAGE_SIZE, &page);

		if (error)
			return error;
		list_page(v, at + i * PAGE_SIZE, &page);
	}
	return 0;
}

int vmcore_kdump_zero(struct vmcore *v, u64 at, u64 count, bool is_excluded)
{
	static const u8 nothing[PAGE_SIZE];
	int error = 0;

	if (is_excluded)
		return 0;
	if (!v->zero.size)
		error = put_page(v, nothing, &v->zero);
	for (u64 i = 0; i < count && !error; i++)
		list_page(v, at + i * PAGE_SIZE, &v->zero);
	return error;
}

/* ---- What the guest calls itself ---- */

/* Reads a page back. False if it is not in the file. */
static bool read_page(const struct vmcore *v, u64 at, u8 *to)
{
	u64 pfn = at / PAGE_SIZE, rank = 0;
	u8 packed[PAGE_SIZE];
	uLongf size = PAGE_SIZE;
	const struct kdump_page *page;

	if (pfn >= max_pfn(v) || !(v->bitmap[pfn / 8] >> pfn % 8 & 1))
		return false;
	for (u64 byte = 0; byte < pfn / 8; byte++)
		rank += (u64)__builtin_popcount(v->bitmap[byte]);
	rank += (u64)__builtin_popcount(v->bitmap[pfn / 8] & ((1u << pfn % 8) - 1));
	page = &v->list[rank];
	if (pread(v->out->fd, packed, page->size, (off_t)page->offset) != (ssize_t)page->size)
		return false;
	if (!(page->flags & KDUMP_ZLIB)) {
		memcpy(to, packed, PAGE_SIZE);
		return true;
	}
	return uncompress(to, &size, packed, page->size) == Z_OK && size == PAGE_SIZE;
}

/* The fields of a struct new_utsname, 65 bytes each, from where VMCOREINFO says that the kernel's is. */
static bool read_utsname(const struct vmcore *v, char *to, size_t size)
{
	u64 symbol, name, offset, at;
	u8 pages[2 * PAGE_SIZE];

	if (!vmcoreinfo_symbol(v->info, "init_uts_ns", &symbol) ||
	    !vmcoreinfo_number(v->info, "OFFSET(uts_namespace.name)", &name) ||
	    !vmcoreinfo_number(v->info, "NUMBER(va_kernel_pa_offset)", &offset))
		return false;
	at = symbol + name - offset;
	if (!read_page(v, at, pages) ||
	    (at % PAGE_SIZE + size > PAGE_SIZE && !read_page(v, at + PAGE_SIZE, pages + PAGE_SIZE)))
		return false;
	memcpy(to, pages + at % PAGE_SIZE, size);
	return true;
}

static void copy_name(char *to, const char *from)
{
	memset(to, 0, UTSNAME);
	memcpy(to, from, strnlen(from, UTSNAME - 1));
}

/* libkdumpfile takes a header without release or version for none. */
static void name_guest(const struct vmcore *v, struct kdump_header *h)
{
	char names[6][UTSNAME];

	if (read_utsname(v, names[0], sizeof(names))) {
		copy_name(h->nodename, names[1]);
		copy_name(h->build, names[3]);
		copy_name(h->domainname, names[5]);
	}
	vmcoreinfo_text(v->info, "OSRELEASE", h->release, sizeof(h->release));
	if (!*h->release)
		copy_name(h->release, "unknown");
	if (!*h->build)
		copy_name(h->build, "unknown");
}

static struct kdump_header make_header(const struct vmcore *v)
{
	struct kdump_header h = { .signature = { 'K', 'D', 'U', 'M', 'P', ' ', ' ', ' ' },
				  .version = KDUMP_VERSION,
				  .sysname = "Linux",
				  .machine = "riscv64",
				  .seconds = (u64)time(NULL),
				  .status = KDUMP_ZLIB,
				  .block_size = BLOCK,
				  .sub_blocks = (s32)(1 + notes_room(v) / BLOCK),
				  .bitmap_blocks = (u32)(2 * v->bitmap_size / BLOCK),
				  .max_pfn = max_pfn(v) > UINT32_MAX ? UINT32_MAX : (u32)max_pfn(v),
				  .cpus = (s32)v->vcpu_count };

	name_guest(v, &h);
	return h;
}

static struct kdump_sub_header make_sub_header(const struct vmcore *v, size_t notes_size, size_t info_offset)
{
	struct kdump_sub_header s = { .dump_level = v->exclude & VMCORE_NO_ZERO ? DUMP_LEVEL_ZERO : 0,
				      .note_offset = 2 * BLOCK,
				      .note_size = notes_size,
				      .max_pfn_64 = max_pfn(v) };

	/* Where makedumpfile takes the linear map to begin. */
	if (!vmcoreinfo_number(v->info, "NUMBER(phys_ram_base)", &s.phys_base))
		s.phys_base = 0;
	if (v->info->length) {
		s.info_offset = s.note_offset + info_offset;
		s.info_size = v->info->length;
	}
	return s;
}

static int write_bitmaps(struct vmcore *v)
{
	u8 *exist = memory_new(1, v->bitmap_size);
	u64 at = 2 * BLOCK + notes_room(v);
	int error;

	for (u32 i = 0; i < v->range_count; i++)
		set_bits(exist, v->ranges[i].at / PAGE_SIZE, v->ranges[i].size / PAGE_SIZE);
	error = output_write(v->out, at, exist, v->bitmap_size);
	free(exist);
	return error ? error : output_write(v->out, at + v->bitmap_size, v->bitmap, v->bitmap_size);
}

int vmcore_kdump_end(struct vmcore *v)
{
	struct kdump_header header = make_header(v);
	struct kdump_sub_header sub;
	struct elf_notes notes = { 0 };
	size_t info_offset;
	int error;

	vmcore_notes(v, &notes, &info_offset);
	sub = make_sub_header(v, notes.count, info_offset);
	error = output_write(v->out, 0, &header, sizeof(header));
	if (!error)
		error = output_write(v->out, BLOCK, &sub, sizeof(sub));
	if (!error)
		error = output_write(v->out, sub.note_offset, notes.bytes, notes.count);
	if (!error)
		error = write_bitmaps(v);
	if (!error)
		error = output_write(v->out, v->descriptors, v->list, v->list_count * sizeof(*v->list));
	if (!error)
		error = output_size(v->out, v->end);
	elf_notes_free(&notes);
	return error;
}
