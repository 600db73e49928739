/* What kdump-load reads: no file makes it read elsewhere, and what it takes from one is within that. */
#include "guests/kdump/corehdr.h"
#include "guests/kdump/iomem.h"
#include "guests/kdump/tree.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check(const struct ranges *list)
{
	if (list->count > RANGES_MAX)
		abort();
	for (unsigned i = 0; i < list->count; i++)
		if (!list->range[i].size || list->range[i].base + list->range[i].size < list->range[i].base)
			abort();
}

static void try_tree(const struct blob *dtb)
{
	struct tree_chosen chosen = { .usable = { MIB(1), MIB(1), 0 }, .command_line = "quiet" };
	struct ranges list;
	struct blob made;

	if (!tree_reserved(dtb, TREE_OUTLIVE, &list))
		check(&list);
	made = tree_make(dtb, &chosen);
	free(made.data);
}

/* The first byte says which file the rest is. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct blob file;
	struct ranges list;
	struct iomem iomem;
	u64 memory;
	u32 flags;

	if (!size)
		return 0;
	/* A copy of its own, so that the sanitizer sees its ends. */
	file = (struct blob){ malloc(size), size - 1 };
	memcpy(file.data, data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		file.data[size - 1] = '\0';
		if (!iomem_parse((const char *)file.data, &iomem))
			check(&iomem.ram);
		break;
	case 1:
		if (!corehdr_kernel_maps(&file, &list, &flags))
			check(&list);
		break;
	case 2:
		if (!image_memory(&file, &memory) && memory < file.size)
			abort();
		if (!image_shim_memory(&file, &memory) && memory < file.size)
			abort();
		break;
	default:
		try_tree(&file);
	}
	free(file.data);
	return 0;
}
