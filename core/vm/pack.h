/*
 * Reads the boot pack (abi/pack.h): every byte is checked once, when it is opened; what the accessors return can then be
 * used as it is. The pack must stay mapped and unchanged as long as it is used. Also used by the command.
 */
#ifndef CORE_VM_PACK_H
#define CORE_VM_PACK_H

#include "abi/pack.h"

struct pack {
	const struct pack_header *header;
	const struct pack_item *items; /* [header->item_count] */
	const struct vm_config *vms;   /* [header->vm_count] */
};

/*
 * Checks the pack of at most `size` bytes at `at` (8-byte aligned). -EINVAL: it is not one that can be used; `why` (of
 * `why_size` bytes) then says what is wrong with it, and *pack is empty.
 */
int pack_open(struct pack *pack, const void *at, u64 size, char *why, size_t why_size);

/* The bytes of an item, *size of them; NULL if the pack has no such item (as with VM_NO_ITEM). */
const void *pack_item_bytes(const struct pack *pack, u32 item, u64 *size);

/* Base name of the item's file, for messages; "" if there is no such item. */
const char *pack_item_name(const struct pack *pack, u32 item);

#endif
