/* Recognises kernels: see kernel_image.h. */
#include "cli/kernel_image.h"
#include <elf.h>
#include <string.h>

static bool has(const void *head, size_t bytes, size_t at, const char *magic, size_t length)
{
	return at + length <= bytes && memcmp((const u8 *)head + at, magic, length) == 0;
}

static enum kernel_kind elf_kind(const void *head, size_t bytes, const char **why)
{
	Elf64_Ehdr elf;

	*why = "is an ELF file, but not an executable for 64-bit RISC-V";
	if (bytes < sizeof(elf))
		return KERNEL_IMAGE_UNKNOWN;
	memcpy(&elf, head, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
	    elf.e_machine != EM_RISCV || (elf.e_type != ET_EXEC && elf.e_type != ET_DYN))
		return KERNEL_IMAGE_UNKNOWN;
	return KERNEL_IMAGE_ELF;
}

enum kernel_kind kernel_image_kind(const void *head, size_t bytes, const char **why)
{
	if (has(head, bytes, 0, ELFMAG, SELFMAG))
		return elf_kind(head, bytes, why);
	if (has(head, bytes, 56, "RSC\5", 4))
		return KERNEL_IMAGE_LINUX;
	if (has(head, bytes, 0, "\x1f\x8b", 2))
		*why = "is compressed with gzip; unpack it first (gunzip)";
	else if (has(head, bytes, 0, "MZ", 2) && has(head, bytes, 4, "zimg", 4))
		*why = "is a compressed EFI image (zboot); use the Image inside it";
	else if (has(head, bytes, 56, "ARM\x64", 4))
		*why = "is a Linux Image for ARM";
	else if (has(head, bytes, 0, "MZ", 2))
		*why = "is an EFI program, but not a Linux Image for RISC-V";
	else
		*why = "is neither a Linux Image nor an ELF file for RISC-V; a flat binary needs \"format: flat\"";
	return KERNEL_IMAGE_UNKNOWN;
}

u64 kernel_image_memory(const void *head, size_t bytes)
{
	u64 image_size;

	if (!has(head, bytes, 56, "RSC\5", 4))
		return 0;
	memcpy(&image_size, (const u8 *)head + 16, sizeof(image_size));
	return image_size;
}
