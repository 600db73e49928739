/* What must not change is compared, piece by piece; see scrub.h. */
#include "core/survive/scrub.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/sealed.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "core/vm/vm.h"

#define PIECE_WORDS (SCRUB_PIECE / sizeof(u64))
#define SUMS_ORDER  1u
#define PIECES_MAX  ((PAGE_SIZE << SUMS_ORDER) / sizeof(u64))

/* Translations that are compared at a time. */
#define LEAVES 4u

/* How long all is believed to be in order after it was. */
#define DOUBT_MS 200

struct region {
	const u64 *from;
	u32 pieces;
};

static SEALED struct region regions[SCRUB_REGIONS];
static SEALED unsigned region_count;

/* Of each piece, in the order of the regions. */
static SEALED u64 *sums;
static SEALED u32 piece_count;

/* Where a hart goes on: in the pieces, and in the RAM of its VM and of all in turns. */
static struct cursor {
	u32 region;
	u32 piece; /* of the region */
	u32 sum;
	u32 vm; /* index */
	u64 at;
	u64 at_other;
} cursors[MAX_HARTS];

static u64 compared_at;

/* Any change of one word changes it. */
static u64 sum_of(const u64 *at)
{
	u64 sum = 0;

	for (unsigned n = 0; n < PIECE_WORDS; n += 8)
		sum ^= at[n] ^ at[n + 1] ^ at[n + 2] ^ at[n + 3] ^ at[n + 4] ^ at[n + 5] ^ at[n + 6] ^
		       at[n + 7];
	return sum;
}

void scrub_add(const void *from, u64 bytes)
{
	u32 pieces = (u32)(bytes / SCRUB_PIECE);

	if (region_count == SCRUB_REGIONS || pieces > PIECES_MAX - piece_count)
		return;
	regions[region_count++] = (struct region){ .from = from, .pieces = pieces };
	piece_count += pieces;
}

/* To the next piece; after the last comes the first. */
static void advance(struct cursor *c)
{
	c->sum++;
	if (++c->piece < regions[c->region].pieces)
		return;
	c->piece = 0;
	if (++c->region < region_count)
		return;
	c->region = 0;
	c->sum = 0;
}

static const u64 *piece_at(const struct cursor *c)
{
	return regions[c->region].from + c->piece * PIECE_WORDS;
}

void scrub_begin(void)
{
	struct cursor all = { 0 }, *c;

	if (!region_count)
		return;
	sums = pages_alloc(SUMS_ORDER);
	for (u32 n = 0; sums && n < piece_count; n++, advance(&all))
		sums[n] = sum_of(piece_at(&all));
	/* Each hart begins somewhere else. */
	for (unsigned hart = 0; hart < MAX_HARTS; hart++) {
		c = &cursors[hart];
		for (u32 n = 0; n < hart * 5 % 16 * piece_count / 16; n++)
			advance(c);
	}
}

static void compare_piece(struct cursor *c)
{
	const u64 *at = piece_at(c);

	if (__builtin_expect(sum_of(at) != sums[c->sum], 0))
		panic("what is constant has changed in the %u bytes at 0x%lx", SCRUB_PIECE,
		      (u64)(uintptr_t)at);
	advance(c);
}

/* ---- Translations ---- */

static bool is_ram(u64 at)
{
	for (u32 n = 0; n < estate.machine.ram_count; n++) {
		if (range_inside(at, 1, estate.machine.ram[n].base, estate.machine.ram[n].size))
			return true;
	}
	return false;
}

/* The heir is to stop the VM: what it has read, or what it has, may be another's. */
static void give_up(const struct vm *vm)
{
	struct vcpu_record *r = vm->vcpu[0].r;

	estate_store(&r->park_reason, PARK_TABLES);
	estate_store(&r->state, VCPU_PARKED);
}

static void give_up_owner(u64 at)
{
	for (unsigned n = 0; n < MAX_VMS; n++) {
		for (u32 i = 0; vms[n] && i < vms[n]->config.extent_count; i++) {
			const struct vm_extent *e = &vms[n]->config.extents[i];

			if (range_inside(at, 1, e->hpa, e->size))
				give_up(vms[n]);
		}
	}
}

void scrub_tables_contradict(const struct vm *vm, u64 at)
{
	panic(SCRUB_TABLES_CONTRADICT " of %s at 0x%lx", vm->config.name, at);
}

/*
 * Compares at most *count translations from `from` on; where to go on. *count is not 0 afterwards if the one there leads to
 * nothing, which has done no harm. One that leads to other RAM may have been used, and nothing says whether it was: the VM is
 * given up, and the VM that has that RAM.
 */
static u64 compare_leaves(const struct vm *vm, u64 from, u64 *count)
{
	struct gstage_leaf leaf;
	u64 at = guest_ram_disagrees(vm, from, count, &leaf);

	/* No hart uses one that is not aligned to what it covers. */
	if (*count && is_ram(leaf.host.a) && (leaf.host.a ^ at) % (PAGE_SIZE << 9 * leaf.level) == 0) {
		give_up(vm);
		give_up_owner(leaf.host.a);
		scrub_tables_contradict(vm, at);
	}
	return at;
}

bool scrub_translations(const struct vm *vm)
{
	u64 count = ~0ull;

	compare_leaves(vm, backing_base(&vm->config), &count);
	return !count;
}

/* ---- All of it ---- */

/* The next few translations of a VM from `at` on, which is anywhere. Where to go on. */
static u64 compare_next(const struct vm *vm, u64 at)
{
	u64 count = LEAVES;

	if (!backing_has(&vm->config, at))
		at = backing_base(&vm->config);
	at = compare_leaves(vm, at, &count);
	if (count)
		scrub_tables_contradict(vm, at);
	return at;
}

/* So many places in the table of VMs are tried for one. */
#define EMPTY_MAX 8

/* A VM that none of its harts looks at, because its guest makes no exit. */
static void compare_other(struct cursor *c)
{
	for (unsigned n = 0; n < EMPTY_MAX && !vms[c->vm]; n++)
		c->vm = (c->vm + 1) % MAX_VMS;
	if (!vms[c->vm])
		return;
	c->at_other = compare_next(vms[c->vm], c->at_other);
	if (backing_has(&vms[c->vm]->config, c->at_other))
		return;
	c->vm = (c->vm + 1) % MAX_VMS;
	c->at_other = 0;
}

void scrub_some(unsigned hart, unsigned count, const struct vm *vm)
{
	struct cursor *c = &cursors[hart];

	for (unsigned n = 0; sums && n < count; n++)
		compare_piece(c);
	if (vm)
		c->at = compare_next(vm, c->at);
	compare_other(c);
}

void scrub_doubt(const struct vm *vm)
{
	const u64 now = arch_time();
	u64 before = __atomic_load_n(&compared_at, __ATOMIC_RELAXED);
	struct cursor all = { 0 };

	/* Or another hart does it just now. */
	if (now - before < estate.machine.timebase / 1000 * DOUBT_MS ||
	    !__atomic_compare_exchange_n(&compared_at, &before, now, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	for (u32 n = 0; sums && n < piece_count; n++)
		compare_piece(&all);
	arch_beat();
	if (!scrub_translations(vm))
		scrub_tables_contradict(vm, backing_base(&vm->config));
}
