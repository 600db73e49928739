/*
 * Which vCPU is hart N of a VM: from the physical id that the guest sees to the vCPU, in O(1) and without a lock.
 */
#ifndef CORE_VCPU_IDMAP_H
#define CORE_VCPU_IDMAP_H

#include "abi/pack.h"
#include "core/lib/lock.h"

struct vcpu;

/* What a new vCPU has for an id. Zero is a real id. */
#define VCPU_NO_ID (~0ull)

/*
 * One a VM. Ids run from 0 to MAX_VCPU_ID-1 (4096): more than any controller that a guest is shown can name (PLIC:
 * 15,872 contexts; APLIC and IMSIC: 16,384 harts), and the size of this table, two pages of pointers a 1024 ids.
 * Leaves are allocated as ids are set.
 */
#define IDMAP_LEAF_IDS 512
#define IDMAP_LEAVES   (MAX_VCPU_ID / IDMAP_LEAF_IDS)

struct idmap {
	struct lock lock; /* set and drop; lookup takes none */
	struct vcpu **leaf[IDMAP_LEAVES];
};

/*
 * Gives `vcpu` the id `id`; *own_id is where the vCPU keeps it (VCPU_NO_ID when it has none).
 * 0 also if it has that very id already. -ERANGE: id is MAX_VCPU_ID or more; -EBUSY: it has another id;
 * -EEXIST: another vCPU has it; -ENOMEM. Any error leaves map and *own_id as they were.
 */
int idmap_set(struct idmap *map, struct vcpu *vcpu, u64 *own_id, u64 id);

/*
 * Releases the vCPU's id, if it has one; *own_id becomes VCPU_NO_ID under the same lock, before anything of the vCPU
 * may be freed. The caller frees it only after every hart has passed a quiescent point (a lookup may still hold it).
 */
void idmap_drop(struct idmap *map, struct vcpu *vcpu, u64 *own_id);

/* The vCPU with that id, or NULL. Any context, no lock. */
static inline struct vcpu *idmap_find(const struct idmap *map, u64 id)
{
	struct vcpu **leaf;

	if (id >= MAX_VCPU_ID)
		return NULL;
	leaf = __atomic_load_n(&map->leaf[id / IDMAP_LEAF_IDS], __ATOMIC_ACQUIRE);
	return leaf ? __atomic_load_n(&leaf[id % IDMAP_LEAF_IDS], __ATOMIC_ACQUIRE) : NULL;
}

#endif
