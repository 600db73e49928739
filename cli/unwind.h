/* From the registers of a hart in the hypervisor to its backtrace, by the call frame information of outlive.elf. */
#ifndef CLI_UNWIND_H
#define CLI_UNWIND_H

#include "cli/host_symbols.h"

/* Frames of one backtrace; an endless recursion has filled its stack of 12 KiB long before. */
#define UNWIND_FRAMES_MAX 1024

struct unwind_frame {
	u64 pc;
	u64 x[32];
	u32 known;     /* bit n: x[n] is known */
	bool is_exact; /* pc is an instruction that was being executed, not where a call returns to */
};

struct unwind {
	const struct host_symbols *symbols;
	u64 slot_base;
	u64 slot_size;
	bool (*memory)(void *arg, u64 address, void *to, size_t bytes);
	void *arg;
};

/* The frame of a hart as it was found. */
struct unwind_frame unwind_first(u64 pc, const u64 x[32]);

/* Where to look for what lies at a frame's pc, from the start of the slot. */
u64 unwind_place(const struct unwind *u, const struct unwind_frame *f);

/* True if the frame's pc is in the slot. */
bool unwind_is_inside(const struct unwind *u, const struct unwind_frame *f);

/* Turns the frame into its caller's. False if there is none, or if it cannot be found. */
bool unwind_next(const struct unwind *u, struct unwind_frame *f);

#endif
