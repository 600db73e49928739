/* What kdump-load makes of the running kernel's files: where the parts go, what the dump will have, the device tree. */
#include "guests/kdump/corehdr.h"
#include "guests/kdump/iomem.h"
#include "guests/kdump/tree.h"
#include "guests/shim/shim.h"
#include <elf.h>
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_ranges(void **state)
{
	struct ranges r = { 0 };

	(void)state;
	assert_int_equal(ranges_add(&r, 0x1000, 0x4000, 0xf000), 0);
	assert_int_equal(ranges_add(&r, 0x9000, 0x1000, 0x9000), 0);
	assert_int_equal(ranges_add(&r, 5, 0, 0), 0);
	assert_int_equal(ranges_add(&r, ~0ull, 2, 0), -EINVAL);
	/* Out of the middle: two remain, and the second is seen where it was. */
	assert_int_equal(ranges_subtract(&r, 0x2000, 0x1000), 0);
	assert_int_equal(r.count, 3);
	assert_int_equal(r.range[0].size, 0x1000);
	assert_int_equal(r.range[1].base, 0x3000);
	assert_int_equal(r.range[1].size, 0x2000);
	assert_int_equal(r.range[1].map, 0x11000);
	/* Off both ends, and whole ones. */
	assert_int_equal(ranges_subtract(&r, 0x4800, 0x10000), 0);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.range[1].size, 0x1800);
	assert_int_equal(ranges_subtract(&r, 0, 0x1001), 0);
	assert_int_equal(r.range[0].base, 0x1001);
	assert_int_equal(r.range[0].map, 0xf001);

	r.count = 0;
	for (unsigned i = 0; i < RANGES_MAX; i++)
		assert_int_equal(ranges_add(&r, i * 0x1000, 0x1000, 0), 0);
	assert_int_equal(ranges_add(&r, 0, 1, 0), -ENOSPC);
	assert_int_equal(ranges_subtract(&r, 0x100, 0x100), -ENOSPC);
	assert_int_equal(r.count, RANGES_MAX);
	assert_int_equal(r.range[0].size, 0x1000);
}

static void test_iomem(void **state)
{
	static const char text[] = "10000000-100000ff : serial\n"
				   "80000000-8c3fffff : Reserved\n"
				   "8c400000-a43fffff : System RAM\n"
				   "  8c602000-8e46a337 : Kernel image\n"
				   "  97200000-97ffffff : Crash kernel\n"
				   "  98000000-9f1fffff : Crash kernel\n"
				   "a5000000-a5ffffff : System RAM\n"
				   "nonsense\n"
				   "a6000000-a6ffffff : System RAM and more\n"
				   "a9000000-a8ffffff : System RAM\n"
				   "b0000000-b0000fff : System RAM";
	static const char hidden[] = "00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n";
	struct iomem iomem;

	(void)state;
	assert_int_equal(iomem_parse(text, &iomem), 0);
	assert_int_equal(iomem.ram.count, 3);
	assert_int_equal(iomem.ram.range[0].base, 0x8c400000);
	assert_int_equal(iomem.ram.range[0].size, 0x18000000);
	assert_int_equal(iomem.ram.range[2].size, 0x1000);
	assert_int_equal(iomem.crash.base, 0x98000000);
	assert_int_equal(iomem.crash.size, 0x7200000);
	assert_int_equal(iomem_parse(hidden, &iomem), -EPERM);
	assert_int_equal(iomem_parse("", &iomem), 0);
	assert_int_equal(iomem.crash.size, 0);
}

/* The header of an Image that needs `memory` bytes. */
static void make_image(u8 header[64], u64 memory)
{
	static const u8 magic[] = { 'R', 'S', 'C', 5 };

	memset(header, 0, 64);
	memcpy(header + 16, &memory, sizeof(memory));
	memcpy(header + 56, magic, sizeof(magic));
}

static void test_images(void **state)
{
	u8 data[128];
	struct blob kernel = { data, 64 };
	struct shim_header header = { .magic = SHIM_MAGIC, .size = 3000 };
	struct blob shim = { data, sizeof(header) };
	u64 memory;

	(void)state;
	make_image(data, 0x1e6b000);
	assert_int_equal(image_memory(&kernel, &memory), 0);
	assert_int_equal(memory, 0x1e6b000);
	make_image(data, 10); /* less than the file */
	assert_int_equal(image_memory(&kernel, &memory), 0);
	assert_int_equal(memory, 64);
	make_image(data, GIB(2));
	assert_int_equal(image_memory(&kernel, &memory), -ENOEXEC);
	make_image(data, 0);
	data[56] = 'X';
	assert_int_equal(image_memory(&kernel, &memory), -ENOEXEC);
	kernel.size = 63;
	assert_int_equal(image_memory(&kernel, &memory), -ENOEXEC);

	memcpy(data, &header, sizeof(header));
	assert_int_equal(image_shim_memory(&shim, &memory), 0);
	assert_int_equal(memory, 3000);
	shim.size = sizeof(header) - 1;
	assert_int_equal(image_shim_memory(&shim, &memory), -ENOEXEC);
	shim.size = sizeof(header);
	header.size = BLOCK_SIZE + 1;
	memcpy(data, &header, sizeof(header));
	assert_int_equal(image_shim_memory(&shim, &memory), -ENOEXEC);
}

static void test_places(void **state)
{
	struct place places[PART_COUNT] = { [PART_SHIM] = { 0, 3000 },
					    [PART_KERNEL] = { 0, MIB(31) + 5 },
					    [PART_INITRD] = { 0, MIB(1) + 1 },
					    [PART_COREHDR] = { 0, 400 },
					    [PART_DTB] = { 0, 7000 } };
	struct range region = { MIB(2048), MIB(128), 0 };
	u64 needed;

	(void)state;
	assert_int_equal(image_place(region, places, &needed), 0);
	assert_int_equal(places[PART_SHIM].base, MIB(2048));
	assert_int_equal(places[PART_KERNEL].base, MIB(2050));
	/* Linux claims all of its last block. */
	assert_int_equal(places[PART_INITRD].base, MIB(2082));
	assert_int_equal(places[PART_COREHDR].base, MIB(2083) + PAGE_SIZE);
	assert_int_equal(places[PART_DTB].base, MIB(2084));
	assert_int_equal(places[PART_DTB].memory, 2 * PAGE_SIZE);
	assert_int_equal(needed, MIB(36) + 2 * PAGE_SIZE);

	region.size = needed - 1;
	assert_int_equal(image_place(region, places, &needed), -ENOSPC);
	region.size = MIB(128);
	places[PART_SHIM].memory = places[PART_INITRD].memory = 0;
	assert_int_equal(image_place(region, places, &needed), 0);
	assert_int_equal(places[PART_KERNEL].base, MIB(2048));
	places[PART_INITRD].memory = ~0ull - 5;
	assert_int_equal(image_place(region, places, &needed), -EINVAL);
}

static void test_core_header(void **state)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p[4];
	} kcore = { .e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
			   .e_machine = 243,
			   .e_phoff = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 4,
			   .e_flags = 5 },
		    .p = { { .p_type = PT_NOTE },
			   { .p_type = PT_LOAD,
			     .p_paddr = 0x80200000,
			     .p_vaddr = 0xffffffff80000000,
			     .p_memsz = 0x1000 },
			   { .p_type = PT_LOAD,
			     .p_paddr = ~0ull,
			     .p_vaddr = 0xff20000000000000,
			     .p_memsz = 0x1000 },
			   { .p_type = PT_LOAD,
			     .p_paddr = 0x80000000,
			     .p_vaddr = 0xff60000000000000,
			     .p_memsz = 0x2000 } } };
	struct blob file = { (u8 *)&kcore, sizeof(kcore) };
	struct ranges maps, notes = { .count = 1, .range = { { 0x1234, 0x178, 0 } } };
	struct blob header;
	Elf64_Phdr p[3];
	u32 flags;

	(void)state;
	assert_int_equal(corehdr_kcore_size(&file), sizeof(kcore));
	assert_int_equal(corehdr_kernel_maps(&file, &maps, &flags), 0);
	assert_int_equal(maps.count, 2);
	assert_int_equal(flags, 5);

	header = corehdr_make(&notes, &maps, flags);
	assert_int_equal(header.size, sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr));
	assert_int_equal(((Elf64_Ehdr *)(void *)header.data)->e_type, ET_CORE);
	memcpy(p, header.data + sizeof(Elf64_Ehdr), sizeof(p));
	assert_int_equal(p[0].p_type, PT_NOTE);
	assert_int_equal(p[0].p_offset, 0x1234);
	assert_int_equal(p[0].p_memsz, 0x178);
	assert_int_equal(p[2].p_type, PT_LOAD);
	assert_int_equal(p[2].p_offset, 0x80000000);
	assert_int_equal(p[2].p_vaddr, 0xff60000000000000);
	assert_int_equal(p[2].p_filesz, 0x2000);
	free(header.data);

	file.size--;
	assert_int_equal(corehdr_kernel_maps(&file, &maps, &flags), -EINVAL);
	file.size++;
	kcore.p[3].p_memsz = ~0ull;
	assert_int_equal(corehdr_kernel_maps(&file, &maps, &flags), -EINVAL);
	kcore.e.e_machine = 62;
	assert_int_equal(corehdr_kcore_size(&file), 0);
}

/* A tree as a root VM has it. */
static struct blob root_tree(u8 *data, int size)
{
	static const u64 slot[] = { 0x80200000, 0x800000 }, firmware[] = { 0x80000000, 0x200000 };
	int node;

	assert_int_equal(fdt_create_empty_tree(data, size), 0);
	assert_int_equal(fdt_setprop_u32(data, 0, "#address-cells", 2), 0);
	assert_int_equal(fdt_setprop_u32(data, 0, "#size-cells", 2), 0);
	node = fdt_add_subnode(data, 0, "chosen");
	assert_int_equal(fdt_setprop_string(data, node, "bootargs", "crashkernel=128M old"), 0);
	assert_int_equal(fdt_setprop_u64(data, node, "linux,initrd-start", 1), 0);
	assert_int_equal(fdt_setprop_u64(data, node, "linux,initrd-end", 2), 0);
	assert_int_equal(fdt_setprop_u64(data, node, "rng-seed", 3), 0);
	node = fdt_add_subnode(data, 0, "reserved-memory");
	assert_int_equal(fdt_setprop_u32(data, node, "#address-cells", 2), 0);
	assert_int_equal(fdt_setprop_u32(data, node, "#size-cells", 2), 0);
	for (int i = 0; i < 2; i++) {
		int child = fdt_add_subnode(data, node, i ? "mmode_resv0@80000000" : "outlive-slot@80200000");

		for (int n = 0; n < 2; n++)
			assert_int_equal(fdt_appendprop_u64(data, child, "reg", i ? firmware[n] : slot[n]),
					 0);
	}
	return (struct blob){ data, (u64)size };
}

static u64 number(const void *dtb, const char *name, int index)
{
	int length;
	const fdt64_t *p = fdt_getprop(dtb, fdt_path_offset(dtb, "/chosen"), name, &length);

	assert_non_null(p);
	assert_true(length >= 8 * (index + 1));
	return fdt64_ld(p + index);
}

static void test_tree(void **state)
{
	static u8 data[4096];
	struct blob dtb = root_tree(data, sizeof(data)), broken = { data, 40 }, out;
	struct tree_chosen chosen = { .usable = { 0x190000000, 0x8000000, 0 },
				      .corehdr = { 0x191000000, 0x400, 0 },
				      .command_line = "console=ttyS0" };
	struct ranges ram;
	int node;

	(void)state;
	assert_int_equal(tree_reserved(&dtb, TREE_OUTLIVE, &ram), 0);
	assert_int_equal(ram.count, 1);
	assert_int_equal(ram.range[0].base, 0x80200000);
	assert_int_equal(ram.range[0].size, 0x800000);
	/* Where gdb with the hypervisor's symbols looks for it. */
	assert_int_equal(ram.range[0].map, 0x80200000);
	assert_int_equal(tree_reserved(&dtb, TREE_FIRMWARE, &ram), 0);
	assert_int_equal(ram.range[0].base, 0x80000000);
	assert_int_equal(tree_reserved(&broken, TREE_FIRMWARE, &ram), -EINVAL);
	assert_int_equal(tree_make(&broken, &chosen).size, 0);

	out = tree_make(&dtb, &chosen);
	assert_true(out.size && out.size <= tree_room(&dtb, chosen.command_line));
	node = fdt_path_offset(out.data, "/chosen");
	assert_string_equal(fdt_getprop(out.data, node, "bootargs", NULL), "console=ttyS0");
	assert_null(fdt_getprop(out.data, node, "linux,initrd-start", NULL));
	assert_null(fdt_getprop(out.data, node, "rng-seed", NULL));
	assert_int_equal(number(out.data, "linux,usable-memory-range", 0), 0x190000000);
	assert_int_equal(number(out.data, "linux,usable-memory-range", 1), 0x8000000);
	assert_int_equal(number(out.data, "linux,elfcorehdr", 1), 0x400);
	free(out.data);

	chosen.initrd = (struct range){ 0x192000000, 0x1000, 0 };
	out = tree_make(&dtb, &chosen);
	assert_int_equal(number(out.data, "linux,initrd-end", 0), 0x192001000);
	free(out.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),	    cmocka_unit_test(test_iomem),
		cmocka_unit_test(test_images),	    cmocka_unit_test(test_places),
		cmocka_unit_test(test_core_header), cmocka_unit_test(test_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
