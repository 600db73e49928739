/*
 * The host's device tree as an enemy writes it: a good one with changes. The input is a list of changes of four bytes:
 * offset (16 bits), kind, value. The first byte says which machine is changed; 255: the input is the tree itself.
 */
#include "core/memory/machine_fdt.h"
#include "tests/fuzz/tree_input.h"

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

static struct tree_options options(u8 which)
{
	struct tree_options o = tree_options();

	o.harts = 1 + which % 3;
	o.rams = 1 + which / 4 % 2;
	o.ram[1][0] = 0x100000000;
	o.ram[1][1] = MIB(64);
	o.virtio = which / 16 % 4;
	o.soc_offset = which & 64 ? 0x200000000 : 0;
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 used;
	u8 *tree;

	if (!size)
		return 0;
	tree = tree_input(data, size, 32768, options, &used);
	run(tree, used);
	free(tree);
	return 0;
}
