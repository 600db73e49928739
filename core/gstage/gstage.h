/*
 * G-stage tables: a guest's physical addresses to the host's. A cache of the backing map, filled by faults.
 *
 * Parallel: faults walk and install without a lock; an entry changes by compare-and-swap. A change of several steps
 * (removing a table, collapsing one) first makes the entry FROZEN; who meets FROZEN tries again. Removed tables are
 * freed only after every hart has left the operation in which it may have met them, stricter entries are fenced on every
 * hart that may hold them before the caller goes on.
 */
#ifndef CORE_GSTAGE_GSTAGE_H
#define CORE_GSTAGE_GSTAGE_H

#include "abi/types.h"
#include "core/lib/lock.h"

#define GSTAGE_LEVELS_MAX 5

/* Format of the tables: levels as data. Filled by gstage_format_* below. */
struct gstage_format {
	unsigned levels;    /* 3, 4, 5 for Sv39x4, Sv48x4, Sv57x4 */
	unsigned root_bits; /* index bits of the root: 11 */
	unsigned mode;	    /* hgatp.MODE: 8, 9, 10 */
};

/* The smallest format that covers guest physical addresses below `limit`; NULL if none does. */
const struct gstage_format *gstage_format_for(u64 limit);

/*
 * What changes in tables that somebody else has a copy of: the warden, of a confidential VM. An accessed or dirty bit, or a
 * right, of an entry that is present is no change that it is told of; such tables have leaves with all rights only.
 */
enum gstage_change {
	GSTAGE_LINK,	 /* an empty entry of level 1 or above leads to an empty table */
	GSTAGE_SET,	 /* an empty entry becomes a leaf to `host` */
	GSTAGE_CLEAR,	 /* a leaf goes */
	GSTAGE_RECLAIM,	 /* a table without entries goes */
	GSTAGE_SPLIT,	 /* a leaf becomes a table of leaves that say the same */
	GSTAGE_COLLAPSE, /* and back */
};

struct gstage;

/*
 * Is asked for each change of a present entry, before it is made: of the entry of `level` over `at` (aligned to what it
 * covers), which is FROZEN meanwhile, and so is what lies below it. Not 0, an errno but -EAGAIN: refused, the entry goes back to
 * what it was, and the operation returns that. Several harts at once, for different entries. Within an operation (epoch.c), so it must not call any.
 */
typedef int gstage_hook(struct gstage *g, enum gstage_change change, gpa_t at, unsigned level, hpa_t host);

struct gstage {
	const struct gstage_format *format;
	u64 *root; /* 16 KiB, 16 KiB-aligned */
	unsigned vmid;
	u64 check;	/* of root and vmid: gstage_intact */
	u64 harts;	/* atomic: bit n, hart n may hold translations of this VM */
	u64 generation; /* atomic: counts fences; tests use it */
	u64 tables;	/* atomic: pages in use, root not counted */
	u64 track; /* atomic: GSTAGE_LOGGED, GSTAGE_SAVED: who must have been told before a page may be written */
	/*
	 * NULL: a hart uses these tables. Otherwise none does, nothing here fences, and the hook is asked for each change. Set right
	 * after gstage_create.
	 */
	gstage_hook *hook;
};

#define GSTAGE_READ  1u
#define GSTAGE_WRITE 2u
#define GSTAGE_EXEC  4u
#define GSTAGE_ALL   7u

/*
 * What a caller of gstage_map says of the write right that it asks for. While the tables are tracked (`track`) a leaf gets
 * the right only if the caller says all that is asked for.
 */
#define GSTAGE_LOGGED 8u  /* it calls dirty_mark (dirty.h) afterwards, before the guest runs */
#define GSTAGE_SAVED  16u /* a snapshot (core/dump/snapshot.h) has what it needs of what the leaf covers */

/* -ENOMEM. */
int gstage_create(struct gstage *g, const struct gstage_format *format, unsigned vmid);

/* True unless something has changed where the tables are, or whose. */
static inline bool gstage_intact(const struct gstage *g)
{
	return g->check == ~((u64)(uintptr_t)g->root ^ g->vmid);
}

/* Frees everything. No hart may use the tables any more. */
void gstage_destroy(struct gstage *g);

/*
 * Installs a translation for the fault at `at`: a leaf of level `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB) from the
 * aligned-down `at` to `host` (aligned alike) with `rights`. A fault that finds its entry filled meanwhile with at
 * least these rights is spurious: 0. Where a table with smaller leaves is in the way, the leaf of the largest level
 * that fits is installed instead, at the right offset. A huge leaf without the right to write never gains it: it is
 * split, and only the 4 KiB at `at` become writable. -ENOMEM: no page for a table (nothing changed but empty tables, or
 * a leaf split); -EEXIST: another translation stands there; -EFAULT: beyond what the format reaches. Any number of harts
 * at once. A spurious fault fences the calling hart, whose translations may be older than the entry. `rights` may have
 * GSTAGE_LOGGED and GSTAGE_SAVED beside: without those that `track` asks for the leaf does not get the right to write, and
 * the guest faults again.
 */
int gstage_map(struct gstage *g, gpa_t at, unsigned level, hpa_t host, unsigned rights);

/* What `at` translates to; rights 0 if nothing. Lock-free. */
struct gstage_leaf {
	hpa_t host; /* of `at` itself */
	unsigned rights;
	unsigned level; /* also that of an entry that is empty */
};
struct gstage_leaf gstage_lookup(const struct gstage *g, gpa_t at);

/*
 * Removes all translations of [from, from + bytes), splitting leaves at the ends where needed, frees the tables, fences
 * once. Bounded steps: gives way to other harts between them. -ENOMEM: a split had no page, part may be done.
 */
int gstage_zap(struct gstage *g, gpa_t from, u64 bytes);

/*
 * Tables with a hook: removes everything without asking it, because whoever has the copy has dropped that. The VM does not run.
 */
void gstage_forget(struct gstage *g);

/*
 * Tables with a hook: takes over an entry of `level` over `at` that the copy has already; nobody uses what the entry above it covers. A
 * leaf to `host`, or if that is ~0 a table, empty at first. -ENOMEM; -EEXIST: something else is there.
 */
int gstage_restore(struct gstage *g, gpa_t at, unsigned level, hpa_t host);

/*
 * Tables with a hook: frees the table of the smallest entries over `at` if it has none. 0 also if there is no such table, or
 * it has one; otherwise what the hook says.
 */
int gstage_reclaim(struct gstage *g, gpa_t at);

/*
 * From now on leaves get the right to write only if GSTAGE_LOGGED, or GSTAGE_SAVED, is said of them. Those that have it keep
 * it: protect them next. When this returns no other hart is in an operation that began before. Not from one.
 */
void gstage_track(struct gstage *g, u64 what);

/* That is over. When this returns no other hart is in an operation that began before. */
void gstage_untrack(struct gstage *g, u64 what);

/* Takes the write right from all leaves in or across [from, from + bytes) and fences once; they keep their size. -EPERM: hook. */
int gstage_write_protect(struct gstage *g, gpa_t from, u64 bytes);

/* Splits the leaf over `at` down to `level`. 0 also if it is as small already. -ENOMEM; -ENOENT: no leaf; the hook's. */
int gstage_split(struct gstage *g, gpa_t at, unsigned level);

/*
 * Replaces the table of 512 entries over `at` by one leaf of `level` if they are contiguous and of equal rights.
 * -EAGAIN if they are not (or are none); 0 also if a leaf of that level or a larger one is there already.
 */
int gstage_collapse(struct gstage *g, gpa_t at, unsigned level);

/*
 * Frees tables that have waited for all harts to leave them; a bounded number. Each hart calls it once each time round
 * its loop, in no operation above. No hart is waited for because it does not: idle and in a guest are no hindrance.
 */
void gstage_quiescent(unsigned hart);

#endif
