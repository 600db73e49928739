/*
 * The machine's RAM: see plan_memory.h. What lies where in it is the loader's choice (QEMU's virt here) and the warden's: what
 * is computed is the least RAM in which everything finds its place.
 */
#include "cli/plan_memory.h"
#include "abi/private_size.h"
#include "cli/units.h"
#include "core/private/private.h"
#include <stdio.h>
#include <stdlib.h>

/* QEMU puts the pack into the machine's first GiB, between the hypervisor and the device tree. */
#define PACK_MOST MIB(768)

/* A piece of RAM that is taken; offsets from its start. */
struct piece {
	u64 begin, end;
};

/* Sorted by what lies where. */
struct places {
	struct piece piece[5];
	size_t count;
};

static u64 pack_size(const struct host_plan *plan)
{
	u64 size = host_plan_items_offset(plan);

	for (u32 i = 0; i < plan->item_count; i++)
		size += ALIGN_UP(plan->items[i].size, PAGE_SIZE);
	return size;
}

/* What the VMs take of the pool, and of the rest of RAM. */
static void sum_up(const struct host_plan *plan, u64 *private, u64 *ordinary)
{
	*private = *ordinary = 0;
	for (u32 i = 0; i < plan->vm_count; i++) {
		const struct vm_config *vm = &plan->vms[i];

		if (vm->flags & VM_CONFIDENTIAL) {
			*private += vm->memory + private_kept_size(vm);
			*ordinary += private_shared_size(vm);
		} else {
			*ordinary += vm->memory;
		}
	}
}

static int by_begin(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void take(struct places *p, u64 begin, u64 end)
{
	p->piece[p->count++] = (struct piece){ ALIGN_DOWN(begin, BLOCK_SIZE), ALIGN_UP(end, BLOCK_SIZE) };
	qsort(p->piece, p->count, sizeof(p->piece[0]), by_begin);
}

/*
 * The pack lies at half of RAM, at most 128 MiB, behind the kernel's address (riscv_load_initrd), the device tree in the last
 * 16 MiB below 3 GiB (virt). False if they meet.
 */
static bool place_loaded(struct places *p, const struct host_plan *plan, u64 memory)
{
	u64 pack_at = LAYOUT_WARDEN_SIZE + (memory / 2 < MIB(128) ? memory / 2 : MIB(128));
	u64 low = memory < GIB(1) ? memory : GIB(1);
	u64 tree_at = ALIGN_DOWN(low - MIB(1), MIB(16));

	*p = (struct places){ 0 };
	take(p, 0, LAYOUT_MIN_RAM / 2);
	take(p, pack_at, pack_at + plan->pack_size);
	take(p, tree_at, low);
	take(p, memory, memory);
	return pack_at + plan->pack_size <= tree_at;
}

static bool is_free(const struct places *p, u64 begin, u64 end)
{
	for (size_t i = 0; i < p->count; i++)
		if (begin < p->piece[i].end && p->piece[i].begin < end)
			return false;
	return true;
}

/* As the warden does it, aligned by address to its size: the highest place that is free. False if there is none. */
static bool place_pool(struct places *p, u64 pool, u64 memory)
{
	u64 at;

	if (!pool)
		return true;
	if (memory < pool)
		return false;
	for (at = ALIGN_DOWN(PLAN_RAM_BASE + memory - pool, pool); at >= PLAN_RAM_BASE + LAYOUT_MIN_RAM;
	     at -= pool)
		if (is_free(p, at - PLAN_RAM_BASE, at - PLAN_RAM_BASE + pool)) {
			take(p, at - PLAN_RAM_BASE, at - PLAN_RAM_BASE + pool);
			return true;
		}
	return false;
}

/* The root VM needs its RAM in one piece. */
static bool root_fits(const struct host_plan *plan, const struct places *p)
{
	u64 need = 0;

	for (u32 i = 0; i < plan->vm_count; i++)
		if (plan->vms[i].flags & VM_ROOT)
			need = plan->vms[i].memory;
	for (size_t i = 0; i + 1 < p->count; i++)
		if (p->piece[i].end + need <= p->piece[i + 1].begin)
			return true;
	return !need;
}

/* True if loader, warden and guests find room in `memory` bytes. */
static bool is_enough(const struct host_plan *plan, u64 ordinary, u64 memory)
{
	struct places places;

	return place_loaded(&places, plan, memory) && place_pool(&places, plan->pool, memory) &&
	       root_fits(plan, &places) &&
	       LAYOUT_MIN_RAM + ALIGN_UP(plan->pack_size, BLOCK_SIZE) + plan->pool + ordinary <= memory;
}

/* The least pool that has so many bytes for VMs. */
static u64 pool_for(u64 bytes)
{
	u64 size = PRIVATE_POOL_MIN;

	while (size < bytes + private_own_size(size))
		size *= 2;
	return size;
}

static void plan_pool(struct host_plan *plan, u64 need, struct diagnostics *d)
{
	const struct field_number *given = &plan->spec->machine.confidential;
	char have[24], wanted[24], enough[24];
	u64 least = need ? pool_for(need) : 0;

	plan->pool = least;
	/* What is no power of two has been reported. */
	if (given->given && !(given->value & (given->value - 1)))
		plan->pool = given->value;
	if (given->given && given->value < least)
		diagnostics_add(d, given->line, "machine.confidential",
				"%s is too little: the confidential VMs take %s, so %s would do",
				units_format_size(have, sizeof(have), given->value),
				units_format_size(wanted, sizeof(wanted), need),
				units_format_size(enough, sizeof(enough), least));
}

static void too_little(const struct host_plan *plan, u64 ordinary, u64 least, struct diagnostics *d)
{
	const struct field_number *given = &plan->spec->machine.memory;
	char have[24], need[24], for_guests[24], for_pack[24], for_pool[40] = "", size[24];

	if (plan->pool)
		snprintf(for_pool, sizeof(for_pool), "%s for confidential VMs, ",
			 units_format_size(size, sizeof(size), plan->pool));
	diagnostics_add(
		d, given->line, "machine.memory",
		"%s is too little: at least %s (%s for guests, %s%s for the boot pack, the rest for the "
		"hypervisor)",
		units_format_size(have, sizeof(have), given->value),
		units_format_size(need, sizeof(need), least),
		units_format_size(for_guests, sizeof(for_guests), ordinary), for_pool,
		units_format_size(for_pack, sizeof(for_pack), plan->pack_size));
}

void plan_memory(struct host_plan *plan, struct diagnostics *d)
{
	const struct field_number *given = &plan->spec->machine.memory;
	char have[24], need[24];
	u64 private, ordinary, least;

	sum_up(plan, &private, &ordinary);
	plan_pool(plan, private, d);
	plan->pack_size = pack_size(plan);
	if (plan->pack_size > PACK_MOST) {
		diagnostics_add(d, plan->spec->vms.line, "vms",
				"kernels and initrds take %s together, more than %s",
				units_format_size(need, sizeof(need), plan->pack_size),
				units_format_size(have, sizeof(have), PACK_MOST));
		return;
	}
	for (least = LAYOUT_MIN_RAM; !is_enough(plan, ordinary, least); least += MIB(16))
		if (least < ordinary + plan->pool)
			least = ALIGN_DOWN(ordinary + plan->pool, MIB(16));
	plan->memory = given->given ? given->value : least;
	if (given->given && !is_enough(plan, ordinary, given->value))
		too_little(plan, ordinary, least, d);
}
