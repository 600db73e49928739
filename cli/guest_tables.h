/*
 * A guest's own page tables (Sv39, Sv48, Sv57), read out of its dumped memory: which kernel virtual addresses mean which guest
 * physical ones. Tables are the guest's choice: the work is bounded whatever they say.
 */
#ifndef CLI_GUEST_TABLES_H
#define CLI_GUEST_TABLES_H

#include "abi/types.h"

#define GUEST_MAPPINGS_MAX 16384
#define GUEST_TABLES_MAX   65536 /* tables that are read */

struct guest_mapping {
	u64 virtual;
	u64 physical;
	u64 size;
};

struct guest_mappings {
	struct guest_mapping *list; /* ascending by virtual address, neighbours merged; free() it */
	size_t count, room;
	bool is_cut; /* there is more than the bounds allow */
};

/* Reads the page at a guest physical address, PAGE_SIZE bytes. False if there is none. */
typedef bool guest_read_page(void *arg, u64 physical, void *to);

/* What to leave out: [start, start + size) if it means `physical` + its offset. */
struct guest_linear {
	u64 start, size, physical;
};

/*
 * Collects the upper half of the address space of a table with so many levels (3, 4, 5) at `root`, but for what `linear` (`count`
 * of them) has already.
 */
void guest_tables_walk(struct guest_mappings *m, unsigned levels, u64 root, const struct guest_linear *linear,
		       size_t count, guest_read_page *read, void *arg);

/* Levels of a value of satp, 0 if translation is off or of an unknown kind; *root is set. */
unsigned guest_tables_root(u64 satp, u64 *root);

#endif
