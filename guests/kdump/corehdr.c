/* See corehdr.h. */
#include "guests/kdump/corehdr.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Newer than some C libraries that this is built with. */
#ifndef EM_RISCV
#define EM_RISCV 243
#endif

static bool is_core(const Elf64_Ehdr *e)
{
	return !memcmp(e->e_ident, ELFMAG, SELFMAG) && e->e_ident[EI_CLASS] == ELFCLASS64 &&
	       e->e_ident[EI_DATA] == ELFDATA2LSB && e->e_machine == EM_RISCV &&
	       e->e_phentsize == sizeof(Elf64_Phdr) && e->e_phoff <= PAGE_SIZE && e->e_phnum;
}

u64 corehdr_kcore_size(const struct blob *start)
{
	Elf64_Ehdr e;

	if (start->size < sizeof(e))
		return 0;
	memcpy(&e, start->data, sizeof(e));
	return is_core(&e) ? e.e_phoff + (u64)e.e_phnum * sizeof(Elf64_Phdr) : 0;
}

int corehdr_kernel_maps(const struct blob *kcore, struct ranges *maps, u32 *flags)
{
	u64 size = corehdr_kcore_size(kcore);
	Elf64_Ehdr e;
	int error = 0;

	*maps = (struct ranges){ 0 };
	if (!size || size > kcore->size)
		return -EINVAL;
	memcpy(&e, kcore->data, sizeof(e));
	*flags = e.e_flags;

	for (unsigned i = 0; i < e.e_phnum && !error; i++) {
		Elf64_Phdr p;

		memcpy(&p, kcore->data + e.e_phoff + i * sizeof(p), sizeof(p));
		/* What has no one physical address, as vmalloc's, says so with all bits set. */
		if (p.p_type == PT_LOAD && p.p_paddr != ~0ull)
			error = ranges_add(maps, p.p_paddr, p.p_memsz, p.p_vaddr);
	}
	return error;
}

struct blob corehdr_make(const struct ranges *notes, const struct ranges *ram, u32 flags)
{
	unsigned count = notes->count + ram->count;
	struct blob out = { .size = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr) };
	Elf64_Ehdr e = { .e_type = ET_CORE,
			 .e_machine = EM_RISCV,
			 .e_version = EV_CURRENT,
			 .e_phoff = sizeof(e),
			 .e_flags = flags,
			 .e_ehsize = sizeof(e),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = (Elf64_Half)count };
	u8 *at;

	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	e.e_ident[EI_DATA] = ELFDATA2LSB;
	e.e_ident[EI_VERSION] = EV_CURRENT;

	at = out.data = malloc(out.size);
	if (!at)
		return (struct blob){ 0 };
	memcpy(at, &e, sizeof(e));
	at += sizeof(e);
	for (unsigned i = 0; i < count; i++, at += sizeof(Elf64_Phdr)) {
		bool is_note = i < notes->count;
		struct range r = is_note ? notes->range[i] : ram->range[i - notes->count];
		Elf64_Phdr p = { .p_type = is_note ? PT_NOTE : PT_LOAD,
				 .p_flags = is_note ? 0 : PF_R | PF_W | PF_X,
				 .p_offset = r.base,
				 .p_vaddr = is_note ? 0 : r.map,
				 .p_paddr = r.base,
				 .p_filesz = r.size,
				 .p_memsz = r.size };

		memcpy(at, &p, sizeof(p));
	}
	return out;
}
