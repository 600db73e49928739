#include "warden/private/pool.h"

/* An unused page whose contents are not known to be zeroes: it has not been in use since the machine started. */
#define USE_STALE 0x80

/* Owner of the blocks where the notes are. */
#define OWNER_WARDEN (PRIVATE_VMS + 1)

static struct {
	u64 base;
	u64 size; /* 0: there is none */
	u64 blocks;
	u32 vmids;
	u32 absence; /* enum private_absence */
	u64 free;
	u32 *owner; /* of each block */
	u8 *use;    /* of each page; who has the block holds the lock */
} pool = { .absence = PRIVATE_NOT_WANTED };

void pool_begin(u64 base, u64 size, u32 vmids)
{
	const u64 blocks = size / BLOCK_SIZE;
	const u64 own = (blocks * (sizeof(u32) + POOL_BLOCK_PAGES) + BLOCK_SIZE - 1) / BLOCK_SIZE;
	u64 i;

	pool.base = base;
	pool.size = size;
	pool.blocks = blocks;
	pool.vmids = vmids;
	pool.free = blocks - own;
	pool.use = port_at(base);
	pool.owner = port_at(base + blocks * POOL_BLOCK_PAGES);
	for (i = 0; i < blocks * POOL_BLOCK_PAGES; i++)
		pool.use[i] = USE_STALE;
	for (i = 0; i < blocks; i++)
		pool.owner[i] = i < own ? OWNER_WARDEN : 0;
}

void pool_is_absent(enum private_absence why)
{
	pool.absence = why;
	pool.size = 0;
}

bool pool_is_there(void)
{
	return pool.size;
}

u64 pool_base(void)
{
	return pool.base;
}

u64 pool_size(void)
{
	return pool.size;
}

u32 pool_vmid(u64 vm)
{
	return pool.vmids - (u32)vm;
}

bool pool_touches(u64 address, u64 bytes)
{
	return pool.size && bytes && address < pool.base + pool.size &&
	       (address >= pool.base || bytes > pool.base - address);
}

/* Who has it, without a lock: CREATE and DONATE of two VMs may want the same block. */
static u32 *owner_of(u64 block)
{
	return &pool.owner[(block - pool.base) / BLOCK_SIZE];
}

static u8 *use_of(u64 page)
{
	return &pool.use[(page - pool.base) / PAGE_SIZE];
}

u32 pool_owner(u64 block)
{
	return __atomic_load_n(owner_of(block), __ATOMIC_RELAXED);
}

bool pool_has_block(u64 block)
{
	return block % BLOCK_SIZE == 0 && block >= pool.base && block - pool.base < pool.size &&
	       pool_owner(block) != OWNER_WARDEN;
}

bool pool_take(u64 block, u64 vm)
{
	u32 nobody = 0;

	if (!__atomic_compare_exchange_n(owner_of(block), &nobody, (u32)(1 + vm), false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	__atomic_fetch_sub(&pool.free, 1, __ATOMIC_RELAXED);
	return true;
}

enum private_use pool_use(u64 page)
{
	return (enum private_use)(*use_of(page) & ~USE_STALE);
}

void pool_use_page(u64 page, enum private_use use)
{
	if (*use_of(page) == USE_STALE)
		port_zero_page(page);
	*use_of(page) = (u8)use;
}

void pool_rename(u64 page, enum private_use use)
{
	*use_of(page) = (u8)use;
}

void pool_free_page(u64 page)
{
	port_zero_page(page);
	*use_of(page) = PRIVATE_PAGE_UNUSED;
}

void pool_give_back(u64 block)
{
	u64 page;

	for (page = block; page < block + BLOCK_SIZE; page += PAGE_SIZE)
		if (pool_use(page) != PRIVATE_PAGE_UNUSED)
			pool_free_page(page);
	__atomic_fetch_add(&pool.free, 1, __ATOMIC_RELAXED);
	__atomic_store_n(owner_of(block), 0, __ATOMIC_RELEASE);
}

bool pool_block_is_unused(u64 block)
{
	u64 page;

	for (page = block; page < block + BLOCK_SIZE; page += PAGE_SIZE)
		if (pool_use(page) != PRIVATE_PAGE_UNUSED)
			return false;
	return true;
}

s64 pool_info(struct private_ask *a)
{
	const u64 n = a->arg[1];

	a->value = pool.absence;
	if (!pool.size)
		return PRIVATE_NOT_SUPPORTED;
	a->value = 0;
	switch (a->arg[0]) {
	case PRIVATE_INFO_VERSION:
		a->value = PRIVATE_VERSION;
		return PRIVATE_OK;
	case PRIVATE_INFO_POOL:
		a->value = pool.base;
		return PRIVATE_OK;
	case PRIVATE_INFO_POOL_SIZE:
		a->value = pool.size;
		return PRIVATE_OK;
	case PRIVATE_INFO_FREE:
		a->value = __atomic_load_n(&pool.free, __ATOMIC_RELAXED);
		return PRIVATE_OK;
	case PRIVATE_INFO_KEY:
		a->value = report_has_key();
		return PRIVATE_OK;
	case PRIVATE_INFO_OWNER:
		if (n >= pool.blocks)
			return PRIVATE_INVALID_PARAM;
		a->value = pool_owner(pool.base + n * BLOCK_SIZE);
		return PRIVATE_OK;
	case PRIVATE_INFO_VM:
		if (n >= PRIVATE_VMS)
			return PRIVATE_INVALID_PARAM;
		a->value = __atomic_load_n(&private_vm(n)->state, __ATOMIC_RELAXED);
		return PRIVATE_OK;
	default:
		return PRIVATE_INVALID_PARAM;
	}
}

s64 pool_read_block(struct private_ask *a)
{
	u8 *to = a->host;
	u64 i;

	for (i = 0; i < POOL_BLOCK_PAGES; i++)
		to[i] = (u8)pool_use(a->block + i * PAGE_SIZE);
	return PRIVATE_OK;
}
