/*
 * The machine's device tree as a device of the root VM may have left it when the root is started again: a good one with
 * changes. The input is a list of changes of four bytes: offset (16 bits), kind, value. The first byte says which machine it
 * is; 255: the input is the tree itself. What comes out must be a whole tree within its bounds, or an error with words.
 */
#include "core/root/root.h"
#include "tests/fuzz/tree_input.h"
#include "tests/lib/fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM 65536u

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A root VM on QEMU's virt: what root_fdt_build looks at of it. */
static const struct vm *a_root(void)
{
	static struct vcpu vcpu[2];
	static struct vm vm = { .vcpu = vcpu };
	struct machine_record *m = &estate.machine;

	vcpu[1].id = 1;
	vm.config.flags = VM_ROOT;
	vm.config.vcpus = 2;
	vm.config.memory = MIB(64);
	vm.config.extent_count = 1;
	vm.config.extents[0] = (struct vm_extent){ 0x84000000, 0x84000000, MIB(64) };
	memset(vm.config.cmdline, 'x', VM_CMDLINE_SIZE - 1);
	estate.base = 0x80000000 + LAYOUT_ESTATE_OFFSET;
	estate.size = MIB(4);
	m->ram[0] = (struct machine_range){ 0x80000000, MIB(256) };
	m->ram_count = 1;
	m->reserved[0] = (struct machine_range){ 0x80000000, 0x40000 };
	m->reserved_count = 1;
	m->plic.base = 0xc000000;
	m->uart.base = 0x10000000;
	m->virtio[0] = (struct machine_range){ 0x10001000, 0x1000 };
	m->virtio_count = 1;
	m->root_windows = 1;
	m->isa = MACHINE_ISA_SSTC;
	return &vm;
}

static void run(const void *machine, size_t size)
{
	static u8 to[2 * ROOM] __attribute__((aligned(8)));
	struct guest_boot boot = { .initrd = GPA(0x85000000), .initrd_size = 1 };
	const struct vm *vm = a_root();
	char why[160] = "";

	estate.machine.dtb = (struct machine_range){ (u64)(uintptr_t)machine, size };
	if (!root_fdt_build(vm, &boot, to, sizeof(to), why, sizeof(why))) {
		check(!fdt_check_full(to, sizeof(to)));
		check(fdt_path_offset(to, "/chosen") >= 0);
	} else {
		check(why[0]);
	}
}

static struct tree_options options(u8 which)
{
	struct tree_options o = tree_options();

	o.harts = 1 + which % 3;
	o.virtio = which / 4 % 8;
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 used;
	u8 *tree;

	if (!size || size > ROOM)
		return 0;
	tree = tree_input(data, size, ROOM, options, &used);
	run(tree, used);
	free(tree);
	return 0;
}
