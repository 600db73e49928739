/* The device tree of a guest: that it says what a kernel needs, and that it stays within its bounds. */
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/vm/guest_fdt.h"
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct vm vm;
static struct vcpu vcpus[MAX_VCPU_ID];
static u8 tree[4 << 20] __attribute__((aligned(8)));
static u64 used;

static const struct guest_isa isa = {
	.timebase = 10000000,
	.isa = MACHINE_ISA_SSTC | MACHINE_ISA_V | MACHINE_ISA_ZICBOZ,
	.cboz_block = 64,
	.satp_mode = 10,
};
static struct guest_boot boot = { .initrd = GPA(0x84000000), .initrd_size = 12345, .seeded = true };

static void machine(u32 count)
{
	memset(&vm, 0, sizeof(vm));
	vm.vcpu = vcpus;
	vm.config.vcpus = count;
	vm.config.memory = MIB(128);
	strcpy(vm.config.cmdline, "console=ttyS0 quiet");
	vm.config.devices[0].kind = VM_DEV_CONSOLE;
	vm.config.devices[3].kind = VM_DEV_BLK;
	for (u32 n = 0; n < count; n++)
		vcpus[n] = (struct vcpu){ .vm = &vm, .id = n };
}

static int build(u64 size)
{
	return guest_fdt_build(&vm, &isa, &boot, tree, size, &used);
}

static int node(const char *path)
{
	int at = fdt_path_offset(tree, path);

	if (at < 0)
		fail_msg("no node %s", path);
	return at;
}

static const void *property(const char *path, const char *name, int bytes)
{
	int length;
	const void *at = fdt_getprop(tree, node(path), name, &length);

	if (!at || length != bytes)
		fail_msg("%s has no %s of %d bytes", path, name, bytes);
	return at;
}

static u32 cell(const char *path, const char *name)
{
	return fdt32_ld(property(path, name, 4));
}

static u64 cells2(const char *path, const char *name)
{
	return fdt64_ld(property(path, name, 8));
}

static void assert_string(const char *path, const char *name, const char *expected)
{
	assert_string_equal(property(path, name, (int)strlen(expected) + 1), expected);
}

static void assert_reg(const char *path, u64 base, u64 size)
{
	const fdt64_t *reg = property(path, "reg", 16);

	assert_int_equal(fdt64_ld(reg), base);
	assert_int_equal(fdt64_ld(reg + 1), size);
}

static void assert_list(const char *path, const char *name, const char *const *expected, int count)
{
	assert_int_equal(fdt_stringlist_count(tree, node(path), name), count);
	for (int i = 0; i < count; i++)
		assert_string_equal(fdt_stringlist_get(tree, node(path), name, i, NULL), expected[i]);
}

static void a_kernel_finds_its_machine(void **state)
{
	(void)state;
	machine(2);
	memset(boot.rng_seed, 0x5a, sizeof(boot.rng_seed));
	assert_int_equal(build(sizeof(tree)), 0);
	assert_int_equal(fdt_check_full(tree, used), 0);
	assert_int_equal(cell("/", "#address-cells"), 2);
	assert_reg("/memory@80000000", GUEST_RAM_BASE, MIB(128));
	assert_string("/memory@80000000", "device_type", "memory");
	assert_string("/chosen", "bootargs", "console=ttyS0 quiet");
	assert_string("/chosen", "stdout-path", "/soc/serial@10000000");
	assert_int_equal(cells2("/chosen", "linux,initrd-start"), 0x84000000);
	assert_int_equal(cells2("/chosen", "linux,initrd-end"), 0x84000000 + 12345);
	assert_memory_equal(property("/chosen", "rng-seed", GUEST_RNG_SEED_SIZE), boot.rng_seed,
			    GUEST_RNG_SEED_SIZE);
	assert_string("/aliases", "serial0", "/soc/serial@10000000");
}

/* A confidential VM's is the same at each start. */
static void without_a_seed_there_is_none(void **state)
{
	(void)state;
	machine(2);
	boot.seeded = false;
	assert_int_equal(build(sizeof(tree)), 0);
	assert_null(fdt_getprop(tree, node("/chosen"), "rng-seed", NULL));
	boot.seeded = true;
}

static void a_hart_says_what_it_can(void **state)
{
	static const char *const extensions[] = { "i", "m",	 "a",	   "f",	    "d",	"c",
						  "v", "zicboz", "zicntr", "zicsr", "zifencei", "sstc" };

	(void)state;
	machine(2);
	assert_int_equal(build(sizeof(tree)), 0);
	assert_int_equal(cell("/cpus", "timebase-frequency"), 10000000);
	assert_int_equal(cell("/cpus/cpu@1", "reg"), 1);
	assert_string("/cpus/cpu@1", "status", "okay");
	assert_string("/cpus/cpu@1", "mmu-type", "riscv,sv57");
	assert_string("/cpus/cpu@1", "riscv,isa", "rv64imafdcv_zicboz_zicntr_zicsr_zifencei_sstc");
	assert_string("/cpus/cpu@1", "riscv,isa-base", "rv64i");
	assert_list("/cpus/cpu@1", "riscv,isa-extensions", extensions, ARRAY_SIZE(extensions));
	assert_int_equal(cell("/cpus/cpu@1", "riscv,cboz-block-size"), 64);
	assert_int_equal(cell("/cpus/cpu@1/interrupt-controller", "#interrupt-cells"), 1);
}

static void a_plain_hart_promises_nothing_else(void **state)
{
	const struct guest_isa plain = { .timebase = 1, .satp_mode = 8 };

	(void)state;
	machine(1);
	assert_int_equal(guest_fdt_build(&vm, &plain, &boot, tree, sizeof(tree), &used), 0);
	assert_string("/cpus/cpu@0", "riscv,isa", "rv64imafdc_zicntr_zicsr_zifencei");
	assert_string("/cpus/cpu@0", "mmu-type", "riscv,sv39");
	assert_null(fdt_getprop(tree, node("/cpus/cpu@0"), "riscv,cboz-block-size", NULL));
}

/* Entry n of interrupts-extended is context n, which belongs to hart id n. */
static void the_plic_names_the_context_of_each_hart(void **state)
{
	const fdt32_t *at;

	(void)state;
	machine(3);
	vcpus[1].id = 4;
	vcpus[2].id = 1;
	assert_int_equal(build(sizeof(tree)), 0);
	assert_reg("/soc/plic@c000000", GUEST_PLIC_BASE, GUEST_PLIC_SIZE);
	assert_int_equal(cell("/soc/plic@c000000", "riscv,ndev"), PLIC_SOURCES - 1);
	at = property("/soc/plic@c000000", "interrupts-extended", 5 * 8);
	assert_int_equal(fdt32_ld(at + 0), cell("/cpus/cpu@0/interrupt-controller", "phandle"));
	assert_int_equal(fdt32_ld(at + 2), cell("/cpus/cpu@1/interrupt-controller", "phandle"));
	assert_int_equal(fdt32_ld(at + 8), cell("/cpus/cpu@4/interrupt-controller", "phandle"));
	for (unsigned n = 0; n < 5; n++)
		assert_int_equal(fdt32_ld(at + 2 * n + 1), n == 2 || n == 3 ? 0xffffffff : 9);
}

static void only_devices_that_are_there_have_nodes(void **state)
{
	unsigned nodes = 0;

	(void)state;
	machine(1);
	assert_int_equal(build(sizeof(tree)), 0);
	for (int at = fdt_node_offset_by_compatible(tree, -1, "virtio,mmio"); at >= 0;
	     at = fdt_node_offset_by_compatible(tree, at, "virtio,mmio"))
		nodes++;
	assert_int_equal(nodes, 2);
	assert_reg("/soc/virtio_mmio@10004000", GUEST_VIRTIO_BASE + 3 * GUEST_VIRTIO_STRIDE,
		   GUEST_VIRTIO_STRIDE);
	assert_int_equal(cell("/soc/virtio_mmio@10004000", "interrupts"), GUEST_VIRTIO_IRQ(3));
	assert_int_equal(cell("/soc/virtio_mmio@10004000", "interrupt-parent"),
			 cell("/soc/plic@c000000", "phandle"));
	assert_int_equal(cell("/soc/serial@10000000", "interrupts"), GUEST_UART_IRQ);
	assert_string("/soc/serial@10000000", "compatible", "ns16550a");
}

/* Every size but a sufficient one is refused, and nothing is written behind it: the sanitizer watches. */
static void too_small_a_buffer_is_refused(void **state)
{
	(void)state;
	machine(2);
	assert_int_equal(build(sizeof(tree)), 0);
	for (u64 size = 0; size < used; size++) {
		u64 none;
		void *at = malloc(size ? size : 1);

		assert_int_equal(guest_fdt_build(&vm, &isa, &boot, at, size, &none), -ENOSPC);
		assert_int_equal(none, 0);
		free(at);
	}
}

static void the_bound_is_one(void **state)
{
	static const u32 counts[] = { 1, 2, 17, 64, 512, 1000, MAX_VCPU_ID };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		u64 bound = guest_fdt_bound(counts[i]);

		machine(counts[i]);
		memset(vm.config.cmdline, 'x', VM_CMDLINE_SIZE - 1);
		for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++)
			vm.config.devices[slot].kind = VM_DEV_RNG;
		/* The longest names, and a PLIC with an entry for each id that there is. */
		vcpus[counts[i] - 1].id = MAX_VCPU_ID - 1;
		assert_true(bound <= sizeof(tree));
		assert_int_equal(build(bound), 0);
		print_message("%u vCPUs: %llu bytes, bound %llu\n", counts[i], (unsigned long long)used,
			      (unsigned long long)bound);
	}
}

static void as_many_vcpus_as_ids_fit_in_a_block(void **state)
{
	(void)state;
	assert_true(guest_fdt_bound(512) <= KIB(512));
	assert_true(guest_fdt_bound(MAX_VCPU_ID) <= BLOCK_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_finds_its_machine),
		cmocka_unit_test(without_a_seed_there_is_none),
		cmocka_unit_test(a_hart_says_what_it_can),
		cmocka_unit_test(a_plain_hart_promises_nothing_else),
		cmocka_unit_test(the_plic_names_the_context_of_each_hart),
		cmocka_unit_test(only_devices_that_are_there_have_nodes),
		cmocka_unit_test(too_small_a_buffer_is_refused),
		cmocka_unit_test(the_bound_is_one),
		cmocka_unit_test(as_many_vcpus_as_ids_fit_in_a_block),
	};

	return cmocka_run_group_tests_name("guest_fdt", tests, NULL, NULL);
}
