/* Symbols of the hypervisor: see host_symbols.h. */
#include "cli/host_symbols.h"
#include "cli/library.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Digits that a build id has to have in common with another to be the same. */
#define BUILD_DIGITS_MIN 8

/* Code behind a label without a size that is still its. */
#define LABEL_REACH KIB(4)

char *host_symbols_find(const char *option)
{
	return option ? memory_copy(option) : library_find("outlive.elf");
}

static int open_module(struct host_symbols *s)
{
	static const Dwfl_Callbacks callbacks = { .find_elf = dwfl_build_id_find_elf,
						  .find_debuginfo = dwfl_standard_find_debuginfo,
						  .section_address = dwfl_offline_section_address };
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	const unsigned char *id;
	GElf_Addr at;
	int bytes;

	if (fd < 0)
		return -errno;
	s->dwfl = dwfl_begin(&callbacks);
	dwfl_report_begin(s->dwfl);
	/* It takes the descriptor over if it succeeds. */
	s->module = dwfl_report_elf(s->dwfl, "outlive", s->path, fd, 0, true);
	dwfl_report_end(s->dwfl, NULL, NULL);
	if (!s->module) {
		close(fd);
		return -EINVAL;
	}
	bytes = dwfl_module_build_id(s->module, &id, &at);
	for (int i = 0; i < bytes && 2 * (size_t)i + 2 < sizeof(s->build); i++)
		snprintf(s->build + 2 * i, 3, "%02x", id[i]);
	if (dwfl_module_getdwarf(s->module, &s->bias))
		s->cfi = dwfl_module_dwarf_cfi(s->module, &s->bias);
	return 0;
}

int host_symbols_open(struct host_symbols *s, const char *path)
{
	int error;

	memset(s, 0, sizeof(*s));
	s->path = memory_copy(path);
	error = open_module(s);
	if (!error)
		return 0;
	message_error("%s: %s", path, error == -EINVAL ? "no ELF file that can be read" : strerror(-error));
	host_symbols_close(s);
	return -EINVAL;
}

void host_symbols_close(struct host_symbols *s)
{
	if (s->dwfl)
		dwfl_end(s->dwfl);
	free(s->path);
	memset(s, 0, sizeof(*s));
}

bool host_symbols_match(const struct host_symbols *s, const char *build)
{
	size_t digits = strlen(build);

	return digits >= BUILD_DIGITS_MIN && strncmp(s->build, build, digits) == 0;
}

/* ---- Places ---- */

static const char *relative(const char *file)
{
	return file && strncmp(file, "./", 2) == 0 ? file + 2 : file;
}

/* File and line that an inlined function was called from. */
static void find_call(Dwarf_Die *cu, Dwarf_Die *inlined, struct host_place *caller)
{
	Dwarf_Attribute attribute;
	Dwarf_Word file, line;
	Dwarf_Files *files;
	size_t count;

	caller->file = NULL;
	caller->line = 0;
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) == 0 &&
	    dwarf_getsrcfiles(cu, &files, &count) == 0 && file < count)
		caller->file = relative(dwarf_filesrc(files, file, NULL, NULL));
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) == 0)
		caller->line = (int)line;
}

/*
 * The compilation unit of an address. Asked one by one: libdw 0.188 gives up on a .debug_aranges in which the linker has
 * left empty entries of sections that it dropped.
 */
static bool find_unit(const struct host_symbols *s, u64 address, Dwarf_Die *unit)
{
	Dwarf_Addr bias;
	Dwarf *dwarf = dwfl_module_getdwarf(s->module, &bias);
	Dwarf_CU *cu = NULL;

	while (dwarf && dwarf_get_units(dwarf, cu, &cu, NULL, NULL, unit, NULL) == 0)
		if (dwarf_haspc(unit, address - bias) == 1)
			return true;
	return false;
}

/* The inlined functions around an address, innermost first; the rest of `places` is for what they are in. */
static size_t put_inlined(Dwarf_Die *unit, u64 address, struct host_place *places, size_t max)
{
	Dwarf_Die *at = NULL, *around = NULL;
	size_t used = 0;
	int count = 0;

	if (dwarf_getscopes(unit, address, &at) > 0)
		count = dwarf_getscopes_die(&at[0], &around);
	for (int i = 0; i < count && used + 1 < max; i++) {
		if (dwarf_tag(&around[i]) == DW_TAG_subprogram)
			break;
		if (dwarf_tag(&around[i]) != DW_TAG_inlined_subroutine)
			continue;
		places[used].function = dwarf_diename(&around[i]);
		places[used].offset = 0;
		places[used].is_inlined = true;
		find_call(unit, &around[i], &places[used + 1]);
		used++;
	}
	free(at);
	free(around);
	return used;
}

size_t host_symbols_places(const struct host_symbols *s, u64 address, struct host_place *places, size_t max)
{
	GElf_Off offset = 0;
	GElf_Sym symbol;
	const char *function = dwfl_module_addrinfo(s->module, address, &offset, &symbol, NULL, NULL, NULL);
	size_t used = 0;
	Dwarf_Die unit;

	/* The last symbol before an address where nothing is says nothing of it. */
	if (!function || !max || offset >= (symbol.st_size ? symbol.st_size : LABEL_REACH))
		return 0;
	memset(places, 0, max * sizeof(*places));
	if (find_unit(s, address, &unit)) {
		Dwarf_Line *line = dwarf_getsrc_die(&unit, address);

		if (line && dwarf_lineno(line, &places[0].line) == 0)
			places[0].file = relative(dwarf_linesrc(line, NULL, NULL));
		used = put_inlined(&unit, address, places, max);
	}
	places[used].function = function;
	places[used].offset = offset;
	return used + 1;
}
