/*
 * Linux's boot Image for RISC-V, with or without the EFI stub: the same 64-byte header
 * (Documentation/arch/riscv/boot-image-header.rst). Also knows the formats that people mistake for it.
 */
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/vm/load_plan.h"

struct linux_header {
	u32 code[2];
	u64 text_offset; /* from the start of RAM, which is 2 MiB-aligned */
	u64 image_size;	 /* bytes of RAM, bss included */
	u64 flags;	 /* bit 0: big endian */
	u32 version;
	u32 reserved0;
	u64 reserved1;
	u64 magic;
	u32 magic2;
	u32 reserved2;
};

_Static_assert(sizeof(struct linux_header) == 64, "Image header layout");

#define LINUX_MAGIC2	      0x05435352u     /* "RSC\x05" */
#define LINUX_MAGIC	      0x5643534952ull /* "RISCV", the only one before version 0.2 */
#define LINUX_FLAG_BIG_ENDIAN 1u

static bool bytes_at(const struct load_request *q, u64 offset, const char *bytes, size_t count)
{
	return offset + count <= q->kernel_size && !memcmp((const u8 *)q->kernel + offset, bytes, count);
}

bool load_image_is(const struct load_request *q)
{
	struct linux_header h;

	if (q->kernel_size < sizeof(h))
		return false;
	memcpy(&h, q->kernel, sizeof(h));
	return h.magic2 == LINUX_MAGIC2 || h.magic == LINUX_MAGIC;
}

int load_image_plan(const struct load_request *q, struct load_plan *plan)
{
	struct load_part all = { .file = q->kernel_size };
	struct linux_header h;

	plan->kind = "Linux";
	memcpy(&h, q->kernel, sizeof(h));
	if (h.flags & LINUX_FLAG_BIG_ENDIAN)
		return load_plan_fail(plan, -EINVAL, "Linux kernel is big-endian");
	if (h.text_offset % PAGE_SIZE || h.text_offset >= q->ram_size)
		return load_plan_fail(plan, -EINVAL, "Linux kernel has a text offset of %llx",
				      (unsigned long long)h.text_offset);
	all.to = q->ram_base + h.text_offset;
	/* An Image of before 4.17 says 0: then only what is in the file is known. */
	all.memory = h.image_size > all.file ? h.image_size : all.file;
	plan->entry = all.to;
	return load_plan_add(q, plan, &all);
}

const char *load_image_foreign(const struct load_request *q)
{
	static const struct {
		u64 offset;
		u32 count;
		char bytes[8];
		const char *what;
	} formats[] = {
		{ 4, 4, "zimg", "a compressed EFI image: unpack it first" },
		{ 0, 2, "\x1f\x8b", "compressed with gzip: unpack it first" },
		{ 0, 6,
		  "\xfd"
		  "7zXZ",
		  "compressed with xz: unpack it first" },
		{ 0, 4, "\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first" },
		{ 0, 4, "\x02\x21\x4c\x18", "compressed with lz4: unpack it first" },
		{ 56, 4, "ARM\x64", "not for RISC-V but for arm64" },
		{ 0x202, 4, "HdrS", "not for RISC-V but for x86" },
		{ 0, 4, "\x27\x05\x19\x56", "a U-Boot image: give it the kernel inside" },
		{ 0, 4, "\xd0\x0d\xfe\xed", "a device tree or FIT image" },
		{ 0, 2, "MZ", "an EFI program without the header of a RISC-V Image" },
		{ 0, 2, "#!", "a script" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (bytes_at(q, formats[i].offset, formats[i].bytes, formats[i].count))
			return formats[i].what;
	return NULL;
}
