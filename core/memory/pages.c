/*
 * Pages of this life's slot: a border that moves up through what was never given out, and a list of what came back.
 *
 * The lock is the innermost of all: nothing else is taken under it.
 */
#include "core/memory/pages.h"
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/lock.h"

#define OBJECT_ALIGN 16ull

/* A free page begins with this. */
struct free_page {
	struct free_page *next;
};

static struct {
	struct lock lock;
	u8 *from;
	u8 *fresh; /* never given out: from here ... */
	u8 *end;   /* ... to here */
	struct free_page *free;
	size_t free_count;
	u8 *object;	/* room for objects: from here ... */
	u8 *object_end; /* ... to here */
} pages;

void pages_init(void *from, size_t bytes)
{
	ASSERT(((uintptr_t)from | bytes) % PAGE_SIZE == 0);
	pages.from = from;
	pages.fresh = from;
	pages.end = pages.from + bytes;
	pages.free = NULL;
	pages.free_count = 0;
	pages.object = NULL;
	pages.object_end = NULL;
}

static bool page_ours(const void *page)
{
	return (uintptr_t)page % PAGE_SIZE == 0 && (u8 *)page >= pages.from && (u8 *)page < pages.fresh;
}

static void push(void *page)
{
	struct free_page *p = page;

	p->next = pages.free;
	pages.free = p;
	pages.free_count++;
}

static void *pop(void)
{
	struct free_page *p = pages.free;

	if (p) {
		/* The list lies in pages that a wild store may have hit: better to end here than to give that out. */
		ASSERT(page_ours(p));
		pages.free = p->next;
		pages.free_count--;
	}
	return p;
}

/* `bytes` of fresh pages, aligned; what lies before the alignment goes to the list. */
static void *take_fresh(size_t bytes, size_t align)
{
	u8 *at = (u8 *)ALIGN_UP((uintptr_t)pages.fresh, align);

	if (!range_inside((uintptr_t)at, bytes, (uintptr_t)pages.from, (u64)(pages.end - pages.from)))
		return NULL;
	while (pages.fresh < at) {
		pages.fresh += PAGE_SIZE;
		push(pages.fresh - PAGE_SIZE);
	}
	pages.fresh = at + bytes;
	return at;
}

void *page_alloc(void)
{
	void *page;

	lock_take(&pages.lock);
	page = pop();
	if (!page)
		page = take_fresh(PAGE_SIZE, PAGE_SIZE);
	lock_release(&pages.lock);
	if (page)
		arch_zero(page, PAGE_SIZE);
	return page;
}

void *pages_alloc(unsigned order)
{
	size_t bytes = PAGE_SIZE << order;
	void *at;

	lock_take(&pages.lock);
	at = take_fresh(bytes, bytes);
	lock_release(&pages.lock);
	if (at)
		arch_zero(at, bytes);
	return at;
}

void page_free(void *page)
{
	lock_take(&pages.lock);
	ASSERT(page_ours(page));
	push(page);
	lock_release(&pages.lock);
}

size_t pages_free(void)
{
	size_t count;

	lock_take(&pages.lock);
	count = pages.free_count + (size_t)(pages.end - pages.fresh) / PAGE_SIZE;
	lock_release(&pages.lock);
	return count;
}

void *object_alloc(size_t bytes)
{
	size_t rounded = ALIGN_UP(bytes, OBJECT_ALIGN);
	void *object = NULL;

	if (bytes > (size_t)-PAGE_SIZE)
		return NULL;
	lock_take(&pages.lock);
	if ((size_t)(pages.object_end - pages.object) < rounded) {
		size_t span = ALIGN_UP(rounded, PAGE_SIZE);
		u8 *at = take_fresh(span, PAGE_SIZE);

		if (at) {
			/* What was left of the old room is lost, unless the new one continues it. */
			if (at != pages.object_end)
				pages.object = at;
			pages.object_end = at + span;
			arch_zero(at, span);
		}
	}
	if ((size_t)(pages.object_end - pages.object) >= rounded) {
		object = pages.object;
		pages.object += rounded;
	}
	lock_release(&pages.lock);
	return object;
}
