/* ELF core files: see elf_core.h. */
#include "cli/elf_core.h"
#include "cli/memory.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* struct elf_prstatus of riscv64 Linux: in words of 8 bytes what matters is the process id and the registers. */
#define PRSTATUS_BYTES 376
#define PRSTATUS_PID   32
#define PRSTATUS_REGS  112

void elf_notes_put(struct elf_notes *n, const char *name, u32 type, const void *bytes, size_t count)
{
	Elf64_Nhdr h = { .n_namesz = (u32)strlen(name) + 1, .n_descsz = (u32)count, .n_type = type };
	size_t name_room = ALIGN_UP((size_t)h.n_namesz, (size_t)4), room = ALIGN_UP(count, (size_t)4);
	u8 *to;

	n->bytes = memory_resize(n->bytes, n->count + sizeof(h) + name_room + room, 1);
	to = n->bytes + n->count;
	memset(to, 0, sizeof(h) + name_room + room);
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), name, h.n_namesz);
	if (count)
		memcpy(to + sizeof(h) + name_room, bytes, count);
	n->count += sizeof(h) + name_room + room;
}

void elf_notes_put_hart(struct elf_notes *n, u32 pid, u64 pc, const u64 x[32])
{
	u8 status[PRSTATUS_BYTES] = { 0 };

	memcpy(status + PRSTATUS_PID, &pid, sizeof(pid));
	memcpy(status + PRSTATUS_REGS, &pc, sizeof(pc));
	memcpy(status + PRSTATUS_REGS + sizeof(pc), x + 1, 31 * sizeof(*x));
	elf_notes_put(n, "CORE", NT_PRSTATUS, status, sizeof(status));
}

void elf_notes_free(struct elf_notes *n)
{
	free(n->bytes);
	*n = (struct elf_notes){ 0 };
}

static u64 head_bytes(const struct elf_notes *notes, size_t count)
{
	return sizeof(Elf64_Ehdr) + (count + 1) * sizeof(Elf64_Phdr) + notes->count;
}

u64 elf_core_layout(const struct elf_notes *notes, struct elf_segment *segments, size_t count)
{
	u64 end = ALIGN_UP(head_bytes(notes, count), PAGE_SIZE);

	for (size_t i = 0; i < count; i++) {
		if (segments[i].is_alias)
			continue;
		segments[i].offset = end;
		end += ALIGN_UP(segments[i].file_size, PAGE_SIZE);
	}
	return end;
}

u8 *elf_core_head(const struct elf_notes *notes, const struct elf_segment *segments, size_t count,
		  size_t *bytes)
{
	const Elf64_Ehdr file = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_RISCV,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(file),
		.e_ehsize = sizeof(file),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (u16)(count + 1),
	};
	size_t notes_at = sizeof(file) + (count + 1) * sizeof(Elf64_Phdr);
	const Elf64_Phdr note = { .p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = notes->count };
	u8 *head, *to;

	*bytes = head_bytes(notes, count);
	head = memory_new(*bytes, 1);
	memcpy(head, &file, sizeof(file));
	to = head + sizeof(file);
	memcpy(to, &note, sizeof(note));
	for (size_t i = 0; i < count; i++) {
		const struct elf_segment *s = &segments[i];
		const Elf64_Phdr load = {
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_W | (s->is_executable ? PF_X : 0u),
			.p_offset = s->offset,
			.p_vaddr = s->virtual,
			.p_paddr = s->physical,
			.p_filesz = s->file_size,
			.p_memsz = s->size,
		};

		to += sizeof(load);
		memcpy(to, &load, sizeof(load));
	}
	if (notes->count)
		memcpy(head + notes_at, notes->bytes, notes->count);
	return head;
}
