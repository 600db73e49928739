/*
 * The dirty log of a VM: which of its pages have been written since they were asked about last.
 *
 * While it is on, leaves are read-only until a page is written: then a huge leaf is split and the one page may be written,
 * and is marked. Turning it off removes the translations, and faults fill in huge leaves again.
 *
 * What must hold: a page that a leaf lets be written is marked, or a hart is between gstage_map and dirty_mark for it.
 * So marks are set after the leaf, and fetching takes the mark away before it protects the page: a write in between is
 * seen by this fetch or leaves a mark for the next one. Who writes to guest memory for a device, or lets one, marks
 * afterwards as well, before the guest can see that the device is done.
 */
#ifndef CORE_GSTAGE_DIRTY_H
#define CORE_GSTAGE_DIRTY_H

#include "core/gstage/gstage.h"

/* Bits of pages lie in pages of this life's slot, 32 KiB for each GiB of the guest. All zero: off. */
struct dirty_log {
	u64 from; /* guest physical; page 0 */
	u64 pages;
	u64 **directory[2]; /* of pages with bits */
};

/* One bitmap page stands for so many pages of the guest, one directory page for 512 of these. */
#define DIRTY_CHUNK_PAGES (PAGE_SIZE * 8)

/* Pages of the slot that are left to others. */
#define DIRTY_RESERVE 256u

/*
 * Turns the log on for [from, from + bytes): nothing is marked, and every write from now on will be. Bounded steps.
 * -ENOMEM: too few pages for the bits; -E2BIG: more than 128 GiB; -EALREADY. One call at a time for a VM; any hart may
 * fault meanwhile. Not inside of an operation on the tables.
 */
int dirty_start(struct gstage *g, struct dirty_log *log, gpa_t from, u64 bytes);

/* Turns it off; 0 also if it is off. */
void dirty_stop(struct gstage *g, struct dirty_log *log);

static inline bool dirty_on(const struct gstage *g)
{
	return __atomic_load_n(&g->track, __ATOMIC_SEQ_CST) & GSTAGE_LOGGED;
}

/* [at, at + bytes) has been written, or may be from now on. Nothing if the log is off. Any hart. */
void dirty_mark(struct gstage *g, struct dirty_log *log, gpa_t at, u64 bytes);

/*
 * Fetches the marks of `count` pages from page number `first` on into `bits`, both multiples of 64, takes them away and
 * protects these pages; fences once. Returns the number of marks. As dirty_start.
 */
u64 dirty_fetch(struct gstage *g, struct dirty_log *log, u64 first, u64 count, u64 *bits);

#endif
