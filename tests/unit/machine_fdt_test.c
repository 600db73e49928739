/* The host's device tree: what is read from it, and what is refused with which words. */
#include "core/lib/errno.h"
#include "core/memory/machine_fdt.h"
#include "tests/unit/machine_fdt_tree.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static u8 tree[65536] __attribute__((aligned(8)));
static struct machine_record m;
static struct machine_boot boot;

static int read_tree(const struct tree_options *o)
{
	(void)tree_make(tree, sizeof(tree), o);
	return machine_fdt_read(tree, sizeof(tree), &m, &boot);
}

static void refused(const struct tree_options *o, int error, const char *words)
{
	assert_int_equal(read_tree(o), error);
	if (!strstr(boot.text, words))
		fail_msg("\"%s\" does not say \"%s\"", boot.text, words);
}

static void the_machine_of_qemu_is_read(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	assert_int_equal(read_tree(&o), 0);
	assert_string_equal(boot.text, "");
	assert_int_equal(m.hart_count, 2);
	assert_int_equal(m.hart_ids[1], 1);
	assert_int_equal(m.timebase, 10000000);
	assert_int_equal(m.isa, MACHINE_ISA_SSTC | MACHINE_ISA_ZICBOZ);
	assert_int_equal(m.cboz_block, 64);
	assert_int_equal(m.satp_mode, 9);
	assert_int_equal(m.ram_count, 1);
	assert_int_equal(m.ram[0].base, 0x80000000);
	assert_int_equal(m.ram[0].size, MIB(256));
	assert_int_equal(m.uart.base, 0x10000000);
	assert_int_equal(m.uart_irq, 10);
	assert_int_equal(m.plic.base, 0xc000000);
	assert_int_equal(m.plic_sources, 53);
	assert_int_equal(m.plic_context[0], 1);
	assert_int_equal(m.plic_context[1], 3);
	assert_int_equal(m.pack.base, 0x88000000);
	assert_int_equal(m.pack.size, MIB(1));
	assert_int_equal(m.reserved_count, 1);
	assert_int_equal(m.reserved[0].base, 0x80000000);
	assert_int_equal(m.reserved[0].size, 0x40000);
	assert_string_equal(boot.bootargs, "fault=none");
	assert_int_equal(boot.fdt_size, fdt_totalsize(tree));
}

static void virtio_slots_are_in_order_of_address(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.virtio_count, 8);
	for (u32 n = 0; n < 8; n++) {
		assert_int_equal(m.virtio[n].base, 0x10001000 + n * 0x1000);
		assert_int_equal(m.virtio_irq[n], n + 1);
	}
}

static void more_slots_than_the_record_has_are_left_out(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.virtio = MACHINE_MAX_VIRTIO + 3;
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.virtio_count, MACHINE_MAX_VIRTIO);
	assert_non_null(strstr(boot.text, "left out"));
}

static void a_source_that_the_plic_lacks_is_refused(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.virtio_irq = 50;
	refused(&o, -EINVAL, "/soc/virtio_mmio@10008000");
}

/* ---- Harts ---- */

static void every_hart_needs_the_h_extension(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.other_isa = "rv64imafdc_zicsr_sstc";
	refused(&o, -ENODEV, "/cpus/cpu@1: hart lacks the H extension");
	o.other_isa = "rv64imach";
	refused(&o, -ENODEV, "F extension");
	o.other_isa = "rv32imafdch";
	refused(&o, -EINVAL, "/cpus/cpu@1");
}

static void what_one_hart_lacks_the_machine_lacks(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.isa = "rv64imafdcvh_zicboz_sstc";
	o.other_isa = "rv64imafdcvh_zicbozz_sstcx";
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.isa, MACHINE_ISA_V);
	assert_int_equal(m.cboz_block, 0);
}

static void versions_in_the_isa_string_are_passed_over(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.isa = "rv64i2p1m2p0a2p1f2p2d2p2c2p0h1p0_zicsr2p0_sstc";
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.isa, MACHINE_ISA_SSTC);
}

static void the_new_isa_properties_count_first(void **state)
{
	static const char list[] = "i\0m\0a\0f\0d\0c\0v\0h\0sstc";
	struct tree_options o = tree_options();
	int node;

	(void)state;
	o.harts = 1;
	o.isa = "nonsense";
	(void)tree_make(tree, sizeof(tree), &o);
	tree_must(fdt_open_into(tree, tree, sizeof(tree)));
	node = fdt_path_offset(tree, "/cpus/cpu@0");
	tree_must(fdt_setprop(tree, node, "riscv,isa-extensions", list, sizeof(list)));
	tree_must(fdt_setprop_string(tree, node, "riscv,isa-base", "rv64i"));
	tree_must(fdt_setprop_u32(tree, node, "riscv,vlenb", 16));
	assert_int_equal(machine_fdt_read(tree, sizeof(tree), &m, &boot), 0);
	assert_int_equal(m.isa, MACHINE_ISA_SSTC | MACHINE_ISA_V);
	assert_int_equal(m.vlenb, 16);
}

static void a_hart_out_of_use_is_left_out(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.harts = 3;
	o.hart_stride = 5;
	o.disabled_status = "disabled";
	o.other_isa = "rv32i";
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.hart_count, 2);
	assert_int_equal(m.hart_ids[1], 10);
	assert_int_equal(m.plic_context[1], 5);
}

static void two_harts_of_one_id_are_refused(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.hart_stride = 0;
	refused(&o, -EINVAL, "hart id 0 for the second time");
}

static void a_hart_without_context_is_refused(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.supervisor_irq = 8;
	refused(&o, -ENODEV, "/soc/plic@c000000: no supervisor context for hart 0");
}

/* ---- Memory ---- */

static void ram_is_sorted_and_joined(void **state)
{
	struct tree_options o = tree_options();
	const u64 ram[4][2] = { { 0x100000000, MIB(64) },
				{ 0x80000000, MIB(128) },
				{ 0x104000000, MIB(64) },
				{ 0x88000000, MIB(128) } };

	(void)state;
	memcpy(o.ram, ram, sizeof(ram));
	o.rams = 4;
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.ram_count, 2);
	assert_int_equal(m.ram[0].base, 0x80000000);
	assert_int_equal(m.ram[0].size, MIB(256));
	assert_int_equal(m.ram[1].base, 0x100000000);
	assert_int_equal(m.ram[1].size, MIB(128));
	assert_int_equal(m.ram[2].size, 0);
}

static void ram_that_is_there_twice_is_refused(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.ram[1][0] = 0x8ffff000;
	o.ram[1][1] = MIB(2);
	o.rams = 2;
	refused(&o, -EINVAL, "/memory@8ffff000: RAM at 8ffff000 is there twice");
}

static void ram_that_wraps_is_refused(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.ram[0][0] = 0xfffffffffff00000;
	refused(&o, -EINVAL, "wraps");
	o.rams = 0;
	refused(&o, -ENODEV, "no memory");
}

static void reservations_of_both_kinds_are_reported(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.reserved[0] = 0x8f000000;
	o.reserved[1] = 0x1000;
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.reserved_count, 2);
	assert_int_equal(m.reserved[0].base, 0x8f000000);
}

static void a_pack_outside_of_ram_is_refused(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.initrd[1] = 0x90000001;
	refused(&o, -EINVAL, "/chosen: initrd lies outside of RAM");
	o.initrd[1] = 0x87ffffff;
	refused(&o, -EINVAL, "/chosen: initrd ends before it starts");
	o.initrd[1] = 0;
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.pack.size, 0);
}

/* ---- Devices ---- */

static void addresses_are_translated_by_buses(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.soc_offset = 0x200000000;
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.uart.base, 0x210000000);
	assert_int_equal(m.plic.base, 0x20c000000);
	assert_int_equal(m.virtio[7].base, 0x210008000);
	/* soc's window then lies over RAM. */
	o.soc_offset = 0x80000000;
	refused(&o, -EINVAL, "registers lie in RAM");
}

static void the_uart_may_be_strange(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	o.reg_shift = 2;
	o.stdout_path = "serial0:9600";
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.uart_shift, 2);
	o.reg_io_width = 4;
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.uart.size, 0);
	assert_non_null(strstr(boot.text, "/soc/serial@10000000: left out"));
	o.reg_io_width = 0;
	o.stdout_path = "/not/there";
	assert_int_equal(read_tree(&o), 0);
	assert_int_equal(m.uart.base, 0x10000000);
}

/* ---- Damage ---- */

static void no_truncation_is_taken(void **state)
{
	struct tree_options o = tree_options();
	u32 size = tree_make(tree, sizeof(tree), &o);

	(void)state;
	for (u32 n = 0; n < size; n++) {
		/* A copy of that size, so that the sanitizer sees a read behind it. */
		u8 *copy = malloc(n ? n : 1);

		memcpy(copy, tree, n);
		assert_int_equal(machine_fdt_read(copy, n, &m, &boot), -EINVAL);
		free(copy);
	}
}

/* Any outcome will do, as long as nothing is read outside of the tree. */
static void no_flipped_bit_does_harm(void **state)
{
	struct tree_options o = tree_options();
	u32 size;
	u8 *copy;

	(void)state;
	o.harts = 1;
	o.virtio = 1;
	size = tree_make(tree, sizeof(tree), &o);
	copy = malloc(size);
	for (u32 bit = 0; bit < size * 8; bit++) {
		memcpy(copy, tree, size);
		copy[bit / 8] ^= (u8)(1u << bit % 8);
		(void)machine_fdt_read(copy, size, &m, &boot);
		assert_true(m.hart_count <= MAX_HARTS && m.ram_count <= MACHINE_MAX_RAM);
		assert_true(strlen(boot.text) < sizeof(boot.text));
	}
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machine_of_qemu_is_read),
		cmocka_unit_test(virtio_slots_are_in_order_of_address),
		cmocka_unit_test(more_slots_than_the_record_has_are_left_out),
		cmocka_unit_test(a_source_that_the_plic_lacks_is_refused),
		cmocka_unit_test(every_hart_needs_the_h_extension),
		cmocka_unit_test(what_one_hart_lacks_the_machine_lacks),
		cmocka_unit_test(versions_in_the_isa_string_are_passed_over),
		cmocka_unit_test(the_new_isa_properties_count_first),
		cmocka_unit_test(a_hart_out_of_use_is_left_out),
		cmocka_unit_test(two_harts_of_one_id_are_refused),
		cmocka_unit_test(a_hart_without_context_is_refused),
		cmocka_unit_test(ram_is_sorted_and_joined),
		cmocka_unit_test(ram_that_is_there_twice_is_refused),
		cmocka_unit_test(ram_that_wraps_is_refused),
		cmocka_unit_test(reservations_of_both_kinds_are_reported),
		cmocka_unit_test(a_pack_outside_of_ram_is_refused),
		cmocka_unit_test(addresses_are_translated_by_buses),
		cmocka_unit_test(the_uart_may_be_strange),
		cmocka_unit_test(no_truncation_is_taken),
		cmocka_unit_test(no_flipped_bit_does_harm),
	};

	return cmocka_run_group_tests_name("machine_fdt", tests, NULL, NULL);
}
