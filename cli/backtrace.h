/* Backtraces of the hypervisor's harts, for people and for programs. */
#ifndef CLI_BACKTRACE_H
#define CLI_BACKTRACE_H

#include "cli/unwind.h"
#include <jansson.h>

struct backtrace {
	struct unwind unwind; /* symbols may be NULL: then there is one frame, without a name */
	struct unwind_frame *frames;
	size_t count;
};

/* All frames of a hart that was found with these registers. backtrace_free afterwards. */
void backtrace_make(struct backtrace *b, const struct unwind *unwind, u64 pc, const u64 x[32]);
void backtrace_free(struct backtrace *b);

/* A line for each frame, and for each function that was inlined into one. Of a great many the middle is left out. */
void backtrace_print(const struct backtrace *b);

/* An array of objects, the same lines; null stands for what is left out. */
json_t *backtrace_json(const struct backtrace *b);

#endif
