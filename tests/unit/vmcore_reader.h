/* Reads dumps of VMs the way debuggers do, from the formats' descriptions and with nothing of cli/vmcore*.h. */
#ifndef TESTS_UNIT_VMCORE_READER_H
#define TESTS_UNIT_VMCORE_READER_H

#include "abi/types.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* A whole file in memory. */
struct reader {
	const u8 *bytes;
	u64 size;
};

static inline bool reader_get(const struct reader *r, u64 at, void *to, u64 count)
{
	if (at > r->size || count > r->size - at)
		return false;
	memcpy(to, r->bytes + at, count);
	return true;
}

static inline u64 reader_u64(const struct reader *r, u64 at)
{
	u64 value = 0;

	return reader_get(r, at, &value, sizeof(value)) ? value : ~0ull;
}

static inline u32 reader_u32(const struct reader *r, u64 at)
{
	u32 value = 0;

	return reader_get(r, at, &value, sizeof(value)) ? value : ~0u;
}

/* ---- ELF ---- */

static inline u32 elf_count(const struct reader *r)
{
	u16 count = 0;

	return reader_get(r, 56, &count, sizeof(count)) ? count : 0;
}

static inline Elf64_Phdr elf_segment(const struct reader *r, u32 n)
{
	Elf64_Phdr p = { 0 };

	reader_get(r, 64 + n * sizeof(p), &p, sizeof(p));
	return p;
}

/* A page at a virtual address, or with `is_physical` a physical one. False if no segment has it. */
static inline bool elf_page(const struct reader *r, u64 at, bool is_physical, u8 *to)
{
	for (u32 i = 1; i < elf_count(r); i++) {
		Elf64_Phdr p = elf_segment(r, i);
		u64 start = is_physical ? p.p_paddr : p.p_vaddr;
		u64 offset = at - start, got = 0;

		if (p.p_type != PT_LOAD || at < start || offset >= p.p_memsz)
			continue;
		memset(to, 0, PAGE_SIZE);
		if (offset < p.p_filesz)
			got = p.p_filesz - offset < PAGE_SIZE ? p.p_filesz - offset : PAGE_SIZE;
		return !got || reader_get(r, p.p_offset + offset, to, got);
	}
	return false;
}

/* The n-th note with that name and type; its text. NULL if there is none. */
static inline const u8 *elf_note(const struct reader *r, u64 at, u64 size, const char *name, u32 type, u32 n,
				 u64 *length)
{
	u64 end = at + size;

	while (at + 12 <= end && end <= r->size) {
		u32 names = reader_u32(r, at), bytes = reader_u32(r, at + 4);
		u64 text = at + 12 + ALIGN_UP((u64)names, 4ull);

		if (text + bytes > end)
			return NULL;
		if (reader_u32(r, at + 8) == type && names == strlen(name) + 1 &&
		    memcmp(r->bytes + at + 12, name, names) == 0 && n-- == 0) {
			*length = bytes;
			return r->bytes + text;
		}
		at = text + ALIGN_UP((u64)bytes, 4ull);
	}
	return NULL;
}

/* ---- kdump-compressed ---- */

enum kdump_found { KDUMP_NONE, KDUMP_EXCLUDED, KDUMP_HERE, KDUMP_BAD };

static inline bool kdump_bit(const struct reader *r, u64 bitmap, u64 pfn)
{
	u8 byte = 0;

	return reader_get(r, bitmap + pfn / 8, &byte, 1) && byte >> pfn % 8 & 1;
}

static inline enum kdump_found kdump_page(const struct reader *r, u64 at, u8 *to)
{
	u64 block = reader_u32(r, 428), blocks = reader_u32(r, 436);
	u64 first = block * (1 + reader_u32(r, 432)), second = first + blocks / 2 * block;
	u64 descriptor = first + blocks * block, offset;
	u64 pfn = at / PAGE_SIZE;
	uLongf size = PAGE_SIZE;

	if (pfn >= reader_u64(r, 4096 + 96) || !kdump_bit(r, first, pfn))
		return KDUMP_NONE;
	if (!kdump_bit(r, second, pfn))
		return KDUMP_EXCLUDED;
	for (u64 n = 0; n < pfn / 64; n++)
		descriptor += 24 * (u64)__builtin_popcountll(reader_u64(r, second + n * 8));
	for (u64 n = ALIGN_DOWN(pfn, 64ull); n < pfn; n++)
		descriptor += kdump_bit(r, second, n) ? 24 : 0;
	offset = reader_u64(r, descriptor);
	if (reader_u32(r, descriptor + 12) == 0)
		return reader_get(r, offset, to, PAGE_SIZE) ? KDUMP_HERE : KDUMP_BAD;
	if (reader_u32(r, descriptor + 12) != 1 || offset > r->size ||
	    reader_u32(r, descriptor + 8) > r->size - offset)
		return KDUMP_BAD;
	return uncompress(to, &size, r->bytes + offset, reader_u32(r, descriptor + 8)) == Z_OK &&
			       size == PAGE_SIZE
		       ? KDUMP_HERE
		       : KDUMP_BAD;
}

#endif
