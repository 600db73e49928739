/*
 * ELF core files of riscv64 in the shape that gdb, crash, drgn and makedumpfile all open: the notes first, program
 * headers right behind the ELF header, segments without alignment.
 */
#ifndef CLI_ELF_CORE_H
#define CLI_ELF_CORE_H

#include "abi/types.h"

struct elf_notes {
	u8 *bytes;
	size_t count;
};

/* Appends one. */
void elf_notes_put(struct elf_notes *n, const char *name, u32 type, const void *bytes, size_t count);

/* NT_PRSTATUS of one hart. `pid` is what debuggers call the thread; x[0] is not used. */
void elf_notes_put_hart(struct elf_notes *n, u32 pid, u64 pc, const u64 x[32]);

void elf_notes_free(struct elf_notes *n);

/* Memory of the core: `size` bytes, of which the first `file_size` are in the file. */
struct elf_segment {
	u64 virtual, physical;
	u64 size, file_size;
	u64 offset;    /* in the file, from elf_core_layout; set by hand to lie on another's bytes */
	bool is_alias; /* it lies on another's bytes: elf_core_layout leaves its offset alone */
	bool is_executable;
};

/* At most so many segments: what a program header count can say. */
#define ELF_SEGMENTS_MAX 65000u

/*
 * Gives each segment its place behind headers and notes, in order, on a page. Returns the size of the file.
 */
u64 elf_core_layout(const struct elf_notes *notes, struct elf_segment *segments, size_t count);

/* All that comes before the first segment's bytes; free() it. *bytes: how much. */
u8 *elf_core_head(const struct elf_notes *notes, const struct elf_segment *segments, size_t count,
		  size_t *bytes);

#endif
