/* The hypervisor's image for the fault campaign: see fault_image.h. */
#include "cli/fault_image.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Behind the header in .text, where an heir enters (abi/image.h). */
#include "abi/image.h"

#define C_JUMP_SELF 0xa001u	/* c.j 0 */
#define JUMP_SELF   0x0000006fu /* jal zero, 0 */

/* A text without a '%' that panic is really called with. */
#define MESSAGE "crash on request"

static int missing(const struct fault_image *image, const char *what)
{
	message_error("%s: no %s in it; is it outlive.elf?", image->symbols.path, what);
	return -EINVAL;
}

/* ---- Sections ---- */

static Elf_Data *find_section(Elf *elf, const char *name, GElf_Shdr *header)
{
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	for (Elf_Scn *at = elf_nextscn(elf, NULL); at; at = elf_nextscn(elf, at)) {
		const char *its;

		if (!gelf_getshdr(at, header))
			continue;
		its = elf_strptr(elf, names, header->sh_name);
		if (its && strcmp(its, name) == 0)
			return elf_getdata(at, NULL);
	}
	return NULL;
}

static u32 half(const u8 *at)
{
	return (u32)at[0] | (u32)at[1] << 8;
}

/* Instructions are 2 bytes long, or 4 if their lowest two bits are set. */
static void read_text(struct fault_image *image, const u8 *bytes, u64 from, u64 size)
{
	image->text_from = from + IMAGE_HEIR_ENTRY;
	image->text_to = from + size;
	image->instructions = memory_new(size / 2, sizeof(*image->instructions));
	for (u64 at = IMAGE_HEIR_ENTRY; at + 4 <= size;) {
		u32 low = half(bytes + at);
		bool is_long = (low & 3) == 3;

		if (low == C_JUMP_SELF || (is_long && (low | half(bytes + at + 2) << 16) == JUMP_SELF))
			image->loop = from + at;
		image->instructions[image->text.count++] = (u32)(from + at);
		at += is_long ? 4 : 2;
	}
	image->text.instructions = image->instructions;
}

static int read_sections(struct fault_image *image, Elf *elf)
{
	GElf_Shdr header;
	Elf_Data *data = find_section(elf, ".text", &header);
	const u8 *at;

	if (!data || !data->d_buf || data->d_size < IMAGE_HEIR_ENTRY + 4 || data->d_size > MIB(1))
		return missing(image, "code");
	read_text(image, data->d_buf, header.sh_addr, data->d_size);
	if (!image->loop)
		return missing(image, "endless loop");
	data = find_section(elf, ".rodata", &header);
	at = data && data->d_buf ? memmem(data->d_buf, data->d_size, MESSAGE, sizeof(MESSAGE)) : NULL;
	if (!at)
		return missing(image, "text for a panic");
	image->message = header.sh_addr + (u64)(at - (const u8 *)data->d_buf);
	if (!find_section(elf, ".data", &header))
		return missing(image, "data");
	image->data_from = header.sh_addr;
	if (!find_section(elf, ".bss", &header))
		return missing(image, "bss");
	image->data_to = header.sh_addr + header.sh_size;
	return 0;
}

/* ---- Symbols ---- */

struct wanted {
	const char *name;
	u64 *at;
	u64 *size; /* or NULL */
	/* There may be others of the same name: a function, or a thing of this size. */
	u64 size_max;
};

static bool is_it(const struct wanted *w, const char *name, const GElf_Sym *symbol)
{
	return strcmp(w->name, name) == 0 && symbol->st_shndx != SHN_UNDEF &&
	       (!w->size_max || (symbol->st_size && symbol->st_size <= w->size_max));
}

static int read_symbols(struct fault_image *image, Elf *elf)
{
	u64 enter_size = 0, exit_size = 0, guest_exit;
	const struct wanted list[] = {
		{ "heir_entry", &image->heir_entry, NULL, 0 },
		{ "secondary_entry", &image->secondary_entry, NULL, 0 },
		{ "hs_trap", &image->hs_trap, NULL, 0 },
		{ "panic", &image->panic, NULL, KIB(4) },
		/* The allocator's own; others that are called so are tables. */
		{ "pages", &image->pages, &image->pages_size, 128 },
		{ "root", &image->root, NULL, 8 },
		{ "entry_going_in", &image->entry_going_in, NULL, 0 },
		{ "guest_exit", &guest_exit, &exit_size, 0 },
		{ "entry_begin", &image->entry_begin, NULL, 0 },
		{ "entry_swapped", &image->entry_swapped, NULL, 0 },
		{ "entry_saved", &image->entry_saved, NULL, 0 },
		{ "guest_enter", &image->guest_enter, &enter_size, 0 },
		{ "hang", &image->early_trap, NULL, 0 },
	};
	u32 found = 0;
	GElf_Shdr header;
	Elf_Data *data = find_section(elf, ".symtab", &header);
	GElf_Sym symbol;

	for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
		const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);

		for (size_t n = 0; name && n < ARRAY_SIZE(list); n++) {
			if (!is_it(&list[n], name, &symbol))
				continue;
			*list[n].at = symbol.st_value;
			if (list[n].size)
				*list[n].size = symbol.st_size;
			found |= 1u << n;
		}
	}
	for (size_t n = 0; n < ARRAY_SIZE(list); n++)
		if (!(found & 1u << n))
			return missing(image, list[n].name);
	image->guest_enter_end = image->guest_enter + enter_size;
	image->entry_end = guest_exit + exit_size;
	return 0;
}

/* ---- Whole ---- */

int fault_image_open(struct fault_image *image, const char *path)
{
	GElf_Addr bias;
	Elf *elf;
	int error;

	*image = (struct fault_image){ 0 };
	error = host_symbols_open(&image->symbols, path);
	if (error)
		return error;
	elf = dwfl_module_getelf(image->symbols.module, &bias);
	error = elf ? read_sections(image, elf) : missing(image, "ELF file");
	if (!error)
		error = read_symbols(image, elf);
	if (error)
		fault_image_close(image);
	return error;
}

void fault_image_close(struct fault_image *image)
{
	host_symbols_close(&image->symbols);
	free(image->instructions);
	image->instructions = NULL;
}

void fault_image_name(const struct fault_image *image, u64 place, char *to, size_t size)
{
	struct host_place places[8];
	size_t count = host_symbols_places(&image->symbols, place, places, ARRAY_SIZE(places));

	*to = '\0';
	/* The last is the function that all others are inlined in. */
	if (count && places[count - 1].function)
		snprintf(to, size, "%s+0x%llx", places[count - 1].function,
			 (unsigned long long)places[count - 1].offset);
}
