/* See dirty.h. */
#include "core/gstage/dirty.h"
#include "core/arch.h"
#include "core/gstage/walk.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/memory/pages.h"

#define DIRECTORY_ENTRIES (PAGE_SIZE / sizeof(u64 *))

/* Bytes of the guest for which translations are removed in one operation. */
#define STOP_STEP MIB(256)

static u64 chunks(const struct dirty_log *log)
{
	return ALIGN_UP(log->pages, DIRTY_CHUNK_PAGES) / DIRTY_CHUNK_PAGES;
}

/* The word with the bit of page `page`. */
static u64 *word_of(const struct dirty_log *log, u64 page)
{
	u64 chunk = page / DIRTY_CHUNK_PAGES;

	return &log->directory[chunk / DIRECTORY_ENTRIES][chunk % DIRECTORY_ENTRIES]
			      [page % DIRTY_CHUNK_PAGES / 64];
}

static void free_bits(struct dirty_log *log)
{
	for (u64 n = 0; n < chunks(log); n++) {
		u64 **directory = log->directory[n / DIRECTORY_ENTRIES];

		if (directory && directory[n % DIRECTORY_ENTRIES])
			page_free(directory[n % DIRECTORY_ENTRIES]);
	}
	for (unsigned n = 0; n < ARRAY_SIZE(log->directory); n++) {
		if (log->directory[n])
			page_free(log->directory[n]);
	}
	*log = (struct dirty_log){ 0 };
}

static int allocate_bits(struct dirty_log *log)
{
	if (pages_free() < chunks(log) + ARRAY_SIZE(log->directory) + DIRTY_RESERVE)
		return -ENOMEM;
	for (u64 n = 0; n < chunks(log); n++) {
		u64 ***directory = &log->directory[n / DIRECTORY_ENTRIES];

		if (!*directory)
			*directory = page_alloc();
		if (*directory)
			(*directory)[n % DIRECTORY_ENTRIES] = page_alloc();
		if (!*directory || !(*directory)[n % DIRECTORY_ENTRIES])
			return -ENOMEM;
	}
	return 0;
}

int dirty_start(struct gstage *g, struct dirty_log *log, gpa_t from, u64 bytes)
{
	int error;

	if (dirty_on(g))
		return -EALREADY;
	ASSERT(from.a % PAGE_SIZE == 0 && bytes % PAGE_SIZE == 0);
	if (bytes / PAGE_SIZE > ARRAY_SIZE(log->directory) * DIRECTORY_ENTRIES * DIRTY_CHUNK_PAGES)
		return -E2BIG;
	*log = (struct dirty_log){ .from = from.a, .pages = bytes / PAGE_SIZE };
	error = allocate_bits(log);
	if (error) {
		free_bits(log);
		return error;
	}
	/* Faults that did not know of the log are through before the leaves that they made are protected. */
	gstage_track(g, GSTAGE_LOGGED);
	return gstage_write_protect(g, from, bytes);
}

void dirty_stop(struct gstage *g, struct dirty_log *log)
{
	u64 from = log->from, end = log->from + log->pages * PAGE_SIZE;

	if (!dirty_on(g))
		return;
	gstage_untrack(g, GSTAGE_LOGGED);
	free_bits(log);
	for (; from < end; from += STOP_STEP) {
		/* Only a leaf across an end needs memory, which is then left as small as it is. */
		(void)gstage_zap(g, GPA(from), end - from < STOP_STEP ? end - from : STOP_STEP);
		arch_beat();
	}
}

void dirty_mark(struct gstage *g, struct dirty_log *log, gpa_t at, u64 bytes)
{
	u64 page, last;

	/* What has been written is seen by who does not see the mark yet and asks for it next. */
	if (!bytes || !__atomic_load_n(&g->track, __ATOMIC_SEQ_CST))
		return;
	/* The bits stay as long as this is an operation on the tables: see dirty_stop. */
	gstage_enter();
	if (dirty_on(g) && at.a >= log->from) {
		page = (at.a - log->from) / PAGE_SIZE;
		last = (at.a + bytes - 1 - log->from) / PAGE_SIZE;
		for (; page <= last && page < log->pages; page++)
			__atomic_fetch_or(word_of(log, page), 1ull << page % 64, __ATOMIC_ACQ_REL);
	}
	gstage_leave();
}

/* Protects the leaf over a page. Returns its size, 0 if it was not to be written already. */
static u64 protect(struct gstage *g, u64 at)
{
	for (;;) {
		struct place p = gstage_walk(g, at, 0);

		if (!entry_leaf(p.value) || !(p.value & ENTRY_W))
			return 0;
		if (entry_swap(p.slot, p.value, p.value & ~ENTRY_W))
			return level_size(p.level);
	}
}

/*
 * The leaves of the marked pages are protected, and [*low, *high) has them all. A page whose leaf was protected already by
 * another hart counts too: that one may not have come to its fence yet (invariant 4).
 */
static void protect_marked(struct gstage *g, u64 first, u64 marks, u64 *low, u64 *high)
{
	for (; marks; marks &= marks - 1) {
		u64 at = first + (u64)__builtin_ctzll(marks) * PAGE_SIZE;
		u64 size = protect(g, at);
		u64 from = ALIGN_DOWN(at, size ? size : PAGE_SIZE);

		if (from < *low)
			*low = from;
		if (from + (size ? size : PAGE_SIZE) > *high)
			*high = from + (size ? size : PAGE_SIZE);
	}
}

u64 dirty_fetch(struct gstage *g, struct dirty_log *log, u64 first, u64 count, u64 *bits)
{
	const struct removed none = { 0 };
	u64 low = ~0ull, high = 0, marks = 0;

	ASSERT(dirty_on(g) && first % 64 == 0 && count % 64 == 0);
	gstage_enter();
	for (u64 page = first; page < first + count; page += 64, bits++) {
		*bits = 0;
		if (page >= log->pages)
			continue;
		*bits = __atomic_exchange_n(word_of(log, page), 0, __ATOMIC_ACQ_REL);
		for (u64 left = *bits; left; left &= left - 1)
			marks++;
		protect_marked(g, log->from + page * PAGE_SIZE, *bits, &low, &high);
		if (page % DIRTY_CHUNK_PAGES == 0)
			arch_beat();
	}
	gstage_fence(g, low, high > low ? high - low : 0, &none);
	gstage_leave();
	return marks;
}
