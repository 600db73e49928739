/* Creating tables, filling them, asking them. */
#include "core/gstage/gstage.h"
#include "core/arch.h"
#include "core/gstage/walk.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/memory/pages.h"

/* Modes of hgatp: RISC-V Privileged, "Hypervisor Guest Address Translation and Protection Register". */
static const struct gstage_format formats[] = {
	{ .levels = 3, .root_bits = 11, .mode = 8 },  /* Sv39x4 */
	{ .levels = 4, .root_bits = 11, .mode = 9 },  /* Sv48x4 */
	{ .levels = 5, .root_bits = 11, .mode = 10 }, /* Sv57x4 */
};

#define ROOT_ORDER 2u /* 16 KiB */

const struct gstage_format *gstage_format_for(u64 limit)
{
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		if (limit <= level_size(formats[i].levels - 1) << formats[i].root_bits)
			return &formats[i];
	}
	return NULL;
}

int gstage_create(struct gstage *g, const struct gstage_format *format, unsigned vmid)
{
	u64 *root = pages_alloc(ROOT_ORDER);

	if (!root)
		return -ENOMEM;
	*g = (struct gstage){ .format = format, .root = root, .vmid = vmid };
	g->check = ~((u64)(uintptr_t)root ^ vmid);
	return 0;
}

static void free_below(u64 *table, unsigned entries)
{
	for (unsigned i = 0; i < entries; i++) {
		u64 e = entry_load(&table[i]);

		if (entry_table(e)) {
			free_below(entry_to_table(e), TABLE_ENTRIES);
			page_free(entry_to_table(e));
		}
	}
}

void gstage_destroy(struct gstage *g)
{
	if (!g->root)
		return;
	free_below(g->root, 1u << g->format->root_bits);
	for (unsigned i = 0; i < 1u << ROOT_ORDER; i++)
		page_free(g->root + i * (PAGE_SIZE / sizeof(u64)));
	*g = (struct gstage){ 0 };
}

/* What a fault asks for. */
struct want {
	u64 at;
	u64 host; /* of `at` itself */
	unsigned level;
	unsigned rights;
};

/*
 * A leaf stands there, of the wanted level or a larger one. 0: it will do, or does now; -EAGAIN: changed its shape, look
 * again.
 */
static int map_over_leaf(struct gstage *g, struct want *w, const struct place *p)
{
	unsigned missing = w->rights & ~entry_rights(p->value);
	int error;

	/* A leaf that no gstage_map has made would fault again and again, or be somebody else's memory. */
	if (entry_address(p->value) + level_offset(w->at, p->level) != w->host ||
	    p->value != entry_make_leaf(entry_address(p->value), entry_rights(p->value)))
		return -EEXIST;
	if (missing & GSTAGE_WRITE)
		w->level = 0;
	if (missing && p->level > w->level) {
		error = gstage_split_leaf(g, p, w->at);
		return error ? error : -EAGAIN;
	}
	if (missing && !entry_swap(p->slot, p->value, p->value | (u64)missing << 1))
		return -EAGAIN;
	if (g->hook)
		return 0;
	/* The calling hart faulted on an entry that it has cached as it was before. */
	arch_gstage_fence(g->vmid, 1ull << arch_hart(), GPA(w->at), PAGE_SIZE);
	return 0;
}

/* Nothing stands there, at the wanted level or above. */
static int map_into_empty(struct gstage *g, const struct want *w, const struct place *p)
{
	u64 host = ALIGN_DOWN(w->host, level_size(p->level));
	int error;

	if (p->level > w->level) {
		error = gstage_link(g, p, w->at);
		return error ? error : -EAGAIN;
	}
	return gstage_change(g, p, w->at, GSTAGE_SET, entry_make_leaf(host, w->rights));
}

/* The rights that a leaf gets. Inside of the operation, so that gstage_track can wait for those that have asked before. */
static unsigned rights_now(const struct gstage *g, unsigned rights)
{
	u64 untold = __atomic_load_n(&g->track, __ATOMIC_SEQ_CST) & ~(u64)rights;

	if (rights & GSTAGE_WRITE)
		rights |= GSTAGE_READ;
	return rights & (untold ? GSTAGE_ALL & ~GSTAGE_WRITE : GSTAGE_ALL);
}

void gstage_track(struct gstage *g, u64 what)
{
	__atomic_fetch_or(&g->track, what, __ATOMIC_SEQ_CST);
	gstage_synchronize();
}

void gstage_untrack(struct gstage *g, u64 what)
{
	__atomic_fetch_and(&g->track, ~what, __ATOMIC_SEQ_CST);
	gstage_synchronize();
}

int gstage_map(struct gstage *g, gpa_t at, unsigned level, hpa_t host, unsigned rights)
{
	struct want w = {
		.at = at.a,
		.host = host.a + level_offset(at.a, level),
		.level = level,
	};
	int result;

	ASSERT(level <= gstage_top(g) && level_offset(host.a, level) == 0 && (rights & GSTAGE_ALL));
	if (at.a >= gstage_limit(g))
		return -EFAULT;
	/* A leaf with fewer rights would have to gain some later, behind the hook's back. */
	ASSERT(!g->hook || (rights & GSTAGE_ALL) == GSTAGE_ALL);
	gstage_enter();
	w.rights = rights_now(g, rights);
	do {
		struct place p = gstage_walk(g, w.at, w.level);

		if (entry_table(p.value)) {
			w.level--;
			result = -EAGAIN;
		} else if (entry_leaf(p.value)) {
			result = map_over_leaf(g, &w, &p);
		} else {
			result = map_into_empty(g, &w, &p);
		}
	} while (result == -EAGAIN);
	gstage_leave();
	return result;
}

struct gstage_leaf gstage_lookup(const struct gstage *g, gpa_t at)
{
	struct place p;

	if (at.a >= gstage_limit(g))
		return (struct gstage_leaf){ 0 };
	gstage_enter();
	p = gstage_walk(g, at.a, 0);
	gstage_leave();
	if (!entry_leaf(p.value))
		return (struct gstage_leaf){ .level = p.level };
	return (struct gstage_leaf){
		.host = HPA(entry_address(p.value) + level_offset(at.a, p.level)),
		.rights = entry_rights(p.value),
		.level = p.level,
	};
}
