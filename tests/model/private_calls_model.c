/*
 * The warden's calls for confidential VMs in random order, against a simple model of what they should do: which call is
 * done and which refused, what every guest address then leads to, and what is in each page. The guests write a mark into each
 * page that they get, which must be there as long as they have it and nowhere afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/private/world.h"

#define VMS	     3
#define GUEST_PAGES  (WORLD_GUEST_SIZE / PAGE_SIZE)
#define GUEST_BLOCKS (WORLD_GUEST_SIZE / BLOCK_SIZE)
#define POOL_PAGES   (WORLD_POOL_SIZE / PAGE_SIZE)
#define STEPS	     60000

/* What a guest's page is to the model. */
struct page {
	u64 private; /* pool page, or 0 */
	u64 shared;  /* ordinary page, or 0 */
	u64 mark;
};

static struct {
	enum private_vm_state state;
	bool has_l1[2], has_l0[2][GUEST_BLOCKS]; /* tables: [shared] */
	bool huge[GUEST_BLOCKS];
	struct page page[GUEST_PAGES];
	u64 from, to; /* asked to be shared */
} model[VMS];

static u32 owner[WORLD_POOL_BLOCKS];
static enum private_use use[POOL_PAGES];
static u64 marks, done_calls, refused_calls;
static u32 seed;

static u32 any(u32 n)
{
	seed = seed * 1664525 + 1013904223;
	return (u32)(((u64)(seed >> 8) * n) >> 24);
}

static u64 pool_number(u64 page)
{
	return (page - WORLD_POOL) / PAGE_SIZE;
}

static bool owns(u64 vm, u64 page)
{
	return owner[(page - WORLD_POOL) / BLOCK_SIZE] == 1 + vm;
}

/* A pool page, mostly an unused one of the VM. */
static u64 any_page(u64 vm)
{
	u64 page = 0;

	for (u32 i = 0; i < 24; i++) {
		page = WORLD_POOL + any(POOL_PAGES) * PAGE_SIZE;
		if (owns(vm, page) && use[pool_number(page)] == PRIVATE_PAGE_UNUSED)
			break;
	}
	return page;
}

static u64 any_block(void)
{
	return WORLD_POOL + any(WORLD_POOL_BLOCKS) * BLOCK_SIZE;
}

static bool block_is_unused(u64 block)
{
	for (u64 i = 0; i < POOL_BLOCK_PAGES; i++)
		if (use[pool_number(block) + i] != PRIVATE_PAGE_UNUSED)
			return false;
	return true;
}

static void set_uses(u64 page, u64 count, enum private_use to)
{
	for (u64 i = 0; i < count; i++)
		use[pool_number(page) + i] = to;
}

static bool live(u64 vm)
{
	return model[vm].state == PRIVATE_VM_LAUNCH || model[vm].state == PRIVATE_VM_ALIVE;
}

/* The call has been done or refused as the model would have it; true: done. */
static bool came(s64 rc, bool allowed)
{
	if (allowed)
		assert_int_equal(rc, PRIVATE_OK);
	else
		assert_int_not_equal(rc, PRIVATE_OK);
	if (allowed)
		done_calls++;
	else
		refused_calls++;
	return allowed;
}

static bool is_takeable(u64 block)
{
	return block != WORLD_POOL && !owner[(block - WORLD_POOL) / BLOCK_SIZE];
}

static void create(u64 vm)
{
	const u64 block = any_block();
	const s64 rc = CALL3(CREATE, vm, block, world_config(1));

	if (!came(rc, model[vm].state == PRIVATE_VM_NONE && is_takeable(block)))
		return;
	memset(&model[vm], 0, sizeof(model[vm]));
	model[vm].state = PRIVATE_VM_LAUNCH;
	owner[(block - WORLD_POOL) / BLOCK_SIZE] = (u32)(1 + vm);
	set_uses(block, PRIVATE_FIRST_PAGES, PRIVATE_PAGE_OWN);
}

static void donate(u64 vm)
{
	const u64 block = any_block();

	if (came(CALL2(DONATE, vm, block), live(vm) && is_takeable(block)))
		owner[(block - WORLD_POOL) / BLOCK_SIZE] = (u32)(1 + vm);
}

static void reclaim(u64 vm)
{
	const u64 block = any_block();
	bool more = false;

	if (!came(CALL2(RECLAIM, vm, block),
		  model[vm].state != PRIVATE_VM_NONE && owns(vm, block) &&
			  (model[vm].state == PRIVATE_VM_ENDING || block_is_unused(block))))
		return;
	owner[(block - WORLD_POOL) / BLOCK_SIZE] = 0;
	set_uses(block, POOL_BLOCK_PAGES, PRIVATE_PAGE_UNUSED);
	for (u32 i = 0; i < WORLD_POOL_BLOCKS; i++)
		more = more || owner[i] == 1 + vm;
	if (!more)
		model[vm].state = PRIVATE_VM_NONE;
}

static void end(u64 vm)
{
	/* Seldom: or nothing gets large. */
	if (any(40))
		return;
	if (came(CALL2(END, vm, 0), model[vm].state != PRIVATE_VM_NONE))
		model[vm].state = PRIVATE_VM_ENDING;
}

static void final(u64 vm)
{
	const u64 page = any_page(vm);
	const bool unused = owns(vm, page) && use[pool_number(page)] == PRIVATE_PAGE_UNUSED;

	if (came(CALL3(VCPU, vm, 0, page),
		 model[vm].state == PRIVATE_VM_LAUNCH && unused && !private_vm(vm)->vcpu[0]))
		use[pool_number(page)] = PRIVATE_PAGE_VCPU;
	if (came(CALL3(FINAL, vm, WORLD_GUEST, 0),
		 model[vm].state == PRIVATE_VM_LAUNCH && private_vm(vm)->vcpu[0]))
		model[vm].state = PRIVATE_VM_ALIVE;
}

static void link_table(u64 vm)
{
	const u64 block = any(GUEST_BLOCKS), page = any_page(vm), level = 1 + any(2);
	const u32 shared = any(2);
	const u64 at = (WORLD_GUEST + block * BLOCK_SIZE) | (shared ? PRIVATE_SHARED_BIT : 0);
	const bool room = level == 2 ? !model[vm].has_l1[shared]
				     : model[vm].has_l1[shared] && !model[vm].has_l0[shared][block] &&
					       !(!shared && model[vm].huge[block]);

	if (!came(CALL4(LINK, vm, at, level, page),
		  live(vm) && room && owns(vm, page) && use[pool_number(page)] == PRIVATE_PAGE_UNUSED))
		return;
	use[pool_number(page)] = PRIVATE_PAGE_TABLE;
	if (level == 2)
		model[vm].has_l1[shared] = true;
	else
		model[vm].has_l0[shared][block] = true;
}

static bool block_is_empty(u64 vm, u64 block, u32 shared)
{
	for (u64 i = 0; i < TABLE_ENTRIES; i++) {
		const struct page *p = &model[vm].page[block * TABLE_ENTRIES + i];

		if (shared ? p->shared : p->private)
			return false;
	}
	return true;
}

static void unlink_table(u64 vm)
{
	const u64 block = any(GUEST_BLOCKS);
	const u32 shared = any(2);
	const u64 at = (WORLD_GUEST + block * BLOCK_SIZE) | (shared ? PRIVATE_SHARED_BIT : 0);

	if (any(8) || !came(CALL3(UNLINK, vm, at, 1),
			    live(vm) && model[vm].has_l0[shared][block] && block_is_empty(vm, block, shared)))
		return;
	model[vm].has_l0[shared][block] = false;
	use[pool_number(world.value)] = PRIVATE_PAGE_UNUSED;
}

/* The guest gets a page: it must be of zeroes, and the guest writes its mark there. */
static void give(struct page *p, u64 page)
{
	assert_true(world_page_is_zero(page));
	p->private = page;
	p->mark = ++marks;
	*(u64 *)port_at(page) = p->mark;
}

static void set(u64 vm)
{
	const u64 n = any(GUEST_PAGES), page = any_page(vm);
	struct page *p = &model[vm].page[n];

	if (!came(CALL4(SET, vm, WORLD_GUEST + n * PAGE_SIZE, 0, page),
		  live(vm) && model[vm].has_l0[0][n / TABLE_ENTRIES] && !p->private && !p->shared &&
			  owns(vm, page) && use[pool_number(page)] == PRIVATE_PAGE_UNUSED))
		return;
	use[pool_number(page)] = PRIVATE_PAGE_LEAF;
	give(p, page);
}

static void set_huge(u64 vm)
{
	const u64 n = any(GUEST_BLOCKS), block = any_block();

	if (!came(CALL4(SET, vm, WORLD_GUEST + n * BLOCK_SIZE, 1, block),
		  live(vm) && model[vm].has_l1[0] && !model[vm].has_l0[0][n] && !model[vm].huge[n] &&
			  block_is_empty(vm, n, 1) && owns(vm, block) && block_is_unused(block)))
		return;
	set_uses(block, POOL_BLOCK_PAGES, PRIVATE_PAGE_HUGE);
	model[vm].huge[n] = true;
	for (u64 i = 0; i < TABLE_ENTRIES; i++)
		give(&model[vm].page[n * TABLE_ENTRIES + i], block + i * PAGE_SIZE);
}

static void split(u64 vm)
{
	const u64 n = any(GUEST_BLOCKS), page = any_page(vm);

	if (!came(CALL3(SPLIT, vm, WORLD_GUEST + n * BLOCK_SIZE, page),
		  live(vm) && model[vm].huge[n] && owns(vm, page) &&
			  use[pool_number(page)] == PRIVATE_PAGE_UNUSED))
		return;
	use[pool_number(page)] = PRIVATE_PAGE_TABLE;
	model[vm].huge[n] = false;
	model[vm].has_l0[0][n] = true;
	set_uses(model[vm].page[n * TABLE_ENTRIES].private, POOL_BLOCK_PAGES, PRIVATE_PAGE_LEAF);
}

static bool is_in_a_row(u64 vm, u64 n)
{
	const u64 first = model[vm].page[n * TABLE_ENTRIES].private;

	if (!first || first % BLOCK_SIZE)
		return false;
	for (u64 i = 0; i < TABLE_ENTRIES; i++)
		if (model[vm].page[n * TABLE_ENTRIES + i].private != first + i * PAGE_SIZE)
			return false;
	return true;
}

static void merge(u64 vm)
{
	const u64 n = any(GUEST_BLOCKS);

	if (!came(CALL2(MERGE, vm, WORLD_GUEST + n * BLOCK_SIZE),
		  live(vm) && model[vm].has_l0[0][n] && is_in_a_row(vm, n)))
		return;
	use[pool_number(world.value)] = PRIVATE_PAGE_UNUSED;
	model[vm].huge[n] = true;
	model[vm].has_l0[0][n] = false;
	set_uses(model[vm].page[n * TABLE_ENTRIES].private, POOL_BLOCK_PAGES, PRIVATE_PAGE_HUGE);
}

static void ask(u64 vm)
{
	const u64 from = any(GUEST_PAGES), to = from + any((u32)(GUEST_PAGES - from) + 1);

	model[vm].from = from;
	model[vm].to = to;
	world_asks(vm, 0, WORLD_GUEST + from * PAGE_SIZE, WORLD_GUEST + to * PAGE_SIZE);
}

static void take_away(u64 vm, u64 n)
{
	struct page *p = &model[vm].page[n];

	assert_true(world_page_is_zero(p->private));
	use[pool_number(p->private)] = PRIVATE_PAGE_UNUSED;
	p->private = 0;
}

static void clear(u64 vm)
{
	const u64 n = any(GUEST_PAGES), level = any(8) == 0, count = level ? TABLE_ENTRIES : 1;
	const u64 first = level ? n / TABLE_ENTRIES * TABLE_ENTRIES : n;
	const bool leaf = level ? model[vm].huge[n / TABLE_ENTRIES]
				: model[vm].page[n].private && !model[vm].huge[n / TABLE_ENTRIES];
	const u64 fences = world.fences;

	if (!came(CALL3(CLEAR, vm, WORLD_GUEST + first * PAGE_SIZE, level),
		  live(vm) && leaf && first >= model[vm].from && first + count <= model[vm].to))
		return;
	assert_int_equal(world.fences, fences + 1);
	for (u64 i = 0; i < count; i++)
		take_away(vm, first + i);
	if (level)
		model[vm].huge[n / TABLE_ENTRIES] = false;
}

static void share(u64 vm)
{
	const u64 n = any(GUEST_PAGES);
	/* Now and then one that must not be. */
	const u64 host = any(8) ? WORLD_RAM + any(256) * PAGE_SIZE : WORLD_POOL + any(POOL_PAGES) * PAGE_SIZE;
	struct page *p = &model[vm].page[n];

	if (came(CALL4(SHARE, vm, PRIVATE_SHARED_BIT | (WORLD_GUEST + n * PAGE_SIZE), 0, host),
		 live(vm) && model[vm].has_l0[1][n / TABLE_ENTRIES] && !p->shared && !p->private &&
			 host < WORLD_POOL))
		p->shared = host;
}

static void unshare(u64 vm)
{
	const u64 n = any(GUEST_PAGES);
	struct page *p = &model[vm].page[n];

	if (came(CALL3(UNSHARE, vm, PRIVATE_SHARED_BIT | (WORLD_GUEST + n * PAGE_SIZE), 0),
		 live(vm) && p->shared))
		p->shared = 0;
}

/* Everything the guests see is what they have written, and the pool's uses are what the model knows. */
static void compare(void)
{
	for (u64 vm = 0; vm < VMS; vm++) {
		if (!live(vm))
			continue;
		for (u64 n = 0; n < GUEST_PAGES; n++) {
			const struct page *p = &model[vm].page[n];
			const u64 at = WORLD_GUEST + n * PAGE_SIZE;

			assert_int_equal(table_private_page(private_vm(vm), at), p->private);
			assert_int_equal(table_shared_page(private_vm(vm), at | PRIVATE_SHARED_BIT),
					 p->shared);
			if (p->private)
				assert_int_equal(*(u64 *)port_at(p->private), p->mark);
		}
	}
	for (u64 n = POOL_BLOCK_PAGES; n < POOL_PAGES; n++)
		assert_int_equal(pool_use(WORLD_POOL + n * PAGE_SIZE), use[n]);
	world_check();
}

static void (*const steps[])(u64 vm) = { create,     donate,	 donate,       reclaim,	 end,	final,
					 link_table, link_table, unlink_table, set,	 set,	set,
					 set,	     set,	 ask,	       clear,	 clear, clear,
					 share,	     unshare,	 set_huge,     set_huge, split, merge };

static void random_calls(void **state)
{
	const char *from = getenv("PRIVATE_SEED");

	(void)state;
	for (u32 run = 0; run < 4; run++) {
		seed = from ? (u32)strtoul(from, NULL, 0) : run + 1;
		memset(model, 0, sizeof(model));
		memset(owner, 0, sizeof(owner));
		memset(use, 0, sizeof(use));
		owner[0] = PRIVATE_VMS + 1;
		world_start();
		for (u32 i = 0; i < STEPS; i++) {
			steps[any(sizeof(steps) / sizeof(*steps))](any(VMS));
			if (i % 1000 == 0)
				compare();
		}
		compare();
		world_stop();
		world_check();
	}
	print_message("%llu calls done, %llu refused, %llu pages given\n", (unsigned long long)done_calls,
		      (unsigned long long)refused_calls, (unsigned long long)marks);
	/* The walk went everywhere. */
	assert_true(done_calls > 10000 && refused_calls > 10000 && marks > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_calls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
