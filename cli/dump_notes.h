/* The notes in the core file of a dead life. */
#ifndef CLI_DUMP_NOTES_H
#define CLI_DUMP_NOTES_H

#include "cli/dump_region.h"
#include "cli/elf_core.h"

/* All of them, in order. Returns how many harts have a thread. */
u64 dump_notes_put(struct elf_notes *notes, const struct dump_life *life);

#endif
