/* Symbols of the hypervisor: what outlive.elf says of an address, and how to get from a frame to its caller. */
#ifndef CLI_HOST_SYMBOLS_H
#define CLI_HOST_SYMBOLS_H

#include "abi/types.h"
#include <elfutils/libdwfl.h>

struct host_symbols {
	char *path;
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwarf_CFI *cfi;	 /* NULL: the file has none */
	Dwarf_Addr bias; /* of DWARF addresses */
	char build[64];	 /* hexadecimal */
};

/* A place in the source. A function that was inlined is one, and its caller the next. */
struct host_place {
	const char *function; /* NULL: unknown */
	u64 offset;	      /* in the function; of inlined ones 0 */
	const char *file;     /* relative to the tree; NULL: unknown */
	int line;
	bool is_inlined;
};

/* `option`, or outlive.elf beside this program. free() it; NULL if there is none. */
char *host_symbols_find(const char *option);

/* 0, or -EINVAL with the error printed. Takes a copy of the path. */
int host_symbols_open(struct host_symbols *s, const char *path);
void host_symbols_close(struct host_symbols *s);

/* True if it is the build that a life says that it is: a build id, or the first digits of one. */
bool host_symbols_match(const struct host_symbols *s, const char *build);

/*
 * What lies at an address, counted from the start of the slot: the innermost place first, at most `max`. Returns how many,
 * 0 if nothing is known. The texts live as long as the symbols.
 */
size_t host_symbols_places(const struct host_symbols *s, u64 address, struct host_place *places, size_t max);

#endif
