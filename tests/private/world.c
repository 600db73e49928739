#include "tests/private/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world world;

static u8 *pool_memory, *ram_memory;

#define RAM_CONFIG (WORLD_RAM + WORLD_RAM_SIZE - PAGE_SIZE)
#define STALE	   0xa5

/* ---- port.h ---- */

void *port_at(u64 address)
{
	if (address >= WORLD_POOL && address - WORLD_POOL < WORLD_POOL_SIZE)
		return pool_memory + (address - WORLD_POOL);
	if (address >= WORLD_RAM && address - WORLD_RAM < WORLD_RAM_SIZE)
		return ram_memory + (address - WORLD_RAM);
	(void)fprintf(stderr, "the warden reaches for 0x%llx\n", (unsigned long long)address);
	abort();
}

bool port_is_ordinary(u64 address, u64 bytes)
{
	return bytes && address >= WORLD_RAM && address - WORLD_RAM < WORLD_RAM_SIZE &&
	       bytes <= WORLD_RAM_SIZE - (address - WORLD_RAM);
}

void port_fence(u32 vmid)
{
	if (world.at_fence)
		world.at_fence(vmid);
	world.fences++;
	world.fenced = vmid;
}

void port_copy(void *to, const void *from, u64 bytes)
{
	memcpy(to, from, bytes);
}

void port_zero_page(u64 address)
{
	memset(port_at(address), 0, PAGE_SIZE);
}

void port_wipe(void *secret, u64 bytes)
{
	memset(secret, 0, bytes);
}

void port_warden_digest(u8 digest[32])
{
	memset(digest, 'w', 32);
}

void port_hypervisor_digest(u8 digest[32])
{
	memset(digest, 'h', 32);
}

/* ---- vcpu.c ---- */

void vcpu_create(struct private_vm *vm, u32 id, u64 page)
{
	vm->vcpu[id] = port_at(page);
	/* What it keeps there. */
	memset(vm->vcpu[id], 'v', PAGE_SIZE);
}

void vcpu_begin(struct private_vm *vm, u64 pc, u64 a1)
{
	(void)vm, (void)pc, (void)a1;
}

s64 vcpu_enter(struct private_ask *a)
{
	(void)a;
	return PRIVATE_NOT_SUPPORTED;
}

s64 vcpu_state(struct private_ask *a)
{
	a->value = a->vm->vcpu[a->arg[1]] ? PRIVATE_VCPU_STOPPED : PRIVATE_VCPU_NONE;
	return PRIVATE_OK;
}

/* ---- */

void world_start(void)
{
	if (!pool_memory) {
		pool_memory = aligned_alloc(BLOCK_SIZE, WORLD_POOL_SIZE);
		ram_memory = aligned_alloc(BLOCK_SIZE, WORLD_RAM_SIZE);
	}
	memset(pool_memory, STALE, WORLD_POOL_SIZE);
	memset(ram_memory, 0, WORLD_RAM_SIZE);
	pool_begin(WORLD_POOL, WORLD_POOL_SIZE, 0x3fff);
	world = (struct world){ 0 };
}

s64 world_call(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	const u64 arguments[] = { a0, a1, a2, a3, a4 };

	return private_call(call, arguments, &world.value);
}

u64 world_config(u64 vcpus)
{
	struct private_config *config = port_at(RAM_CONFIG);

	*config = (struct private_config){
		.ram_base = WORLD_GUEST,
		.ram_size = WORLD_GUEST_SIZE,
		.vcpus = vcpus,
		.device_count = 2,
		.device = { { 0x10001000, 2 }, { 0x10002000, 1 } },
	};
	return RAM_CONFIG;
}

void world_vm(u64 n, u64 vcpus)
{
	if (CALL3(CREATE, n, WORLD_BLOCK(n), world_config(vcpus))) {
		(void)fprintf(stderr, "VM %u cannot be made\n", (unsigned)n);
		abort();
	}
}

void world_asks(u64 vm, u32 vcpu, u64 from, u64 to)
{
	private_vm(vm)->conversion[vcpu] = (struct private_conversion){ from, to, from != to };
}

void world_stop(void)
{
	for (u64 vm = 0; vm < PRIVATE_VMS; vm++) {
		if (CALL2(INFO, PRIVATE_INFO_VM, vm) || world.value == PRIVATE_VM_NONE)
			continue;
		(void)CALL2(END, vm, 0);
		for (u64 block = 0; block < WORLD_BLOCKS; block++)
			(void)CALL2(RECLAIM, vm, WORLD_BLOCK(block));
	}
}

/* ---- Invariants ---- */

#define MUST(c)                                                                               \
	do {                                                                                  \
		if (!(c)) {                                                                   \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #c); \
			abort();                                                              \
		}                                                                             \
	} while (0)

#define POOL_PAGES (WORLD_POOL_SIZE / PAGE_SIZE)

static u8 seen[POOL_PAGES];

static void see(const struct private_vm *vm, u64 page, enum private_use use)
{
	const u64 n = (page - WORLD_POOL) / PAGE_SIZE;

	MUST(page >= WORLD_POOL && page - WORLD_POOL < WORLD_POOL_SIZE);
	MUST(pool_owner(page - page % BLOCK_SIZE) == 1 + private_vm_number(vm));
	MUST(pool_use(page) == use);
	MUST(!seen[n]);
	seen[n] = 1;
}

static void see_leaf(const struct private_vm *vm, u64 at, u32 level, u64 entry)
{
	const u64 page = table_entry_page(entry);

	if (at & PRIVATE_SHARED_BIT) {
		MUST(level == 0 && port_is_ordinary(page, PAGE_SIZE) && !(entry & 8));
		MUST(!table_private_page(vm, at ^ PRIVATE_SHARED_BIT));
		return;
	}
	MUST(at >= WORLD_GUEST && at - WORLD_GUEST < WORLD_GUEST_SIZE && page % table_span(level) == 0);
	for (u64 i = 0; i < table_span(level); i += PAGE_SIZE)
		see(vm, page + i, level ? PRIVATE_PAGE_HUGE : PRIVATE_PAGE_LEAF);
}

static void see_table(const struct private_vm *vm, const u64 *table, u64 entries, u64 at, u32 level)
{
	for (u64 i = 0; i < entries; i++) {
		const u64 here = at + i * table_span(level);

		if (table_entry_is_leaf(table[i])) {
			see_leaf(vm, here, level, table[i]);
		} else if (table_entry_is_table(table[i])) {
			MUST(level);
			see(vm, table_entry_page(table[i]), PRIVATE_PAGE_TABLE);
			see_table(vm, port_at(table_entry_page(table[i])), TABLE_ENTRIES, here, level - 1);
		} else {
			MUST(!table[i]);
		}
	}
}

static void see_vm(const struct private_vm *vm)
{
	for (u64 i = 0; i < PRIVATE_FIRST_PAGES; i++)
		see(vm, vm->root + i * PAGE_SIZE, PRIVATE_PAGE_OWN);
	for (u64 i = 0; i < PRIVATE_VCPUS; i++)
		if (vm->vcpu[i])
			see(vm, WORLD_POOL + (u64)((const u8 *)vm->vcpu[i] - pool_memory), PRIVATE_PAGE_VCPU);
	see_table(vm, port_at(vm->root), 4 * TABLE_ENTRIES, 0, 2);
}

static bool is_stale(u64 page)
{
	static u8 stale[PAGE_SIZE];

	if (!stale[0])
		memset(stale, STALE, sizeof(stale));
	return !memcmp(port_at(page), stale, PAGE_SIZE);
}

static void check_page(u64 page)
{
	const u32 owner = pool_owner(page - page % BLOCK_SIZE);
	const bool ending = owner && private_vm(owner - 1)->state == PRIVATE_VM_ENDING;

	if (pool_use(page) == PRIVATE_PAGE_UNUSED)
		MUST(world_page_is_zero(page) || is_stale(page));
	else
		MUST(owner && (ending || seen[(page - WORLD_POOL) / PAGE_SIZE]));
}

void world_check(void)
{
	u64 blocks[PRIVATE_VMS] = { 0 }, vm, block;

	memset(seen, 0, sizeof(seen));
	for (vm = 0; vm < PRIVATE_VMS; vm++)
		if (private_vm(vm)->state == PRIVATE_VM_LAUNCH || private_vm(vm)->state == PRIVATE_VM_ALIVE)
			see_vm(private_vm(vm));
	for (block = WORLD_BLOCK(0); block < WORLD_POOL + WORLD_POOL_SIZE; block += BLOCK_SIZE) {
		MUST(pool_owner(block) <= PRIVATE_VMS);
		if (pool_owner(block))
			blocks[pool_owner(block) - 1]++;
		for (u64 page = block; page < block + BLOCK_SIZE; page += PAGE_SIZE)
			check_page(page);
	}
	for (vm = 0; vm < PRIVATE_VMS; vm++) {
		MUST(!blocks[vm] == (private_vm(vm)->state == PRIVATE_VM_NONE));
		MUST(!blocks[vm] || blocks[vm] == private_vm(vm)->blocks);
		MUST(!private_vm(vm)->lock.taken);
	}
}

bool world_page_is_zero(u64 page)
{
	static const u8 zeroes[PAGE_SIZE];

	return !memcmp(port_at(page), zeroes, PAGE_SIZE);
}
