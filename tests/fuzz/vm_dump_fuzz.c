/*
 * Dumps of VMs in the command. The input's first byte says what the rest is:
 *
 *   0    answers of a host to CTL_DUMP_READ, each a length (two bytes) and its bytes: damaged or of another make; and to
 *        CTL_DUMP_VCPU
 *   1    the memory of a hostile guest: page tables, VMCOREINFO. Whatever it says, the file must have its memory, all of
 *        it and unchanged, and segments that lie in the file and in its RAM.
 *   2    the same, by satp of a vCPU instead of VMCOREINFO
 *   3    the same in a kdump file
 */
#include "cli/dump_piece.h"
#include "cli/vmcore.h"
#include "tests/unit/vmcore_reader.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define RAM	  0x80000000ull
#define RAM_PAGES 16u

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* ---- A host ---- */

static void take_answers(const u8 *data, size_t size)
{
	static struct dump_piece piece;
	static struct ctl_dump_vcpu vcpus[3];
	struct dump_known known = { 0 };

	dump_piece_begin(&piece, RAM, RAM + PIECE_SIZE);
	while (size >= 2) {
		u8 answer[CTL_PAYLOAD_MAX] = { 0 };
		size_t length = data[0] | (size_t)data[1] << 8;
		u64 before = piece.next;
		bool is_good;

		length = length < size - 2 ? length : size - 2;
		length = length < sizeof(answer) ? length : sizeof(answer);
		memcpy(answer, data + 2, length);
		check(dump_vcpus_take(vcpus, answer[0], ARRAY_SIZE(vcpus), answer, length) <=
		      ARRAY_SIZE(vcpus));
		/* The address alone costs the fuzzer too much. */
		if (length > 8)
			memcpy(answer, &piece.next, sizeof(piece.next));
		is_good = dump_piece_take(&piece, answer, length, RAM + MIB(16), &known);
		check(is_good ? piece.next > before && piece.next <= piece.end : piece.next == before);
		check(known.to <= RAM + MIB(16) && known.from <= known.to);
		data += 2 + length;
		size -= 2 + length;
		if (piece.next == piece.end)
			dump_piece_begin(&piece, RAM + PIECE_SIZE, RAM + 2 * PIECE_SIZE);
		dump_piece_fill(&piece, &known);
		if (piece.next == piece.end)
			return;
	}
}

/* ---- A guest ---- */

static u8 ram[RAM_PAGES][PAGE_SIZE];

/* Page tables take few of a page's bytes: (page, entry, eight bytes) each; with entry 255 it is text to that page's end. */
static void fill_ram(const u8 *data, size_t size)
{
	memset(ram, 0, sizeof(ram));
	while (size >= 10) {
		u8 *page = ram[data[0] % RAM_PAGES];

		if (data[1] == 255) {
			memcpy(page, data + 2, size - 2 < PAGE_SIZE ? size - 2 : PAGE_SIZE);
			return;
		}
		memcpy(page + (256u + data[1]) * 8 % PAGE_SIZE, data + 2, 8);
		data += 10;
		size -= 10;
	}
}

static void check_file(const struct reader *file)
{
	u8 bytes[PAGE_SIZE];

	check(elf_count(file) >= 2);
	for (u32 i = 0; i < elf_count(file); i++) {
		Elf64_Phdr p = elf_segment(file, i);

		check(p.p_offset <= file->size && p.p_filesz <= file->size - p.p_offset);
		check(i == 0 || (p.p_type == PT_LOAD && p.p_paddr >= RAM && p.p_filesz <= p.p_memsz &&
				 p.p_paddr + p.p_memsz <= RAM + sizeof(ram)));
	}
	for (u32 page = 0; page < RAM_PAGES; page++)
		check(elf_page(file, RAM + page * PAGE_SIZE, true, bytes) &&
		      memcmp(bytes, ram[page], PAGE_SIZE) == 0);
}

static void check_kdump(const struct reader *file)
{
	u8 bytes[PAGE_SIZE];

	for (u32 page = 0; page < RAM_PAGES; page++)
		check(kdump_page(file, RAM + page * PAGE_SIZE, bytes) == KDUMP_HERE &&
		      memcmp(bytes, ram[page], PAGE_SIZE) == 0);
}

static void dump_guest(const u8 *data, size_t size, enum vmcore_format format, bool has_satp)
{
	static int fd = -1;
	struct ctl_dump_vcpu vcpu = { .pc = 1 };
	struct output_file out = { .path = "fuzz" };
	struct vmcore core = {
		.out = &out, .format = format, .vcpus = &vcpu, .vcpu_count = 1, .range_count = 1
	};
	struct reader file;
	void *at;

	if (fd < 0)
		fd = memfd_create("fuzz", 0);
	out.fd = fd;
	check(fd >= 0 && ftruncate(fd, 0) == 0);
	if (has_satp && size) {
		vcpu.satp = (u64)(8 + *data % 3) << 60 | (RAM / PAGE_SIZE + *data / 3 % RAM_PAGES);
		data++;
		size--;
	}
	fill_ram(data, size);
	core.ranges[0] = (struct vmcore_range){ .at = RAM, .size = sizeof(ram) };
	check(vmcore_begin(&core) == 0);
	check(vmcore_pages(&core, RAM, RAM_PAGES, CTL_DUMP_RAW, ram[0]) == 0);
	check(vmcore_end(&core) == 0);
	file.size = (u64)lseek(fd, 0, SEEK_END);
	at = mmap(NULL, file.size, PROT_READ, MAP_SHARED, fd, 0);
	check(at != MAP_FAILED);
	file.bytes = at;
	if (format == VMCORE_ELF)
		check_file(&file);
	else
		check_kdump(&file);
	munmap(at, file.size);
	vmcore_free(&core);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] % 4 == 0)
		take_answers(data + 1, size - 1);
	else
		dump_guest(data + 1, size - 1, data[0] % 4 == 3 ? VMCORE_KDUMP : VMCORE_ELF,
			   data[0] % 4 == 2);
	return 0;
}
