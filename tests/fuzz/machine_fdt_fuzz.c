/*
 * The host's device tree as an enemy writes it: a good one with changes. The input is a list of changes of four bytes:
 * offset (16 bits), kind, value. The first byte says which machine is changed; 255: the input is the tree itself.
 */
#include "core/memory/machine_fdt.h"
#include "tests/unit/machine_fdt_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* What callers take for granted of a machine that was read. */
static void machine_is_sound(const struct machine_record *m)
{
	check(m->hart_count > 0 && m->hart_count <= MAX_HARTS);
	check(m->timebase > 0 && m->timebase <= ~0u);
	check(m->ram_count > 0 && m->ram_count <= MACHINE_MAX_RAM);
	check(m->virtio_count <= MACHINE_MAX_VIRTIO);
	check(m->satp_mode >= 8 && m->satp_mode <= 10);
	for (u32 i = 0; i < m->ram_count; i++) {
		check(m->ram[i].size && m->ram[i].base + m->ram[i].size > m->ram[i].base);
		check(!i || m->ram[i - 1].base + m->ram[i - 1].size < m->ram[i].base);
	}
	for (u32 i = 0; i < m->virtio_count; i++)
		check(m->virtio_irq[i] <= m->plic_sources && m->virtio[i].size >= 0x100);
	for (u32 i = 0; i < m->hart_count; i++)
		check(0x200000 + (u64)m->plic_context[i] * 0x1000 < m->plic.size);
	check(!m->uart.size || m->uart.size >= 8ull << m->uart_shift);
}

static void run(const void *tree, size_t size)
{
	struct machine_record m;
	struct machine_boot boot;

	if (!machine_fdt_read(tree, size, &m, &boot))
		machine_is_sound(&m);
	else
		check(boot.text[0]);
	check(strnlen(boot.text, sizeof(boot.text)) < sizeof(boot.text));
	check(m.reserved_count <= MACHINE_MAX_RESERVED);
}

#define PIECE 16u

static void change(u8 *tree, u32 size, const uint8_t *c)
{
	u32 offset = (u32)(c[0] | c[1] << 8) % (size - PIECE);

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
		memmove(tree + offset, tree + c[3] * PIECE % (size - PIECE), PIECE);
	}
}

/* The good tree number `which`, and its size. Each is made once: that takes longer than to read it. */
static const u8 *base_tree(u8 which, u32 *size)
{
	static struct {
		u8 *tree;
		u32 size;
	} made[256];
	struct tree_options o = tree_options();
	const u32 room = 32768;

	if (!made[which].tree) {
		o.harts = 1 + which % 3;
		o.rams = 1 + which / 4 % 2;
		o.ram[1][0] = 0x100000000;
		o.ram[1][1] = MIB(64);
		o.virtio = which / 16 % 4;
		o.soc_offset = which & 64 ? 0x200000000 : 0;
		made[which].tree = malloc(room);
		made[which].size = tree_make(made[which].tree, room, &o);
	}
	*size = made[which].size;
	return made[which].tree;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 which = size ? data[0] : 0;
	u32 used = (u32)size;
	u8 *tree;

	if (!size)
		return 0;
	if (which == 255) {
		used = (u32)(size - 1);
		tree = malloc(size);
		memcpy(tree, data + 1, used);
	} else {
		const u8 *base = base_tree(which, &used);

		tree = malloc(used);
		memcpy(tree, base, used);
		for (size_t i = 1; i + 4 <= size; i += 4)
			change(tree, used, data + i);
	}
	run(tree, used);
	free(tree);
	return 0;
}
