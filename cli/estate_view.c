/* Estates in dumps: see estate_view.h. */
#include "cli/estate_view.h"
#include "core/lib/crc32c.h"
#include <string.h>

/* One copy of a cold record. */
static bool read_copy(const struct dump_life *life, u64 at, u32 magic, void *body, u32 size, u64 *sequence)
{
	struct cold_head head;
	u32 crc;

	if (!dump_life_memory(life, at, &head, sizeof(head)) || head.magic != magic || head.size != size ||
	    head.reserved || !dump_life_memory(life, at + sizeof(head), body, size))
		return false;
	*sequence = head.sequence;
	crc = crc32c(0, &head, offsetof(struct cold_head, crc));
	return crc32c(crc, body, size) == head.crc;
}

/* The copy that counts: core/estate/cold.c. */
static bool read_cold(const struct dump_life *life, u64 at, u32 magic, void *body, u32 size)
{
	u64 first, second;
	bool has_first = read_copy(life, at, magic, body, size, &first);
	bool has_second = read_copy(life, at + ESTATE_COLD_STRIDE, magic, body, size, &second);

	if (has_first && (!has_second || (s64)(second - first) <= 0))
		return read_copy(life, at, magic, body, size, &first);
	return has_second;
}

/* True if a table of that many bytes lies inside the estate. */
static bool has_table(const struct estate_header *h, u64 at, u64 bytes)
{
	return at % PAGE_SIZE == 0 && at < h->size && bytes <= h->size - at;
}

bool estate_view_open(struct estate_view *v, const struct dump_life *life)
{
	const struct estate_header *h = &v->header;

	v->life = life;
	return read_cold(life, life->head.estate_base + ESTATE_HEADER_OFFSET, COLD_HEADER, &v->header,
			 sizeof(v->header)) &&
	       h->magic == ESTATE_MAGIC && h->version == ESTATE_VERSION &&
	       h->base == life->head.estate_base && h->size == life->head.estate_size &&
	       h->vcpu_count <= h->size / VCPU_RECORD_SIZE &&
	       has_table(h, h->vms, (u64)MAX_VMS * VM_RECORD_SIZE) &&
	       has_table(h, h->vcpus, h->vcpu_count * VCPU_RECORD_SIZE);
}

bool estate_view_vm(const struct estate_view *v, u32 n, struct vm_config *config, struct vm_state *state)
{
	u64 at = v->header.base + v->header.vms + (u64)n * VM_RECORD_SIZE;

	if (!dump_life_memory(v->life, at + offsetof(struct vm_record, state), state, sizeof(*state)) ||
	    state->run_state == VM_UNUSED || !read_cold(v->life, at, COLD_VM, config, sizeof(*config)) ||
	    config->vcpus > MAX_VCPU_ID || config->extent_count > VM_MAX_EXTENTS)
		return false;
	config->name[sizeof(config->name) - 1] = '\0';
	config->cmdline[sizeof(config->cmdline) - 1] = '\0';
	return true;
}

u64 estate_view_vcpu(const struct estate_view *v, u64 index, struct vcpu_record *record)
{
	u64 at = v->header.base + v->header.vcpus + index * VCPU_RECORD_SIZE;

	if (index >= v->header.vcpu_count || !dump_life_memory(v->life, at, record, sizeof(*record)) ||
	    record->magic != VCPU_MAGIC)
		return 0;
	return at;
}
