/*
 * VMCOREINFO: what a Linux kernel says of itself for those who read dumps of it. It keeps it as an ELF note in a page of its
 * own RAM, where it is found by its looks. All that is read here is the guest's choice.
 */
#ifndef CLI_VMCOREINFO_H
#define CLI_VMCOREINFO_H

#include "abi/types.h"

#define VMCOREINFO_MAX	  8192
#define VMCOREINFO_LIVE	  4  /* notes that are being collected at a time */
#define VMCOREINFO_HEADER 24 /* of the note: three words, and the name with its padding */

/* A note whose end has not been seen yet. */
struct vmcoreinfo_part {
	u64 next; /* guest physical: what it goes on with; 0: unused */
	size_t have, want;
	bool is_aligned;
	char text[VMCOREINFO_MAX + 1];
};

struct vmcoreinfo {
	size_t length; /* of the best note so far, 0: none */
	int score;
	char text[VMCOREINFO_MAX + 1]; /* KEY=value lines, terminated */
	struct vmcoreinfo_part parts[VMCOREINFO_LIVE];
	u32 turn;
};

/*
 * Looks at a page of guest RAM, PAGE_SIZE bytes. Pages come in ascending order; those that are all zero may be left out. Of
 * several notes that are right the one that says most is taken, and the last of those: a crash writes it anew.
 */
void vmcoreinfo_look(struct vmcoreinfo *info, u64 at, const u8 *page);

/* The value of a line "key=...", a number in decimal (maybe negative), or in hexadecimal with 0x. False if there is none. */
bool vmcoreinfo_number(const struct vmcoreinfo *info, const char *key, u64 *value);

/* An address of the line "SYMBOL(name)=...", hexadecimal without 0x. */
bool vmcoreinfo_symbol(const struct vmcoreinfo *info, const char *name, u64 *address);

/* Copies the value of a line, cut to `size` with its terminator. "" if there is none. */
void vmcoreinfo_text(const struct vmcoreinfo *info, const char *key, char *to, size_t size);

#endif
