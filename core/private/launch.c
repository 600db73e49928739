/* Confidential VMs come and go: what they need, their start with the warden, their end. */
#include "core/arch.h"
#include "core/estate/cold.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "core/private/inside.h"

struct machine_range private_pool(const char **why)
{
	static const char *const absent[] = {
		[PRIVATE_NOT_WANTED] = "the machine was started without a pool (machine.confidential)",
		[PRIVATE_NO_ROOM] =
			"no piece of RAM is free for the pool: more memory or a smaller machine.confidential would do",
		[PRIVATE_NO_PMP] = "the harts have too few PMP entries for the pool: 16 would do",
		[PRIVATE_NO_HARDWARE] =
			"the harts lack Sstc, Sv39x4 or VMIDs, or have Smepmp, with which the warden cannot keep the pool",
	};
	struct machine_range pool = { 0 };
	u64 reason = 0;
	int error = private_ask(PRIVATE_INFO, PRIVATE_INFO_POOL, 0, 0, 0, &pool.base);

	*why = "the firmware has no warden that keeps confidential VMs: Outlive's own would do";
	if (error)
		reason = pool.base;
	else
		error = private_ask(PRIVATE_INFO, PRIVATE_INFO_POOL_SIZE, 0, 0, 0, &pool.size);
	if (error && reason < ARRAY_SIZE(absent) && absent[reason])
		*why = absent[reason];
	if (error || pool.base % BLOCK_SIZE || pool.size % BLOCK_SIZE || pool.base + pool.size < pool.base)
		return (struct machine_range){ 0 };
	return pool;
}

bool private_block_free(u64 block)
{
	const char *why;
	const struct machine_range pool = private_pool(&why);
	u64 owner = 0;

	return range_inside(block, BLOCK_SIZE, pool.base, pool.size) &&
	       !private_ask(PRIVATE_INFO, PRIVATE_INFO_OWNER, (block - pool.base) / BLOCK_SIZE, 0, 0,
			    &owner) &&
	       !owner;
}

/* The lowest number that no VM has, as far as the records tell: one that has been refused keeps its own. */
static u32 free_number(void)
{
	static struct vm_config config;
	u64 taken = 0;

	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (cold_read(estate_vm(n)->config, COLD_VM, &config, sizeof(config)))
			continue;
		if ((config.flags & VM_CONFIDENTIAL) && config.private_number < PRIVATE_VMS)
			taken |= 1ull << config.private_number;
	}
	return (u32)__builtin_ctzll(~taken);
}

int private_plan(struct vm_config *config, char *why, size_t size)
{
	const char *absent;
	const struct machine_range pool = private_pool(&absent);

	config->private_number = free_number();
	config->kept = (struct vm_extent){ .size = private_kept_size(config) };
	config->shared = (struct vm_extent){ .size = private_shared_size(config) };
	if (config->flags & VM_ROOT)
		format(why, size, "the root VM has the machine's devices, which reach all memory");
	else if (config->vcpus > PRIVATE_VCPUS)
		format(why, size, "%u vCPUs, at most %u", config->vcpus, PRIVATE_VCPUS);
	else if (config->private_number >= PRIVATE_VMS)
		format(why, size, "a host has at most %u of them", PRIVATE_VMS);
	else if (!pool.size)
		format(why, size, "%s", absent);
	else if (config->memory > pool.size)
		format(why, size,
		       "the pool has %lu MiB, it needs %lu: a larger machine.confidential would do",
		       pool.size >> 20, (config->memory + config->kept.size) >> 20);
	else
		return 0;
	return -EOPNOTSUPP;
}

int private_create(struct vm *vm)
{
	const struct gstage_format *format = gstage_format_for(2 * PRIVATE_SHARED_BIT);
	struct confidential *c = object_alloc(sizeof(*c));
	int error;

	if (!c)
		return -ENOMEM;
	c->vm = vm;
	c->loading = ~0ull;
	c->kept_used = object_alloc(kept_pages(vm) / 8);
	c->staged = page_alloc();
	if (!c->kept_used || !c->staged)
		return -ENOMEM;
	error = gstage_create(&c->mirror, format, vm->index + 1);
	if (!error)
		error = gstage_create(&vm->gstage, format, vm->index + 1);
	if (error)
		return error;
	c->mirror.hook = private_mirror_hook;
	vm->gstage.hook = private_direct_hook;
	vm->confidential = c;
	return 0;
}

u64 private_used(const struct vm *vm)
{
	const struct gstage *mirror = &vm->confidential->mirror;
	u64 used = 0;

	for (u64 at = backing_base(&vm->config); backing_has(&vm->config, at); at += BLOCK_SIZE) {
		const struct gstage_leaf leaf = gstage_lookup(mirror, GPA(at));

		used += leaf.rights || !leaf.level ? BLOCK_SIZE : 0;
	}
	return used;
}

/* ---- A start ---- */

/* Calls f for all blocks of its that lie in the pool, the first of `kept` last. */
static int each_block(struct vm *vm, int (*f)(struct vm *vm, u64 block))
{
	const struct vm_config *config = &vm->config;
	int error = 0;

	for (u32 i = 0; i < config->extent_count && !error; i++) {
		for (u64 at = 0; at < config->extents[i].size && !error; at += BLOCK_SIZE) {
			error = f(vm, config->extents[i].hpa + at);
			arch_beat();
		}
	}
	for (u64 at = config->kept.size; at && !error; at -= BLOCK_SIZE)
		error = f(vm, config->kept.hpa + at - BLOCK_SIZE);
	return error;
}

static int reclaim_block(struct vm *vm, u64 block)
{
	const char *why;
	const struct machine_range pool = private_pool(&why);
	u64 owner = 0;
	int error =
		private_ask(PRIVATE_INFO, PRIVATE_INFO_OWNER, (block - pool.base) / BLOCK_SIZE, 0, 0, &owner);

	if (error || owner != 1 + private_number(vm))
		return error;
	return private_ask(PRIVATE_RECLAIM, private_number(vm), block, 0, 0, NULL);
}

static int donate_block(struct vm *vm, u64 block)
{
	/* CREATE has it already. */
	if (block == vm->config.kept.hpa)
		return 0;
	return private_ask(PRIVATE_DONATE, private_number(vm), block, 0, 0, NULL);
}

static int forget(struct vm *vm)
{
	u64 state = PRIVATE_VM_NONE;
	int error = private_ask(PRIVATE_INFO, PRIVATE_INFO_VM, private_number(vm), 0, 0, &state);

	if (error || state == PRIVATE_VM_NONE)
		return error;
	error = private_ask(PRIVATE_END, private_number(vm), 0, 0, 0, NULL);
	return error ? error : each_block(vm, reclaim_block);
}

static int create(struct vm *vm)
{
	struct private_config *config = (struct private_config *)vm->confidential->staged;

	*config = (struct private_config){
		.ram_base = backing_base(&vm->config),
		.ram_size = vm->config.memory,
		.vcpus = vm->config.vcpus,
	};
	bounce_declare(&vm->config, config);
	return private_ask(PRIVATE_CREATE, private_number(vm), vm->config.kept.hpa, (u64)(uintptr_t)config, 0,
			   NULL);
}

/* What a life before, or a boot before, has left in our records. */
static void reset(struct vm *vm)
{
	struct confidential *c = vm->confidential;

	gstage_forget(&c->mirror);
	gstage_forget(&vm->gstage);
	for (unsigned n = 0; n < VM_SHARED_PAGES; n++)
		if (estate_load(&vm->s->shared[n]))
			estate_store(&vm->s->shared[n], 0);
	estate_store(&vm->s->converting, 0);
	memset(c->kept_used, 0, kept_pages(vm) / 8);
	c->kept_used[0] = (1ull << PRIVATE_FIRST_PAGES) - 1;
	c->kept_next = PRIVATE_FIRST_PAGES;
	c->loading = ~0ull;
	private_know_all(c, true);
}

/* What another VM has left in the RAM of bounce buffers would be copied to the guest by a device that writes too little. */
static void zero_bounce_buffers(const struct vm *vm)
{
	const u64 end = ALIGN_UP(bounce_bytes(&vm->config), BLOCK_SIZE);

	for (u64 at = 0; at < end; at += BLOCK_SIZE) {
		arch_zero(arch_window_block(HPA(vm->config.shared.hpa + at)), BLOCK_SIZE);
		arch_window_block_close();
		arch_beat();
	}
}

int private_launch(struct vm *vm)
{
	int error = forget(vm);

	reset(vm);
	zero_bounce_buffers(vm);
	if (!error)
		error = create(vm);
	if (!error)
		error = each_block(vm, donate_block);
	for (u32 n = 0; n < vm->config.vcpus && !error; n++) {
		u64 page = kept_take(vm->confidential);

		error = private_ask(PRIVATE_VCPU, private_number(vm), n, page, 0, NULL);
	}
	if (error)
		log_line("%s: the warden does not take it: error %d", vm->config.name, -error);
	return error;
}

static int load_bytes(struct vm *vm, u64 page, const void *from, u64 bytes)
{
	int error = private_fault(vm, GPA(page));

	return error ? error
		     : private_ask(PRIVATE_LOAD, private_number(vm), page, (u64)(uintptr_t)from, bytes, NULL);
}

/* A piece that is not a whole page. */
static int load_part(struct vm *vm, u64 to, const u8 *from, u64 bytes)
{
	struct confidential *c = vm->confidential;
	const u64 page = ALIGN_DOWN(to, PAGE_SIZE), offset = to - page;

	if (c->loading != page)
		memset(c->staged, 0, PAGE_SIZE);
	c->loading = page;
	memcpy(c->staged + offset, from, bytes);
	return load_bytes(vm, page, c->staged, PAGE_SIZE);
}

int private_load(struct vm *vm, gpa_t to, const void *from, u64 bytes)
{
	const u8 *at = from;
	int error = 0;

	while (bytes && !error) {
		u64 piece = PAGE_SIZE - to.a % PAGE_SIZE;

		if (piece > bytes)
			piece = bytes;
		if (piece == PAGE_SIZE)
			error = load_bytes(vm, to.a, at, piece);
		else
			error = load_part(vm, to.a, at, piece);
		to.a += piece;
		at += piece;
		bytes -= piece;
		arch_beat();
	}
	return error;
}

int private_final(struct vm *vm, gpa_t pc, u64 a1)
{
	return private_ask(PRIVATE_FINAL, private_number(vm), pc.a, a1, 0, NULL);
}

void private_end(struct vm *vm)
{
	u64 state = PRIVATE_VM_NONE;

	if (!private_ask(PRIVATE_INFO, PRIVATE_INFO_VM, private_number(vm), 0, 0, &state) &&
	    state != PRIVATE_VM_NONE)
		(void)private_ask(PRIVATE_END, private_number(vm), 0, 0, 0, NULL);
}
