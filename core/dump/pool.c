/* See pool.h. A hash table with chains, whose items, one for each page of memory, lie in pages of the slot. */
#include "core/dump/pool.h"
#include "core/gstage/dirty.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"

#define NONE (~0u)

/* Without host RAM to spare: pages of the slot. */
#define SLOT_PAGES 256u

struct item {
	u32 page;
	u32 next; /* in its chain, or of the free ones */
	u64 at;	  /* host memory */
};

#define ITEMS_A_PAGE (PAGE_SIZE / sizeof(struct item))

/* Chains: short enough with a full pool. */
#define BUCKETS 4096u

static struct {
	struct item *items[POOL_MAX / ITEMS_A_PAGE];
	u32 bucket[BUCKETS];
	u32 count, room;
	u32 free;
	bool of_slot; /* the memory are pages of the slot */
} pool;

static struct item *item(u32 n)
{
	return &pool.items[n / ITEMS_A_PAGE][n % ITEMS_A_PAGE];
}

static u32 *bucket_of(u32 page)
{
	return &pool.bucket[page % BUCKETS];
}

/* One more item, with `at` for its memory. */
static int add_memory(u64 at)
{
	struct item **items = &pool.items[pool.count / ITEMS_A_PAGE];

	if (!*items)
		*items = page_alloc();
	if (!*items)
		return -ENOMEM;
	*item(pool.count) = (struct item){ .next = pool.free, .at = at };
	pool.free = pool.count++;
	pool.room++;
	return 0;
}

static bool slot_has(size_t count)
{
	return pages_free() >= count + DIRTY_RESERVE;
}

int pool_open(void)
{
	hpa_t at = HPA(0);
	u64 pages = backing_lend((u64)POOL_MAX * PAGE_SIZE, &at) / PAGE_SIZE;

	for (u32 n = 0; n < BUCKETS; n++)
		pool.bucket[n] = NONE;
	pool.count = pool.room = 0;
	pool.free = NONE;
	pool.of_slot = !pages;
	for (u64 n = 0; n < pages && slot_has(1); n++) {
		if (add_memory(at.a + n * PAGE_SIZE))
			break;
	}
	for (u32 n = 0; pool.of_slot && n < SLOT_PAGES && slot_has(2); n++) {
		void *page = page_alloc();

		if (!page)
			break;
		if (add_memory((u64)(uintptr_t)page)) {
			page_free(page);
			break;
		}
	}
	if (pool.count >= SLOT_PAGES * 3 / 4)
		return 0;
	pool_close();
	return -ENOMEM;
}

void pool_close(void)
{
	for (u32 n = 0; pool.of_slot && n < pool.count; n++)
		page_free((void *)(uintptr_t)item(n)->at);
	for (u32 n = 0; n < ARRAY_SIZE(pool.items); n++) {
		if (pool.items[n])
			page_free(pool.items[n]);
		pool.items[n] = NULL;
	}
	pool.count = pool.room = 0;
	backing_return();
}

u32 pool_room(void)
{
	return __atomic_load_n(&pool.room, __ATOMIC_SEQ_CST);
}

bool pool_find(u32 page, hpa_t *at)
{
	u32 n = *bucket_of(page);

	while (n != NONE && item(n)->page != page)
		n = item(n)->next;
	if (n == NONE)
		return false;
	*at = HPA(item(n)->at);
	return true;
}

int pool_add(u32 page, hpa_t *at)
{
	u32 n = pool.free;
	struct item *i;

	if (!pool.room)
		return -ENOSPC;
	i = item(n);
	pool.free = i->next;
	__atomic_store_n(&pool.room, pool.room - 1, __ATOMIC_SEQ_CST);
	i->page = page;
	i->next = *bucket_of(page);
	*bucket_of(page) = n;
	*at = HPA(i->at);
	return 0;
}

/* Forgets those of a chain that lie in [from, to). */
static void drop_chain(u32 *link, u32 from, u32 to)
{
	while (*link != NONE) {
		u32 n = *link;

		if (item(n)->page < from || item(n)->page >= to) {
			link = &item(n)->next;
			continue;
		}
		*link = item(n)->next;
		item(n)->next = pool.free;
		pool.free = n;
		__atomic_store_n(&pool.room, pool.room + 1, __ATOMIC_SEQ_CST);
	}
}

void pool_drop(u32 from, u32 to)
{
	if (from >= to || pool.room == pool.count)
		return;
	if (to - from >= BUCKETS) {
		for (u32 n = 0; n < BUCKETS; n++)
			drop_chain(&pool.bucket[n], from, to);
		return;
	}
	for (u32 page = from; page < to; page++)
		drop_chain(bucket_of(page), page, page + 1);
}
