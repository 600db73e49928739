/*
 * The boot pack as an enemy writes it. Header fields that only a search could hit (magic, sizes, checksum) are put right
 * first, so that what lies behind them is reached; the first byte of the input says which.
 */
#include "abi/estate.h"
#include "core/lib/crc32c.h"
#include "core/vm/pack.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Makes a header of it whose tables are inside, with as many items and VMs as fit. */
static void mend(u8 *bytes, size_t size, u8 how)
{
	struct pack_header *h = (struct pack_header *)bytes;
	u64 tables;

	h->magic = PACK_MAGIC;
	h->version = PACK_VERSION;
	h->header_size = sizeof(*h);
	if (how & 1)
		h->total_size = size;
	if (how & 2)
		h->item_count %= 4;
	if (how & 4)
		h->vm_count %= 4;
	if (how & 8) {
		memset(h->reserved, 0, sizeof(h->reserved));
		h->flags &= PACK_FLAG_EXIT_WHEN_IDLE;
		h->crash_policy %= 3;
	}
	tables = sizeof(*h) + (u64)h->item_count * sizeof(struct pack_item) +
		 (u64)h->vm_count * sizeof(struct vm_config);
	if (tables > size)
		return;
	h->crc = 0;
	h->crc = crc32c(0, h, (size_t)tables);
}

/* Everything that an opened pack promises is read. */
static void use(const struct pack *p, const u8 *bytes, size_t size)
{
	static volatile u32 sink;

	for (u32 i = 0; i < p->header->item_count; i++) {
		u64 length;
		const u8 *at = pack_item_bytes(p, i, &length);

		check(at >= bytes && at + length <= bytes + size && strlen(pack_item_name(p, i)) > 0);
		sink = crc32c(sink, at, (size_t)length);
	}
	for (u32 i = 0; i < p->header->vm_count; i++) {
		const struct vm_config *vm = &p->vms[i];

		check(strlen(vm->name) < VM_NAME_SIZE && strlen(vm->cmdline) < VM_CMDLINE_SIZE);
		check(vm->memory && vm->memory <= VM_MEMORY_MAX && vm->memory % BLOCK_SIZE == 0);
		check(vm->vcpus && vm->vcpus <= MAX_VCPU_ID && vm->kernel_item < p->header->item_count);
		for (unsigned k = 0; k < VM_MAX_DEVICES; k++)
			check(vm->devices[k].kind <= VM_DEV_RNG);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack p;
	char why[96];
	u8 *bytes;

	if (!size)
		return 0;
	bytes = malloc(size);
	memcpy(bytes, data + 1, size - 1);
	if ((data[0] & 128) == 0 && size - 1 >= sizeof(struct pack_header))
		mend(bytes, size - 1, data[0]);
	if (!pack_open(&p, bytes, size - 1, why, sizeof(why)))
		use(&p, bytes, size - 1);
	else
		check(why[0] && strlen(why) < sizeof(why));
	free(bytes);
	return 0;
}
