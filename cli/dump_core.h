/*
 * A dead life as an ELF core file: its slot and the estate at the addresses that they had, a thread for each hart, and
 * notes that tell what a debugger cannot know.
 */
#ifndef CLI_DUMP_CORE_H
#define CLI_DUMP_CORE_H

#include "cli/dump_region.h"
#include "cli/output_file.h"

/* Type of our note, name "OUTLIVE": text, KEY=value lines as docs/crash.md says. */
#define DUMP_CORE_NOTE	    "OUTLIVE"
#define DUMP_CORE_NOTE_TYPE 1

struct dump_core_summary {
	u64 bytes;  /* of the file */
	u64 stored; /* of it that are no holes */
	u64 harts;  /* that have a thread */
};

/* Writes it. 0 or a negative errno, which output_write has printed. */
int dump_core_write(const struct dump_life *life, struct output_file *f, struct dump_core_summary *summary);

#endif
