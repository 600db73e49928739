/* What the fault campaign knows of the hypervisor's image, from its outlive.elf. All addresses count from the slot's start. */
#ifndef CLI_FAULT_IMAGE_H
#define CLI_FAULT_IMAGE_H

#include "cli/campaign.h"
#include "cli/host_symbols.h"

struct fault_image {
	struct host_symbols symbols;
	u32 *instructions; /* where they begin, ascending */
	struct campaign_text text;
	u64 text_from, text_to; /* the header before is never executed */
	u64 data_from, data_to; /* data and bss */
	u64 loop;		/* an instruction that jumps to itself */
	u64 message;		/* a text that panic() can be given */
	/* Functions and labels. */
	u64 heir_entry, secondary_entry, hs_trap, panic;
	u64 pages, pages_size; /* the allocator's variables */
	u64 root;	       /* a variable: address of its own page table */
	u64 entry_going_in, entry_begin, entry_swapped, entry_saved, guest_enter, guest_enter_end;
	u64 entry_end;	/* from here on there is a stack */
	u64 early_trap; /* stvec of a life that has not come far */
};

/* 0, or a negative errno with the error printed. fault_image_close after 0. */
int fault_image_open(struct fault_image *image, const char *path);
void fault_image_close(struct fault_image *image);

/* "function+0x10" for a place, "" if nothing is known. */
void fault_image_name(const struct fault_image *image, u64 place, char *to, size_t size);

#endif
