#include "warden/private/table.h"

#include "warden/private/pool.h"

#define PTE_V	    (1ull << 0)
#define PTE_R	    (1ull << 1)
#define PTE_W	    (1ull << 2)
#define PTE_X	    (1ull << 3)
#define PTE_U	    (1ull << 4) /* the G-stage wants it in every leaf */
#define PTE_A	    (1ull << 6)
#define PTE_D	    (1ull << 7)
#define PTE_PPN_BIT 10

#define LEAF_PRIVATE (PTE_V | PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D)
/* Nothing executes what the host can write. */
#define LEAF_SHARED (LEAF_PRIVATE & ~PTE_X)

#define LEVEL_ROOT 2
#define LEVEL_HUGE 1

static u64 make_entry(u64 page, u64 flags)
{
	return page / PAGE_SIZE << PTE_PPN_BIT | flags;
}

u64 table_entry_page(u64 entry)
{
	return (entry << 10 >> 20) * PAGE_SIZE;
}

bool table_entry_is_leaf(u64 entry)
{
	return entry & PTE_R;
}

bool table_entry_is_table(u64 entry)
{
	return (entry & PTE_V) && !(entry & PTE_R);
}

static u64 index_of(u64 at, u32 level)
{
	const u64 entries = level == LEVEL_ROOT ? 4 * TABLE_ENTRIES : TABLE_ENTRIES;

	return at / table_span(level) & (entries - 1);
}

u64 *table_entry(const struct private_vm *vm, u64 at, u32 level)
{
	u64 *table = port_at(vm->root);
	u32 l;

	for (l = LEVEL_ROOT; l > level; l--) {
		const u64 entry = table[index_of(at, l)];

		if (!table_entry_is_table(entry))
			return NULL;
		table = port_at(table_entry_page(entry));
	}
	return &table[index_of(at, level)];
}

/* Harts that walk the tables meanwhile see what `entry` leads to as it was before, or all of it. */
static void put(u64 *entry, u64 value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

bool table_is_empty(u64 entry)
{
	const u64 *table = port_at(table_entry_page(entry));
	u32 i;

	for (i = 0; i < TABLE_ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

bool table_is_full(u64 entry)
{
	const u64 *table = port_at(table_entry_page(entry));
	const u64 first = table_entry_page(table[0]);
	u32 i;

	if (first % BLOCK_SIZE)
		return false;
	for (i = 0; i < TABLE_ENTRIES; i++)
		if (table[i] != make_entry(first + i * PAGE_SIZE, LEAF_PRIVATE))
			return false;
	return true;
}

static u64 page_of(const struct private_vm *vm, u64 at)
{
	const u64 *entry = table_entry(vm, at, 0);

	if (entry)
		return table_entry_is_leaf(*entry) ? table_entry_page(*entry) : 0;
	entry = table_entry(vm, at, LEVEL_HUGE);
	if (!entry || !table_entry_is_leaf(*entry))
		return 0;
	return table_entry_page(*entry) + at % BLOCK_SIZE / PAGE_SIZE * PAGE_SIZE;
}

static bool is_ram(const struct private_vm *vm, u64 at)
{
	return at >= vm->config.ram_base && at - vm->config.ram_base < vm->config.ram_size;
}

u64 table_private_page(const struct private_vm *vm, u64 at)
{
	return is_ram(vm, at) ? page_of(vm, at) : 0;
}

u64 table_shared_page(const struct private_vm *vm, u64 at)
{
	return is_ram(vm, at ^ PRIVATE_SHARED_BIT) ? page_of(vm, at) : 0;
}

bool table_none_shared(const struct private_vm *vm, u64 at, u32 level)
{
	const u64 *entry = table_entry(vm, at | PRIVATE_SHARED_BIT, level);

	return !entry || !*entry || (level && table_entry_is_table(*entry) && table_is_empty(*entry));
}

s64 table_link(struct private_ask *a)
{
	pool_use_page(a->page, PRIVATE_PAGE_TABLE);
	put(a->entry, make_entry(a->page, PTE_V));
	return PRIVATE_OK;
}

/* Fenced: a hart may keep the way to a table that it has walked, and the page may get any contents. */
s64 table_unlink(struct private_ask *a)
{
	const u64 page = table_entry_page(*a->entry);

	put(a->entry, 0);
	port_fence(a->vm->vmid);
	pool_free_page(page);
	a->value = page;
	return PRIVATE_OK;
}

static void for_each_page(u64 page, u32 level, void (*act)(u64 page, enum private_use use),
			  enum private_use use)
{
	const u64 end = page + table_span(level);

	for (; page < end; page += PAGE_SIZE)
		act(page, use);
}

s64 table_set(struct private_ask *a)
{
	for_each_page(a->page, a->level, pool_use_page, a->level ? PRIVATE_PAGE_HUGE : PRIVATE_PAGE_LEAF);
	put(a->entry, make_entry(a->page, LEAF_PRIVATE));
	return PRIVATE_OK;
}

static void free_page(u64 page, enum private_use use)
{
	(void)use;
	pool_free_page(page);
}

s64 table_clear(struct private_ask *a)
{
	const u64 page = table_entry_page(*a->entry);

	put(a->entry, 0);
	port_fence(a->vm->vmid);
	for_each_page(page, a->level, free_page, PRIVATE_PAGE_UNUSED);
	a->value = page;
	return PRIVATE_OK;
}

/* Not fenced: whoever has the large leaf in a TLB is told the same by it as by the small ones, until one of these goes. */
s64 table_split(struct private_ask *a)
{
	const u64 first = table_entry_page(*a->entry);
	u64 *table = port_at(a->page);
	u32 i;

	pool_use_page(a->page, PRIVATE_PAGE_TABLE);
	for (i = 0; i < TABLE_ENTRIES; i++)
		table[i] = make_entry(first + i * PAGE_SIZE, LEAF_PRIVATE);
	for_each_page(first, LEVEL_HUGE, pool_rename, PRIVATE_PAGE_LEAF);
	put(a->entry, make_entry(a->page, PTE_V));
	return PRIVATE_OK;
}

s64 table_merge(struct private_ask *a)
{
	const u64 page = table_entry_page(*a->entry), first = table_entry_page(*(u64 *)port_at(page));

	put(a->entry, make_entry(first, LEAF_PRIVATE));
	port_fence(a->vm->vmid);
	for_each_page(first, LEVEL_HUGE, pool_rename, PRIVATE_PAGE_HUGE);
	pool_free_page(page);
	a->value = page;
	return PRIVATE_OK;
}

s64 table_share(struct private_ask *a)
{
	put(a->entry, make_entry(a->arg[3], LEAF_SHARED));
	return PRIVATE_OK;
}

s64 table_unshare(struct private_ask *a)
{
	put(a->entry, 0);
	port_fence(a->vm->vmid);
	return PRIVATE_OK;
}

s64 table_read(struct private_ask *a)
{
	port_copy(a->host, (const void *)((unsigned long)a->entry & ~(PAGE_SIZE - 1)), PAGE_SIZE);
	return PRIVATE_OK;
}
