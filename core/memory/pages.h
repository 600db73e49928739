/*
 * Pages of this life's slot: for tables and heap objects. Volatile, never handed to a guest.
 */
#ifndef CORE_MEMORY_PAGES_H
#define CORE_MEMORY_PAGES_H

#include "abi/types.h"

/* Gives the allocator its pages: [from, from + bytes), both 4 KiB-aligned, identity-mapped. Once a life. */
void pages_init(void *from, size_t bytes);

/* One zeroed page, or NULL. Any hart. */
void *page_alloc(void);

/*
 * 2^order consecutive zeroed pages, aligned to their size, or NULL. For what a life cannot do without while it starts; later
 * there may be none although many pages are free. They come back, if at all, as single pages.
 */
void *pages_alloc(unsigned order);

void page_free(void *page);

/* Pages that are free now. */
size_t pages_free(void);

/* A zeroed object of `bytes`, 16-byte aligned, never freed: for what lives as long as the life. NULL if none. */
void *object_alloc(size_t bytes);

#endif
