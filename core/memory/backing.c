/*
 * Which host RAM a VM gets.
 *
 * There is no table of what is taken: it follows from the configuration records in the estate each time. An heir has
 * nothing to rebuild, and no second copy can disagree.
 */
#include "core/memory/backing.h"
#include "core/estate/cold.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/private/private.h"

/* The part of a RAM range that consists of whole blocks. */
static struct machine_range whole_blocks(const struct machine_range *r)
{
	u64 from = ALIGN_UP(r->base, BLOCK_SIZE), end = ALIGN_DOWN(r->base + r->size, BLOCK_SIZE);

	if (from < r->base || end <= from)
		return (struct machine_range){ 0 };
	return (struct machine_range){ .base = from, .size = end - from };
}

/*
 * What no VM gets, whole blocks: n = 0: warden, slots and estate; 1: the boot pack; 2: the machine's device tree, if it
 * is kept; then what the machine keeps.
 */
#define RESERVED_FIXED 3
#define RESERVED_COUNT (RESERVED_FIXED + MACHINE_MAX_RESERVED)

static struct machine_range blocks_around(u64 from, u64 size)
{
	u64 start = ALIGN_DOWN(from, BLOCK_SIZE), end = ALIGN_UP(from + size, BLOCK_SIZE);

	if (!size)
		return (struct machine_range){ 0 };
	return (struct machine_range){ .base = start, .size = end < start ? -start : end - start };
}

static struct machine_range reserved(unsigned n)
{
	const struct machine_record *m = &estate.machine;

	if (n == 0)
		return blocks_around(estate.base - LAYOUT_ESTATE_OFFSET, LAYOUT_ESTATE_OFFSET + estate.size);
	if (n == 1)
		return blocks_around(m->pack.base, m->pack.size);
	if (n == 2)
		return blocks_around(m->dtb.base, m->dtb.size);
	if (n - RESERVED_FIXED >= m->reserved_count)
		return (struct machine_range){ 0 };
	return blocks_around(m->reserved[n - RESERVED_FIXED].base, m->reserved[n - RESERVED_FIXED].size);
}

/* Memory of confidential VMs lies in the warden's pool, all but what they share with the host. */
enum where {
	IN_RAM,
	IN_POOL,
};

static void pass_extent(const struct vm_extent *e, void (*f)(struct machine_range, void *), void *context)
{
	if (e->hpa + e->size >= e->hpa)
		f((struct machine_range){ .base = e->hpa, .size = e->size }, context);
}

/*
 * Calls f(range, context) for every piece of RAM, or of the pool, that a VM has. They are read from the records of the
 * estate, so that it does not matter how far a life has come in setting VMs up, and what a refused VM has is kept.
 */
static void each_extent(enum where where, void (*f)(struct machine_range, void *), void *context)
{
	struct vm_config config;

	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (cold_read(estate_vm(n)->config, COLD_VM, &config, sizeof(config)))
			continue;
		if (config.flags & VM_CONFIDENTIAL)
			pass_extent(where == IN_POOL ? &config.kept : &config.shared, f, context);
		if (!(config.flags & VM_CONFIDENTIAL) != (where == IN_RAM))
			continue;
		for (u32 i = 0; i < config.extent_count && i < VM_MAX_EXTENTS; i++)
			pass_extent(&config.extents[i], f, context);
	}
}

/* ---- Finding room ---- */

/* A map of the holes: ranges that are taken, in no order. One at a time, under the host lock. */
static struct {
	struct machine_range range[RESERVED_COUNT + 1 + MAX_VMS * VM_MAX_EXTENTS + VM_MAX_EXTENTS];
	unsigned count;
} taken;

static void note_taken(struct machine_range r, void *context)
{
	(void)context;
	if (r.size && taken.count < ARRAY_SIZE(taken.range))
		taken.range[taken.count++] = r;
}

/* What this life has been lent; size 0: nothing. */
static struct machine_range lent;

/* Where room is looked for. */
struct room {
	const struct machine_range *ram;
	u32 count;
};

static struct room room_of_machine(void)
{
	return (struct room){ estate.machine.ram, estate.machine.ram_count };
}

/* Fills in `taken`. */
static void note_all_taken(void)
{
	taken.count = 0;
	for (unsigned n = 0; n < RESERVED_COUNT; n++)
		note_taken(reserved(n), NULL);
	note_taken(lent, NULL);
	each_extent(IN_RAM, note_taken, NULL);
}

/* The same for the pool: what the warden does not count as free, its own notes for one, and what is meant for a VM. */
static void note_pool_taken(const struct machine_range *pool)
{
	taken.count = 0;
	each_extent(IN_POOL, note_taken, NULL);
	for (u64 at = pool->base; at < pool->base + pool->size; at += BLOCK_SIZE) {
		struct machine_range *last = taken.count ? &taken.range[taken.count - 1] : NULL;

		if (private_block_free(at))
			continue;
		if (last && last->base + last->size == at)
			last->size += BLOCK_SIZE;
		else
			note_taken((struct machine_range){ .base = at, .size = BLOCK_SIZE }, NULL);
	}
}

/* End of some taken range that overlaps [at, at + size), or 0. */
static u64 blocked_until(u64 at, u64 size)
{
	for (unsigned i = 0; i < taken.count; i++) {
		const struct machine_range *r = &taken.range[i];

		if (ranges_overlap(at, size, r->base, r->size))
			return r->base + r->size;
	}
	return 0;
}

/* Lowest free place of `size` bytes at a multiple of `align`, anywhere in the room; 0 if none (never a place itself). */
static u64 first_fit(struct room room, u64 size, u64 align)
{
	for (u32 i = 0; i < room.count; i++) {
		struct machine_range ram = whole_blocks(&room.ram[i]);
		u64 at = ALIGN_UP(ram.base, align), next;

		while (at >= ram.base && range_inside(at, size, ram.base, ram.size)) {
			next = blocked_until(at, size);
			if (!next)
				return at;
			at = ALIGN_UP(next, align);
		}
	}
	return 0;
}

/* End of the hole that begins at `at`: the lowest taken address behind it, or the end of its RAM. */
static u64 hole_end(struct room room, u64 at)
{
	u64 end = at;

	for (u32 i = 0; i < room.count; i++) {
		struct machine_range ram = whole_blocks(&room.ram[i]);

		if (range_inside(at, BLOCK_SIZE, ram.base, ram.size))
			end = ram.base + ram.size;
	}
	for (unsigned i = 0; i < taken.count; i++) {
		if (taken.range[i].base > at && taken.range[i].base < end)
			end = taken.range[i].base;
	}
	return end;
}

/* The largest hole, at most `limit` bytes of it. */
static struct machine_range largest_hole(struct room room, u64 limit)
{
	struct machine_range best = { 0 };

	for (u32 i = 0; i < room.count; i++) {
		struct machine_range ram = whole_blocks(&room.ram[i]);
		u64 at = ram.base;

		while (range_inside(at, BLOCK_SIZE, ram.base, ram.size)) {
			u64 next = blocked_until(at, BLOCK_SIZE);

			if (!next) {
				next = hole_end(room, at);
				if (next - at > best.size)
					best = (struct machine_range){ .base = at, .size = next - at };
			}
			at = next;
		}
	}
	if (best.size > limit)
		best.size = limit;
	return best;
}

/*
 * A place for the whole VM in one piece: at a multiple of 1 GiB if it is that large, because the guest's RAM begins at
 * one and a leaf of that size then serves; otherwise anywhere.
 */
static u64 one_piece(struct room room, u64 memory)
{
	u64 at = 0;

	_Static_assert(GUEST_RAM_BASE % GIB(1) == 0, "guest RAM begins at a multiple of 1 GiB");
	if (memory >= GIB(1))
		at = first_fit(room, memory, GIB(1));
	return at ? at : first_fit(room, memory, BLOCK_SIZE);
}

static void add_extent(struct vm_config *config, u64 *placed, struct machine_range r)
{
	u64 gpa = config->flags & VM_ROOT ? r.base : GUEST_RAM_BASE + *placed;

	config->extents[config->extent_count++] =
		(struct vm_extent){ .gpa = gpa, .hpa = r.base, .size = r.size };
	*placed += r.size;
	note_taken(r, NULL);
}

/* True if there is a bit in `touched` for each of the VM's blocks: they count from the 1 GiB that RAM begins in. */
static bool touched_fit(u64 base, const struct vm_config *config)
{
	return !(config->flags & VM_ROOT) || config->memory <= VM_MEMORY_MAX - base % GIB(1);
}

/* Extents for all of the memory, in the room as `taken` leaves it. False: there is too little. */
static bool place(struct vm_config *config, struct room room)
{
	u64 placed = 0;
	u64 at = config->flags & VM_ROOT ? first_fit(room, config->memory, BLOCK_SIZE)
					 : one_piece(room, config->memory);

	if (at && !touched_fit(at, config))
		at = 0;
	if (at)
		add_extent(config, &placed, (struct machine_range){ .base = at, .size = config->memory });
	while (!(config->flags & VM_ROOT) && placed < config->memory &&
	       config->extent_count < VM_MAX_EXTENTS) {
		struct machine_range hole = largest_hole(room, config->memory - placed);

		if (!hole.size)
			break;
		add_extent(config, &placed, hole);
	}
	return placed == config->memory;
}

/* A confidential VM: its memory and `kept` from the pool, `shared` from RAM. */
static bool place_confidential(struct vm_config *config)
{
	const char *why;
	const struct machine_range pool = private_pool(&why);
	const struct room room = { &pool, 1 };

	note_pool_taken(&pool);
	config->kept.hpa = first_fit(room, config->kept.size, BLOCK_SIZE);
	note_taken((struct machine_range){ .base = config->kept.hpa, .size = config->kept.size }, NULL);
	if (!config->kept.hpa || !place(config, room))
		return false;
	note_all_taken();
	config->shared.hpa = first_fit(room_of_machine(), config->shared.size, BLOCK_SIZE);
	return config->shared.hpa;
}

static void add_bytes(struct machine_range r, void *context)
{
	*(u64 *)context += r.size;
}

/* Bytes that `config` could have for its memory. */
static u64 bytes_left(const struct vm_config *config)
{
	const char *why;
	struct machine_range pool;
	u64 used = config->kept.size;

	if (!(config->flags & VM_CONFIDENTIAL))
		return backing_free_bytes();
	pool = private_pool(&why);
	each_extent(IN_POOL, add_bytes, &used);
	return used < pool.size ? pool.size - used : 0;
}

int backing_assign(struct vm_config *config, u64 *have)
{
	bool placed;

	*have = bytes_left(config);
	if (!config->memory || config->memory % BLOCK_SIZE || config->memory > VM_MEMORY_MAX)
		return -EINVAL;
	config->extent_count = 0;
	memset(config->extents, 0, sizeof(config->extents));
	if (config->flags & VM_CONFIDENTIAL) {
		placed = place_confidential(config);
	} else {
		note_all_taken();
		placed = place(config, room_of_machine());
	}
	if (placed)
		return 0;
	config->extent_count = 0;
	memset(config->extents, 0, sizeof(config->extents));
	return -ENOMEM;
}

u64 backing_lend(u64 limit, hpa_t *at)
{
	ASSERT(!lent.size);
	note_all_taken();
	lent = largest_hole(room_of_machine(), limit);
	*at = HPA(lent.base);
	return lent.size;
}

void backing_return(void)
{
	lent = (struct machine_range){ 0 };
}

/* End of the reserved range that `at` lies in, or 0; else *next becomes the lowest start of one behind `at`, if lower. */
static u64 reserved_until(u64 at, u64 *next)
{
	for (unsigned n = 0; n < RESERVED_COUNT; n++) {
		struct machine_range r = reserved(n);

		if (range_inside(at, 1, r.base, r.size))
			return r.base + r.size;
		if (r.size && r.base > at && r.base < *next)
			*next = r.base;
	}
	return 0;
}

/* Bytes of a RAM range outside of the reserved ranges, which may overlap each other. */
static u64 unreserved_bytes(struct machine_range ram)
{
	u64 at = ram.base, end = ram.base + ram.size, total = 0;

	while (at < end) {
		u64 next = end, until = reserved_until(at, &next);

		if (!until)
			total += next - at;
		at = until ? until : next;
	}
	return total;
}

/* Takes from *context what of the range lies in whole blocks of RAM. Records that overlap do not make it wrap. */
static void subtract_extent(struct machine_range r, void *context)
{
	u64 *left = context;

	for (u32 i = 0; i < estate.machine.ram_count; i++) {
		struct machine_range ram = whole_blocks(&estate.machine.ram[i]);
		u64 from = r.base > ram.base ? r.base : ram.base;
		u64 end = r.base + r.size < ram.base + ram.size ? r.base + r.size : ram.base + ram.size;

		if (from < end)
			*left -= end - from < *left ? end - from : *left;
	}
}

u64 backing_free_bytes(void)
{
	u64 left = 0;

	for (u32 i = 0; i < estate.machine.ram_count; i++)
		left += unreserved_bytes(whole_blocks(&estate.machine.ram[i]));
	each_extent(IN_RAM, subtract_extent, &left);
	return left;
}

static bool in_ram(u64 hpa, u64 size)
{
	bool inside = false;

	for (u32 i = 0; i < estate.machine.ram_count; i++)
		inside |= range_inside(hpa, size, estate.machine.ram[i].base, estate.machine.ram[i].size);
	for (unsigned n = 0; inside && n < RESERVED_COUNT; n++)
		inside = !ranges_overlap(hpa, size, reserved(n).base, reserved(n).size);
	return inside;
}

static bool in_pool(u64 hpa, u64 size)
{
	const char *why;
	const struct machine_range pool = private_pool(&why);

	return range_inside(hpa, size, pool.base, pool.size);
}

/* One extent, where the ones before it end, in RAM and clear of what is reserved, or in the pool. */
static bool extent_valid(const struct vm_config *config, const struct vm_extent *e, u64 placed)
{
	u64 gpa = config->flags & VM_ROOT ? e->hpa : GUEST_RAM_BASE + placed;

	if (!e->size || (e->gpa | e->hpa | e->size) % BLOCK_SIZE || e->gpa != gpa ||
	    e->size > config->memory - placed || !touched_fit(gpa, config))
		return false;
	return config->flags & VM_CONFIDENTIAL ? in_pool(e->hpa, e->size) : in_ram(e->hpa, e->size);
}

/* What a confidential VM has beside its memory. */
static bool beside_valid(const struct vm_config *config)
{
	const struct vm_extent *kept = &config->kept, *shared = &config->shared;

	if (!(config->flags & VM_CONFIDENTIAL))
		return true;
	for (u32 i = 0; i < config->extent_count; i++)
		if (ranges_overlap(kept->hpa, kept->size, config->extents[i].hpa, config->extents[i].size))
			return false;
	return !((kept->hpa | shared->hpa) % BLOCK_SIZE) && kept->size == private_kept_size(config) &&
	       in_pool(kept->hpa, kept->size) && shared->size == private_shared_size(config) &&
	       in_ram(shared->hpa, shared->size) && config->private_number < PRIVATE_VMS &&
	       config->vcpus <= PRIVATE_VCPUS;
}

bool backing_valid(const struct vm_config *config)
{
	u64 placed = 0;

	if (config->memory % BLOCK_SIZE || config->memory > VM_MEMORY_MAX || !config->extent_count ||
	    config->extent_count > (config->flags & VM_ROOT ? 1 : VM_MAX_EXTENTS))
		return false;
	for (u32 i = 0; i < config->extent_count; i++) {
		const struct vm_extent *e = &config->extents[i];

		if (!extent_valid(config, e, placed))
			return false;
		for (u32 k = 0; k < i; k++) {
			if (ranges_overlap(e->hpa, e->size, config->extents[k].hpa, config->extents[k].size))
				return false;
		}
		placed += e->size;
	}
	return placed == config->memory && beside_valid(config);
}
