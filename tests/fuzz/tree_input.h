/* What the fuzzers of the machine's device tree share: input that is a good tree with changes, or a tree itself. */
#ifndef TESTS_FUZZ_TREE_INPUT_H
#define TESTS_FUZZ_TREE_INPUT_H

#include "tests/unit/machine_fdt_tree.h"

#define TREE_PIECE 16u

/* One change of four bytes: offset (16 bits), kind, value. */
static inline void tree_change(u8 *tree, u32 size, const u8 *c)
{
	u32 offset = (u32)(c[0] | c[1] << 8) % (size - TREE_PIECE);

	switch (c[2] % 4) {
	case 0:
		tree[offset] = c[3];
		break;
	case 1:
		tree[offset] ^= (u8)(1u << c[3] % 8);
		break;
	case 2: /* a cell */
		fdt32_st(tree + (offset & ~3u), (u32)(s8)c[3]);
		break;
	default: /* another part of the tree */
		memmove(tree + offset, tree + c[3] * TREE_PIECE % (size - TREE_PIECE), TREE_PIECE);
	}
}

/*
 * The tree that an input of at least one byte stands for, in memory of just its size, to be freed. The first byte says which
 * good tree is changed, of at most `room` bytes: `options` says what is in it. 255: the rest is the tree itself.
 */
static inline u8 *tree_input(const u8 *data, size_t size, u32 room, struct tree_options (*options)(u8 which),
			     u32 *used)
{
	/* Each is made once: that takes longer than to read it. */
	static struct {
		u8 *tree;
		u32 size;
	} made[256];
	u8 which = data[0], *tree;

	if (which == 255) {
		*used = (u32)(size - 1);
		tree = malloc(size);
		memcpy(tree, data + 1, *used);
		return tree;
	}
	if (!made[which].tree) {
		struct tree_options o = options(which);

		made[which].tree = malloc(room);
		made[which].size = tree_make(made[which].tree, room, &o);
	}
	*used = made[which].size;
	tree = malloc(*used);
	memcpy(tree, made[which].tree, *used);
	for (size_t i = 1; i + 4 <= size; i += 4)
		tree_change(tree, *used, data + i);
	return tree;
}

#endif
