/*
 * Which vCPU is hart N: setting and dropping, under the map's lock. A slot goes from NULL to a vCPU and back by single
 * stores, a leaf from NULL to its table once; so a lookup at any time sees what was true at some moment.
 */
#include "core/vcpu/idmap.h"
#include "core/lib/errno.h"
#include "core/memory/pages.h"

_Static_assert(IDMAP_LEAF_IDS * sizeof(struct vcpu *) == PAGE_SIZE, "a leaf is a page");
_Static_assert(MAX_VCPU_ID % IDMAP_LEAF_IDS == 0, "leaves cover all ids");

/* The leaf for `id`, allocated if there is none; NULL without memory. Caller holds the lock. */
static struct vcpu **leaf_for(struct idmap *map, u64 id)
{
	struct vcpu ***slot = &map->leaf[id / IDMAP_LEAF_IDS];
	struct vcpu **leaf = __atomic_load_n(slot, __ATOMIC_RELAXED);

	if (!leaf) {
		leaf = page_alloc();
		/* Release: who sees the leaf sees that it is empty. */
		__atomic_store_n(slot, leaf, __ATOMIC_RELEASE);
	}
	return leaf;
}

/* Caller holds the lock; id is in range and the vCPU has none. */
static int take_id(struct idmap *map, struct vcpu *vcpu, u64 *own_id, u64 id)
{
	struct vcpu **leaf = leaf_for(map, id);

	if (!leaf)
		return -ENOMEM;
	if (leaf[id % IDMAP_LEAF_IDS])
		return -EEXIST;
	__atomic_store_n(own_id, id, __ATOMIC_RELAXED);
	__atomic_store_n(&leaf[id % IDMAP_LEAF_IDS], vcpu, __ATOMIC_RELEASE);
	return 0;
}

int idmap_set(struct idmap *map, struct vcpu *vcpu, u64 *own_id, u64 id)
{
	int result;

	/* Unsigned: an id that is negative when read as signed is far too large. */
	if (id >= MAX_VCPU_ID)
		return -ERANGE;
	lock_take(&map->lock);
	if (*own_id == VCPU_NO_ID)
		result = take_id(map, vcpu, own_id, id);
	else
		result = *own_id == id ? 0 : -EBUSY;
	lock_release(&map->lock);
	return result;
}

void idmap_drop(struct idmap *map, struct vcpu *vcpu, u64 *own_id)
{
	lock_take(&map->lock);
	if (idmap_find(map, *own_id) == vcpu)
		__atomic_store_n(&map->leaf[*own_id / IDMAP_LEAF_IDS][*own_id % IDMAP_LEAF_IDS], NULL,
				 __ATOMIC_RELEASE);
	__atomic_store_n(own_id, VCPU_NO_ID, __ATOMIC_RELAXED);
	lock_release(&map->lock);
}
