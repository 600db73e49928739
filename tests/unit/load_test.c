/* Loading a guest: which formats are known, where things go, what does not fit; and that it arrives. */
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/vm/load.h"
#include "core/vm/load_plan.h"
#include "tests/unit/fixture.h"
#include <elf.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RAM GUEST_RAM_BASE

static u8 kernel[65536];
static struct load_plan plan;

static int make(u64 kernel_size, u64 initrd_size, u64 ram_size)
{
	const struct load_request q = {
		.kernel = kernel,
		.kernel_size = kernel_size,
		.initrd_size = initrd_size,
		.dtb_size = KIB(64),
		.ram_base = GUEST_RAM_BASE,
		.ram_size = ram_size,
	};

	return load_plan_make(&q, &plan);
}

static void assert_says(const char *words)
{
	if (!strstr(plan.text, words))
		fail_msg("\"%s\" does not say \"%s\"", plan.text, words);
}

#define REFUSED(error, call, words)            \
	do {                                   \
		assert_int_equal(call, error); \
		assert_says(words);            \
	} while (0)

/* ---- Linux ---- */

static void linux_header(bool efi, u64 text_offset, u64 image_size)
{
	static const char magics[12] = "RISCV\0\0\0RSC\x05";

	memset(kernel, 0, sizeof(kernel));
	if (efi) {
		kernel[0] = 'M';
		kernel[1] = 'Z';
	}
	memcpy(kernel + 8, &text_offset, 8);
	memcpy(kernel + 16, &image_size, 8);
	memcpy(kernel + 48, magics, sizeof(magics));
}

static void linux_goes_where_its_header_says(void **state)
{
	(void)state;
	for (int efi = 0; efi < 2; efi++) {
		linux_header(efi, MIB(2), MIB(20));
		assert_int_equal(make(4096, 5000, MIB(64)), 0);
		assert_int_equal(plan.entry, RAM + MIB(2));
		assert_int_equal(plan.parts, 1);
		assert_int_equal(plan.part[0].to, RAM + MIB(2));
		assert_int_equal(plan.part[0].file, 4096);
		assert_int_equal(plan.kernel_end, RAM + MIB(22));
		assert_int_equal(plan.dtb, RAM + MIB(62));
		assert_int_equal(plan.initrd, RAM + MIB(62) - 8192);
	}
}

static void the_image_size_counts_and_not_the_file(void **state)
{
	(void)state;
	/* 2 MiB under the kernel, 60 of it, 2 for the device tree: just so. */
	linux_header(true, MIB(2), MIB(60));
	assert_int_equal(make(4096, 0, MIB(64)), 0);
	REFUSED(-ENOMEM, make(4096, 1, MIB(64)), "too little RAM");
	linux_header(true, MIB(2), MIB(60) + 1);
	REFUSED(-ENOMEM, make(4096, 0, MIB(64)), "too little RAM");
	linux_header(true, MIB(2), MIB(63));
	REFUSED(-ENOMEM, make(4096, 0, MIB(64)), "outside of the VM's 64 MiB");
	linux_header(true, MIB(2), ~0ull);
	REFUSED(-ENOMEM, make(4096, 0, MIB(64)), "outside");
}

static void linux_headers_that_lie_are_refused(void **state)
{
	(void)state;
	linux_header(true, MIB(2) + 1, MIB(20));
	REFUSED(-EINVAL, make(4096, 0, MIB(64)), "text offset");
	linux_header(true, ~0ull - PAGE_SIZE + 1, MIB(20));
	REFUSED(-EINVAL, make(4096, 0, MIB(64)), "text offset");
	linux_header(true, MIB(2), MIB(20));
	kernel[24] = 1;
	REFUSED(-EINVAL, make(4096, 0, MIB(64)), "big-endian");
}

static void large_machines_get_initrd_and_tree_in_the_first_gigabyte(void **state)
{
	(void)state;
	linux_header(true, MIB(2), MIB(20));
	assert_int_equal(make(4096, MIB(30), GIB(8)), 0);
	assert_int_equal(plan.dtb, RAM + GIB(1) - MIB(2));
	assert_int_equal(plan.initrd, RAM + GIB(1) - MIB(32));
	/* Unless they do not fit there. */
	assert_int_equal(make(4096, GIB(1), GIB(8)), 0);
	assert_int_equal(plan.dtb, RAM + GIB(8) - MIB(2));
	assert_int_equal(plan.initrd, RAM + GIB(7) - MIB(2));
}

/* ---- ELF ---- */

static Elf64_Ehdr *elf(unsigned segments)
{
	Elf64_Ehdr *h = (Elf64_Ehdr *)kernel;

	memset(kernel, 0, sizeof(kernel));
	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_type = ET_EXEC;
	h->e_machine = EM_RISCV;
	h->e_phoff = sizeof(*h);
	h->e_phentsize = sizeof(Elf64_Phdr);
	h->e_phnum = (Elf64_Half)segments;
	h->e_entry = 0xffffffff80000010;
	return h;
}

static Elf64_Phdr *segment(unsigned n, u64 offset, u64 file, u64 memory, u64 to)
{
	Elf64_Phdr *p = (Elf64_Phdr *)(kernel + sizeof(Elf64_Ehdr)) + n;

	*p = (Elf64_Phdr){ .p_type = PT_LOAD,
			   .p_offset = offset,
			   .p_filesz = file,
			   .p_memsz = memory,
			   .p_paddr = to,
			   .p_vaddr = to - RAM + 0xffffffff80000000 };
	return p;
}

static void elf_segments_go_to_their_physical_addresses(void **state)
{
	(void)state;
	elf(3);
	segment(0, 4096, 100, 200, RAM);
	segment(1, 0, 0, 0, 0)->p_type = PT_NOTE;
	segment(2, 8192, 0, MIB(1), RAM + MIB(8));
	assert_int_equal(make(16384, 0, MIB(32)), 0);
	assert_int_equal(plan.parts, 2);
	assert_int_equal(plan.entry, RAM + 0x10);
	assert_int_equal(plan.part[0].file, 100);
	assert_int_equal(plan.part[1].to, RAM + MIB(8));
	assert_int_equal(plan.part[1].file, 0);
	assert_int_equal(plan.kernel_end, RAM + MIB(9));
}

static void a_physical_entry_will_do(void **state)
{
	(void)state;
	elf(1)->e_entry = RAM + MIB(2) + 4;
	segment(0, 4096, 100, 200, RAM + MIB(2));
	assert_int_equal(make(16384, 0, MIB(32)), 0);
	assert_int_equal(plan.entry, RAM + MIB(2) + 4);
	((Elf64_Ehdr *)kernel)->e_entry = RAM + MIB(2) + 200;
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "entry");
}

static void elf_headers_that_lie_are_refused(void **state)
{
	(void)state;
	elf(1)->e_ident[EI_CLASS] = ELFCLASS32;
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "not 64-bit");
	elf(1)->e_machine = EM_X86_64;
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "not for RISC-V but for machine 62");
	elf(1)->e_type = ET_REL;
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "no executable");
	elf(1)->e_phentsize = 8;
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "program headers");
	elf(1)->e_phoff = ~0ull - 8;
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "truncated");
	elf(300);
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "truncated");
	REFUSED(-EINVAL, make(20, 0, MIB(32)), "truncated");
	elf(1);
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "nothing to load");
}

static void elf_segments_that_lie_are_refused(void **state)
{
	(void)state;
	elf(2);
	segment(0, 4096, 100, 200, RAM);
	segment(1, 4096, 100, 50, RAM + 4096);
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "larger in the file");
	segment(1, 16300, 100, 100, RAM + 4096);
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "truncated");
	segment(1, ~0ull, 100, 100, RAM + 4096);
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "truncated");
	segment(1, 4096, 100, 100, RAM + 199);
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "overlap");
	segment(1, 4096, 100, 100, RAM - 50);
	REFUSED(-ENOMEM, make(16384, 0, MIB(32)), "outside");
	segment(1, 4096, 100, ~0ull, RAM + 4096);
	REFUSED(-ENOMEM, make(16384, 0, MIB(32)), "outside");
	segment(1, 4096, 100, 100, RAM + MIB(32) - 99);
	REFUSED(-ENOMEM, make(16384, 0, MIB(32)), "outside");
	/* Inside, but where the device tree has to go. */
	segment(1, 4096, 100, 100, RAM + MIB(31));
	REFUSED(-ENOMEM, make(16384, 0, MIB(32)), "too little RAM");
	elf(LOAD_MAX_PARTS + 1);
	for (unsigned n = 0; n <= LOAD_MAX_PARTS; n++)
		segment(n, 4096, 1, 1, RAM + n * 64);
	REFUSED(-EINVAL, make(16384, 0, MIB(32)), "more than 16 segments");
}

/* ---- Flat, and what only looks so ---- */

static void anything_else_is_flat(void **state)
{
	(void)state;
	memset(kernel, 0x13, sizeof(kernel));
	assert_int_equal(make(100, 0, MIB(8)), 0);
	assert_int_equal(plan.entry, RAM + MIB(2));
	assert_int_equal(plan.part[0].to, RAM + MIB(2));
	assert_int_equal(plan.initrd, 0);
	assert_int_equal(make(1, 0, MIB(6)), 0);
	REFUSED(-ENOMEM, make(1, 0, MIB(4)), "too little RAM");
	REFUSED(-ENOMEM, make(1, 0, MIB(2)), "outside");
	REFUSED(-EINVAL, make(0, 0, MIB(8)), "empty");
}

static void kernels_of_others_are_named(void **state)
{
	static const struct {
		unsigned offset;
		const char *bytes;
		const char *words;
	} foreign[] = {
		{ 0, "\x1f\x8b", "gzip" },  { 0, "\x28\xb5\x2f\xfd", "zstd" }, { 0, "MZ", "EFI program" },
		{ 4, "zimg", "unpack it" }, { 56, "ARM\x64", "arm64" },	       { 0x202, "HdrS", "x86" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		memset(kernel, 0, sizeof(kernel));
		memcpy(kernel + foreign[i].offset, foreign[i].bytes, strlen(foreign[i].bytes));
		REFUSED(-EINVAL, make(4096, 0, MIB(64)), foreign[i].words);
	}
}

static void a_device_tree_has_a_block_at_most(void **state)
{
	const struct load_request q = { .kernel = kernel,
					.kernel_size = 1,
					.dtb_size = BLOCK_SIZE + 1,
					.ram_base = GUEST_RAM_BASE,
					.ram_size = MIB(64) };

	(void)state;
	REFUSED(-E2BIG, load_plan_make(&q, &plan), "device tree");
}

/* ---- All of it, into a VM ---- */

static struct {
	struct pack_header header;
	struct pack_item item[2];
	struct vm_config vm;
	u8 pad[8192 - sizeof(struct pack_header) - 2 * sizeof(struct pack_item) - sizeof(struct vm_config)];
	u8 kernel[12288];
	u8 initrd[8192];
} image __attribute__((aligned(4096)));

static void image_make(struct pack *pack)
{
	char why[128];

	memset(&image, 0, sizeof(image));
	image.header.magic = PACK_MAGIC;
	image.header.version = PACK_VERSION;
	image.header.header_size = sizeof(image.header);
	image.header.total_size = sizeof(image);
	image.header.item_count = 2;
	image.item[0] = (struct pack_item){ .offset = 8192, .size = 12000, .name = "kernel" };
	image.item[1] = (struct pack_item){ .offset = 8192 + 12288, .size = 5001, .name = "initrd" };
	for (unsigned i = 0; i < sizeof(image.kernel); i++)
		image.kernel[i] = (u8)(i * 7 + 1);
	for (unsigned i = 0; i < sizeof(image.initrd); i++)
		image.initrd[i] = (u8)(i * 11 + 3);
	image.header.crc = crc32c(0, &image, sizeof(image.header) + sizeof(image.item));
	if (pack_open(pack, &image, sizeof(image), why, sizeof(why)))
		fail_msg("%s", why);
}

static struct vm *vm_make(u64 memory)
{
	struct vm_config c = { .memory = memory, .vcpus = 2 };
	struct vm *vm;

	strcpy(c.name, "guest");
	c.devices[0].kind = VM_DEV_RNG;
	vm = fixture_vm(&c);
	vm->config.kernel_item = 0;
	vm->config.initrd_item = 1;
	strcpy(vm->config.cmdline, "quiet");
	return vm;
}

static void kernel_initrd_and_tree_arrive(void **state)
{
	static u8 there[BLOCK_SIZE] __attribute__((aligned(8)));
	struct load_result result;
	struct pack pack;
	struct vm *vm;
	const fdt64_t *initrd;
	u64 beats;

	(void)state;
	fixture_start();
	image_make(&pack);
	vm = vm_make(MIB(16));
	beats = estate.harts[0].beat;
	assert_int_equal(load_vm(vm, &pack, &result), 0);
	assert_string_equal(result.text, "");
	assert_true(estate.harts[0].beat > beats);
	assert_int_equal(result.entry.a, RAM + MIB(2));
	assert_int_equal(guest_read(vm, result.entry, there, 12288), 0);
	assert_memory_equal(there, image.kernel, 12000);
	/* What lies behind it in the pack does not come along. */
	for (unsigned i = 12000; i < 12288; i++)
		assert_int_equal(there[i], 0);
	assert_int_equal(result.dtb.a, RAM + MIB(14));
	assert_int_equal(guest_read(vm, result.dtb, there, sizeof(there)), 0);
	assert_int_equal(fdt_check_full(there, sizeof(there)), 0);
	initrd = fdt_getprop(there, fdt_path_offset(there, "/chosen"), "linux,initrd-start", NULL);
	assert_non_null(initrd);
	assert_int_equal(fdt64_ld(initrd), RAM + MIB(14) - 8192);
	assert_int_equal(guest_read(vm, GPA(fdt64_ld(initrd)), there, 8192), 0);
	assert_memory_equal(there, image.initrd, 5001);
	assert_int_equal(there[5001], 0);
}

/* Pieces end where blocks do, whatever the alignment of source and target. */
static void segments_across_blocks_arrive(void **state)
{
	struct load_result result;
	struct pack pack;
	u8 there[3000];
	struct vm *vm;

	(void)state;
	fixture_start();
	image_make(&pack);
	vm = vm_make(MIB(16));
	elf(1)->e_entry = RAM + MIB(4);
	segment(0, 1001, 3000, 4000, RAM + MIB(4) - 1499);
	memcpy(image.kernel, kernel, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr));
	assert_int_equal(load_vm(vm, &pack, &result), 0);
	assert_int_equal(result.entry.a, RAM + MIB(4));
	assert_int_equal(guest_read(vm, GPA(RAM + MIB(4) - 1499), there, sizeof(there)), 0);
	assert_memory_equal(there, image.kernel + 1001, sizeof(there));
}

static void what_cannot_be_loaded_leaves_memory_alone(void **state)
{
	struct load_result result;
	struct pack pack;
	struct vm *vm;

	(void)state;
	fixture_start();
	image_make(&pack);
	vm = vm_make(MIB(4));
	assert_int_equal(load_vm(vm, &pack, &result), -ENOMEM);
	assert_non_null(strstr(result.text, "too little RAM"));
	assert_int_equal(vm->s->touched[0], 0);
	vm->config.kernel_item = 2;
	assert_int_equal(load_vm(vm, &pack, &result), -ENOENT);
	vm->config.kernel_item = 0;
	vm->config.initrd_item = 2;
	assert_int_equal(load_vm(vm, &pack, &result), -ENOENT);
	assert_non_null(strstr(result.text, "initrd"));
	/* Extents that do not cover what the configuration promises. */
	vm = vm_make(MIB(16));
	vm->config.extents[0].size = MIB(8);
	vm->extent_check[0] = backing_check(&vm->config.extents[0]);
	assert_int_equal(load_vm(vm, &pack, &result), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_goes_where_its_header_says),
		cmocka_unit_test(the_image_size_counts_and_not_the_file),
		cmocka_unit_test(linux_headers_that_lie_are_refused),
		cmocka_unit_test(large_machines_get_initrd_and_tree_in_the_first_gigabyte),
		cmocka_unit_test(elf_segments_go_to_their_physical_addresses),
		cmocka_unit_test(a_physical_entry_will_do),
		cmocka_unit_test(elf_headers_that_lie_are_refused),
		cmocka_unit_test(elf_segments_that_lie_are_refused),
		cmocka_unit_test(anything_else_is_flat),
		cmocka_unit_test(kernels_of_others_are_named),
		cmocka_unit_test(a_device_tree_has_a_block_at_most),
		cmocka_unit_test(kernel_initrd_and_tree_arrive),
		cmocka_unit_test(segments_across_blocks_arrive),
		cmocka_unit_test(what_cannot_be_loaded_leaves_memory_alone),
	};

	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
