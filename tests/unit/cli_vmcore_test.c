/* Dumps of VMs: what the command writes, read back by a reader of its own, and what it finds in a guest's memory. */
#include "cli/guest_tables.h"
#include "cli/vmcore.h"
#include "tests/unit/vmcore_reader.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define RAM	  0x80000000ull
#define RAM_PAGES 1024u
#define GAP	  MIB(64) /* between the two ranges */
#define HIGH	  (RAM + RAM_PAGES / 2 * PAGE_SIZE + GAP)
#define HALF	  (RAM_PAGES / 2)

#define LINEAR	0xffffffd800000000ull
#define KERNEL	0xffffffff80000000ull
#define VMALLOC 0xffffffc800000000ull
#define OFFSET	(KERNEL - RAM - MIB(1)) /* of the kernel's image, which lies at RAM + 1 MiB */

/* Fixed places in RAM, in pages. */
enum {
	PAGE_NOTE = 3,
	PAGE_ROOT = 256 + 5,
	PAGE_MIDDLE = 20,
	PAGE_LEAVES = 21,
	PAGE_KERNEL = 256,
	PAGE_STACK = 700
};

static u8 ram[RAM_PAGES][PAGE_SIZE];
static struct ctl_dump_vcpu vcpus[3];
static struct output_file out;
static struct vmcore core;
static struct reader file;

static u64 address(u32 page)
{
	return page < HALF ? RAM + page * PAGE_SIZE : HIGH + (page - HALF) * PAGE_SIZE;
}

static u64 seed;

/* xorshift64 (Marsaglia) */
static u32 dice(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed % n);
}

static const char info_text[] =
	"OSRELEASE=6.12-test\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffffffff80005000\n"
	"NUMBER(phys_ram_base)=2147483648\nNUMBER(PAGE_OFFSET)=0xffffffd800000000\n"
	"NUMBER(VA_BITS)=39\nNUMBER(KERNEL_LINK_ADDR)=0xffffffff80000000\n"
	"NUMBER(va_kernel_pa_offset)=0xfffffffeffF00000\nNUMBER(minus)=-4096\n"
	"SYMBOL(init_uts_ns)=ffffffff80002f00\nOFFSET(uts_namespace.name)=4\n";

static void put_note(u8 *to, const char *text, size_t length)
{
	u32 head[3] = { 11, (u32)length, 0 };

	memcpy(to, head, sizeof(head));
	memcpy(to + 12, "VMCOREINFO\0", 12);
	memcpy(to + 24, text, length);
}

static u64 leaf(u64 physical)
{
	return physical >> 12 << 10 | 0xcf;
}

static u64 pointer(u64 physical)
{
	return physical >> 12 << 10 | 1;
}

static void put_entry(u32 page, u32 index, u64 entry)
{
	memcpy(&ram[page][index * 8], &entry, sizeof(entry));
}

/* The kernel's image by three pages, and a stack of two pages that are not neighbours. */
static void put_tables(void)
{
	u32 middle = VMALLOC >> 30 & 511, kernel = KERNEL >> 30 & 511;

	put_entry(PAGE_ROOT, middle, pointer(address(PAGE_MIDDLE)));
	put_entry(PAGE_ROOT, kernel, pointer(address(PAGE_MIDDLE + 2)));
	put_entry(PAGE_MIDDLE, 0, pointer(address(PAGE_LEAVES)));
	put_entry(PAGE_MIDDLE + 2, (KERNEL >> 21 & 511), pointer(address(PAGE_MIDDLE + 3)));
	put_entry(PAGE_LEAVES, 1, leaf(address(PAGE_STACK)));
	put_entry(PAGE_LEAVES, 2, leaf(address(PAGE_STACK + 20)));
	put_entry(PAGE_LEAVES, 3, leaf(0x10000000)); /* a device: not RAM */
	for (u32 i = 0; i < 3; i++)
		put_entry(PAGE_MIDDLE + 3, i, leaf(address(PAGE_KERNEL + i)));
	/* The root maps itself, as a hostile guest's might. */
	put_entry(PAGE_ROOT, 256, pointer(address(PAGE_ROOT)));
}

/* The kernel's struct new_utsname, over the end of a page. */
static void put_names(void)
{
	static const char *const names[] = { "Linux",	     "a-guest", "6.12-test",
					     "#1 of a test", "riscv64", "example" };
	u8 *at = ram[PAGE_KERNEL + 2] + 0xf04;

	memset(at, 0, 390);
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		memcpy(at + 65 * i, names[i], strlen(names[i]));
}

static int set_up(void **state)
{
	(void)state;
	seed = 88172645463325252ull;
	memset(ram, 0, sizeof(ram));
	for (u32 page = 0; page < RAM_PAGES; page++) {
		/* A quarter of the pages, and long stretches, are all zero. */
		if (dice(4) == 0 || (page / 64) % 3 == 2)
			continue;
		for (u32 i = 0; i < PAGE_SIZE; i++)
			ram[page][i] = page % 5 ? (u8)(i / 64 + page) : (u8)dice(256);
	}
	for (u32 page = PAGE_MIDDLE; page < PAGE_MIDDLE + 4; page++)
		memset(ram[page], 0, PAGE_SIZE);
	memset(ram[PAGE_ROOT], 0, PAGE_SIZE);
	memset(ram[PAGE_NOTE], 0, PAGE_SIZE);
	put_note(ram[PAGE_NOTE], info_text, strlen(info_text));
	put_tables();
	put_names();
	for (u32 i = 0; i < 3; i++) {
		vcpus[i] = (struct ctl_dump_vcpu){ .id = i, .pc = KERNEL + i };
		for (u64 n = 0; n < 32; n++)
			vcpus[i].x[n] = n << 32 | i;
	}
	out = (struct output_file){ .path = "test", .fd = memfd_create("test", 0) };
	core = (struct vmcore){ .out = &out, .vcpus = vcpus, .vcpu_count = 3, .range_count = 2 };
	core.ranges[0] = (struct vmcore_range){ .at = RAM, .size = HALF * PAGE_SIZE };
	core.ranges[1] = (struct vmcore_range){ .at = HIGH, .size = HALF * PAGE_SIZE };
	return out.fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (file.bytes)
		munmap((void *)file.bytes, file.size);
	file = (struct reader){ 0 };
	vmcore_free(&core);
	close(out.fd);
	return 0;
}

static bool is_zero(u32 page)
{
	static const u8 nothing[PAGE_SIZE];

	return memcmp(ram[page], nothing, PAGE_SIZE) == 0;
}

static enum ctl_dump_kind kind_of(u32 page)
{
	if (!is_zero(page))
		return CTL_DUMP_RAW;
	return (page / 64) % 3 == 2 ? CTL_DUMP_UNTOUCHED : CTL_DUMP_ZERO;
}

/* Writes all of it, in runs of any length, and maps the file. */
static void write_core(enum vmcore_format format, u32 exclude)
{
	core.format = format;
	core.exclude = exclude;
	assert_int_equal(vmcore_begin(&core), 0);
	for (u32 page = 0, run; page < RAM_PAGES; page += run) {
		enum ctl_dump_kind kind = kind_of(page);
		u32 most = 1 + dice(70);

		for (run = 1; run < most && page + run < RAM_PAGES && page + run != HALF &&
			      kind_of(page + run) == kind;)
			run++;
		assert_int_equal(vmcore_pages(&core, address(page), run, kind,
					      kind == CTL_DUMP_RAW ? ram[page] : NULL),
				 0);
	}
	assert_int_equal(vmcore_end(&core), 0);
	assert_int_equal(core.pages, RAM_PAGES);
	file.size = (u64)lseek(out.fd, 0, SEEK_END);
	file.bytes = mmap(NULL, file.size, PROT_READ, MAP_SHARED, out.fd, 0);
	assert_ptr_not_equal(file.bytes, MAP_FAILED);
}

static void check_page(u64 at, bool is_physical, u32 page)
{
	u8 bytes[PAGE_SIZE];

	assert_true(elf_page(&file, at, is_physical, bytes));
	assert_memory_equal(bytes, ram[page], PAGE_SIZE);
}

static void check_notes(u64 at, u64 size)
{
	const u8 *note;
	u64 length = 0;

	for (u32 i = 0; i < 3; i++) {
		note = elf_note(&file, at, size, "CORE", NT_PRSTATUS, i, &length);
		assert_non_null(note);
		assert_int_equal(length, 376);
		assert_int_equal(*(const u32 *)(note + 32), i + 1);
		assert_memory_equal(note + 112, &vcpus[i].pc, 8);
		assert_memory_equal(note + 120, &vcpus[i].x[1], 31 * 8);
	}
	assert_null(elf_note(&file, at, size, "CORE", NT_PRSTATUS, 3, &length));
	note = elf_note(&file, at, size, "VMCOREINFO", 0, 0, &length);
	assert_non_null(note);
	assert_int_equal(length, strlen(info_text));
	assert_memory_equal(note, info_text, length);
	assert_null(elf_note(&file, at, size, "VMCOREINFO", 0, 1, &length));
}

static void check_elf(void)
{
	Elf64_Phdr note = elf_segment(&file, 0);
	u8 bytes[PAGE_SIZE];

	assert_memory_equal(file.bytes, "\177ELF\2\1\1", 7);
	assert_int_equal(file.bytes[16], ET_CORE);
	assert_int_equal(file.bytes[18], EM_RISCV);
	assert_int_equal(reader_u64(&file, 32), 64);
	assert_int_equal(note.p_type, PT_NOTE);
	check_notes(note.p_offset, note.p_filesz);
	for (u32 i = 1; i < elf_count(&file); i++) {
		assert_int_equal(elf_segment(&file, i).p_type, PT_LOAD);
		assert_int_equal(elf_segment(&file, i).p_align, 0);
	}
	for (u32 page = 0; page < RAM_PAGES; page++) {
		check_page(address(page), true, page);
		check_page(LINEAR + (address(page) - RAM), false, page);
	}
	for (u32 i = 0; i < 3; i++)
		check_page(KERNEL + i * PAGE_SIZE, false, PAGE_KERNEL + i);
	check_page(VMALLOC + PAGE_SIZE, false, PAGE_STACK);
	check_page(VMALLOC + 2 * PAGE_SIZE, false, PAGE_STACK + 20);
	assert_false(elf_page(&file, VMALLOC, false, bytes));
	assert_false(elf_page(&file, VMALLOC + 3 * PAGE_SIZE, false, bytes));
	assert_false(elf_page(&file, HIGH - PAGE_SIZE, true, bytes));
	assert_false(core.is_cut);
}

static void test_elf(void **state)
{
	(void)state;
	write_core(VMCORE_ELF, 0);
	check_elf();
	assert_int_equal(core.excluded_pages, 0);
	assert_true(core.untouched_pages >= 5 * 64);
}

static void test_elf_excluded(void **state)
{
	u64 whole;

	(void)state;
	write_core(VMCORE_ELF, 0);
	whole = file.size;
	munmap((void *)file.bytes, file.size);
	assert_int_equal(vmcore_restart(&core), 0);
	core.vcpus = vcpus;
	core.vcpu_count = 3;
	core.range_count = 2;
	core.ranges[0] = (struct vmcore_range){ .at = RAM, .size = HALF * PAGE_SIZE };
	core.ranges[1] = (struct vmcore_range){ .at = HIGH, .size = HALF * PAGE_SIZE };
	write_core(VMCORE_ELF, VMCORE_NO_FREE);
	check_elf();
	assert_int_equal(core.excluded_pages, core.untouched_pages);
	/* Each stretch of 64 pages that was never used is a gap. */
	assert_true(file.size <= whole - 4 * 64 * PAGE_SIZE);
}

/* Without VMCOREINFO a vCPU's own satp says it. */
static void test_elf_satp(void **state)
{
	u8 bytes[PAGE_SIZE];

	(void)state;
	memset(ram[PAGE_NOTE], 0, PAGE_SIZE);
	vcpus[1].satp = 8ull << 60 | address(PAGE_ROOT) >> 12;
	write_core(VMCORE_ELF, 0);
	check_page(VMALLOC + PAGE_SIZE, false, PAGE_STACK);
	check_page(KERNEL + PAGE_SIZE, false, PAGE_KERNEL + 1);
	check_page(address(700), false, 700);
	assert_false(elf_page(&file, LINEAR, false, bytes));
}

static void test_kdump(void **state)
{
	static const u32 excludes[] = { 0, VMCORE_NO_FREE, VMCORE_NO_ZERO | VMCORE_NO_FREE };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(excludes); i++) {
		u64 sub = 4096, excluded = 0;
		u8 bytes[PAGE_SIZE];

		if (i) {
			tear_down(NULL);
			set_up(NULL);
		}
		write_core(VMCORE_KDUMP, excludes[i]);
		assert_memory_equal(file.bytes, "KDUMP   \6\0\0\0Linux", 17);
		assert_string_equal((const char *)file.bytes + 12 + 2 * 65, "6.12-test");
		assert_string_equal((const char *)file.bytes + 12 + 65, "a-guest");
		assert_string_equal((const char *)file.bytes + 12 + 3 * 65, "#1 of a test");
		assert_string_equal((const char *)file.bytes + 12 + 4 * 65, "riscv64");
		assert_string_equal((const char *)file.bytes + 12 + 5 * 65, "example");
		assert_int_equal(reader_u32(&file, 424), 1);
		assert_int_equal(reader_u32(&file, 428), 4096);
		assert_int_equal(reader_u32(&file, 460), 3);
		assert_int_equal(reader_u64(&file, sub), RAM);
		assert_int_equal(reader_u64(&file, sub + 40), strlen(info_text));
		assert_memory_equal(file.bytes + reader_u64(&file, sub + 32), info_text, strlen(info_text));
		check_notes(reader_u64(&file, sub + 48), reader_u64(&file, sub + 56));
		for (u32 page = 0; page < RAM_PAGES; page++) {
			enum kdump_found found = kdump_page(&file, address(page), bytes);
			bool is_left_out = (excludes[i] & VMCORE_NO_ZERO && is_zero(page)) ||
					   (excludes[i] && kind_of(page) == CTL_DUMP_UNTOUCHED);

			excluded += is_left_out;
			assert_int_equal(found, is_left_out ? KDUMP_EXCLUDED : KDUMP_HERE);
			if (!is_left_out)
				assert_memory_equal(bytes, ram[page], PAGE_SIZE);
		}
		assert_int_equal(core.excluded_pages, excluded);
		assert_int_equal(kdump_page(&file, HIGH - PAGE_SIZE, bytes), KDUMP_NONE);
		assert_int_equal(kdump_page(&file, RAM - PAGE_SIZE, bytes), KDUMP_NONE);
	}
}

static void test_bad_ranges(void **state)
{
	(void)state;
	core.ranges[1].at = RAM + PAGE_SIZE;
	assert_int_equal(vmcore_begin(&core), -EINVAL);
	core.ranges[1] = (struct vmcore_range){ .at = HIGH + 1, .size = PAGE_SIZE };
	assert_int_equal(vmcore_begin(&core), -EINVAL);
	core.ranges[1] = (struct vmcore_range){ .at = 1ull << 55, .size = PAGE_SIZE };
	core.format = VMCORE_KDUMP;
	assert_int_equal(vmcore_begin(&core), -EFBIG);
	vmcore_free(&core);
	core.range_count = 0;
	assert_int_equal(vmcore_begin(&core), -EINVAL);
}

/* ---- VMCOREINFO ---- */

static struct vmcoreinfo info;
static u8 pages[4][PAGE_SIZE];

static void look(void)
{
	memset(&info, 0, sizeof(info));
	for (u32 i = 0; i < 4; i++)
		vmcoreinfo_look(&info, RAM + i * PAGE_SIZE, pages[i]);
}

static void test_info_values(void **state)
{
	char text[8];
	u64 value;

	(void)state;
	memset(pages, 0, sizeof(pages));
	put_note(pages[1], info_text, strlen(info_text));
	look();
	assert_string_equal(info.text, info_text);
	assert_true(vmcoreinfo_number(&info, "NUMBER(PAGE_OFFSET)", &value));
	assert_int_equal(value, LINEAR);
	assert_true(vmcoreinfo_number(&info, "NUMBER(minus)", &value));
	assert_int_equal(value, (u64)-4096);
	assert_true(vmcoreinfo_symbol(&info, "swapper_pg_dir", &value));
	assert_int_equal(value, KERNEL + 0x5000);
	assert_false(vmcoreinfo_symbol(&info, "swapper_pg", &value));
	assert_false(vmcoreinfo_number(&info, "OSRELEASE", &value));
	vmcoreinfo_text(&info, "OSRELEASE", text, sizeof(text));
	assert_string_equal(text, "6.12-te");
}

/* The kernel's is the one at the beginning of a page, over two of them, whatever else looks like one. */
static void test_info_choice(void **state)
{
	char text[5000];
	int length;

	(void)state;
	memset(pages, 0, sizeof(pages));
	length = snprintf(text, sizeof(text),
			  "OSRELEASE=real\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=1\n%0*d\n", 4500, 7);
	for (u32 i = 0; i + 200 < PAGE_SIZE; i += 200)
		put_note(pages[0] + i, "OSRELEASE=fake\nPAGESIZE=4096\n", 29);
	memcpy(pages[0], (u32[3]){ 11, 8000, 0 }, 12); /* claims all that follows */
	put_note((u8 *)pages[1], text, (size_t)length);
	look();
	assert_int_equal(info.length, length);
	assert_memory_equal(info.text, text, (size_t)length);
	/* Later pages that are no neighbours do not complete a note. */
	memset(&info, 0, sizeof(info));
	vmcoreinfo_look(&info, RAM, pages[1]);
	vmcoreinfo_look(&info, RAM + 2 * PAGE_SIZE, pages[2]);
	assert_int_equal(info.length, 0);
}

static void test_info_bad(void **state)
{
	static const char *const bad[] = { "PAGESIZE=4096\nOSRELEASE=x\n", "OSRELEASE=x\nPAGESIZE=16384\n",
					   "OSRELEASE=x\nPAGESIZE=4096\n\1\n",
					   "OSRELEASE=without any size\n" };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(pages, 0, sizeof(pages));
		put_note(pages[0], bad[i], strlen(bad[i]));
		look();
		assert_int_equal(info.length, 0);
	}
	/* At the very end of the memory: it never becomes whole. */
	memset(pages, 0, sizeof(pages));
	put_note(pages[3] + 4000, "OSRELEASE=x\nPAGESIZE=4096\n", 26);
	memcpy(pages[3] + 4000, (u32[3]){ 11, 100, 0 }, 12);
	look();
	assert_int_equal(info.length, 0);
}

/* ---- Page tables ---- */

static bool read_ram(void *arg, u64 at, void *to)
{
	++*(u64 *)arg;
	if (at < RAM || at - RAM >= HALF * PAGE_SIZE || at % PAGE_SIZE)
		return false;
	memcpy(to, ram[(at - RAM) / PAGE_SIZE], PAGE_SIZE);
	return true;
}

static void test_tables(void **state)
{
	struct guest_linear linear = { .start = ~0ull << 38, .size = GIB(1), .physical = GIB(2) };
	struct guest_mappings m;
	u64 reads = 0, root;

	(void)state;
	memset(ram, 0, sizeof(ram));
	put_entry(0, 0, leaf(RAM)); /* the lower half is not the kernel's */
	put_entry(0, 256, leaf(GIB(2)));
	put_entry(0, 257, leaf(GIB(2) + MIB(2))); /* misaligned */
	put_entry(0, 258, pointer(address(1)));
	put_entry(0, 511, leaf(GIB(5)));
	put_entry(1, 1, leaf(MIB(4)));
	put_entry(1, 2, leaf(MIB(6)));
	put_entry(1, 3, pointer(address(2)));
	for (u32 i = 0; i < 16; i++)
		put_entry(2, i, leaf(MIB(8) | 8 << 12) | 1ull << 63); /* 64 KiB, Svnapot */
	assert_int_equal(guest_tables_root(8ull << 60 | 0x1234, &root), 3);
	assert_int_equal(root, 0x1234000);
	assert_int_equal(guest_tables_root(10ull << 60, &root), 5);
	assert_int_equal(guest_tables_root(0, &root), 0);
	guest_tables_walk(&m, 3, RAM, &linear, 1, read_ram, &reads);
	assert_int_equal(reads, 3);
	assert_int_equal(m.count, 2);
	assert_int_equal(m.list[0].virtual, (~0ull << 38) + GIB(2) + MIB(2));
	assert_int_equal(m.list[0].physical, MIB(4));
	assert_int_equal(m.list[0].size, MIB(4) + KIB(64));
	assert_int_equal(m.list[1].virtual, 0 - GIB(1));
	assert_int_equal(m.list[1].physical, GIB(5));
	assert_false(m.is_cut);
	free(m.list);
}

static void test_tables_hostile(void **state)
{
	struct guest_mappings m;
	u64 reads = 0;

	(void)state;
	/* Every entry of the table is the table, and all its entries are leaves in the end. */
	for (u32 i = 0; i < 512; i++)
		put_entry(0, i, pointer(RAM));
	for (unsigned levels = 3; levels <= 5; levels++) {
		reads = 0;
		guest_tables_walk(&m, levels, RAM, NULL, 0, read_ram, &reads);
		assert_int_equal(reads, GUEST_TABLES_MAX);
		assert_true(m.is_cut);
		free(m.list);
	}
	for (u32 i = 0; i < 512; i++)
		put_entry(1, i, leaf(RAM + i * GIB(2)));
	for (u32 i = 256; i < 512; i++)
		put_entry(0, i, pointer(address(1)));
	for (u32 i = 0; i < 512; i++)
		put_entry(1, i, pointer(address(2)));
	for (u32 i = 0; i < 512; i++)
		put_entry(2, i, leaf(RAM));
	guest_tables_walk(&m, 3, RAM, NULL, 0, read_ram, &reads);
	assert_true(m.is_cut);
	assert_int_equal(m.count, GUEST_MAPPINGS_MAX);
	free(m.list);
	guest_tables_walk(&m, 3, 1ull << 55, NULL, 0, read_ram, &reads);
	assert_int_equal(m.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_elf, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_elf_excluded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_elf_satp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kdump, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_ranges, set_up, tear_down),
		cmocka_unit_test(test_info_values),
		cmocka_unit_test(test_info_choice),
		cmocka_unit_test(test_info_bad),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_tables_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
