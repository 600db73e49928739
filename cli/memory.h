/* Allocation for a command that cannot do anything sensible without memory: these do not return NULL. */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include "abi/types.h"
#include <stdarg.h>

/* Zeroed memory for count objects; free() it. */
void *memory_new(size_t count, size_t size) __attribute__((returns_nonnull));

/* `old` (or NULL) enlarged or cut to count objects; what is new is not zeroed. */
void *memory_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

/* A formatted string; free() it. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *memory_format_list(const char *format, va_list list)
	__attribute__((format(printf, 1, 0), returns_nonnull));

/* A copy; free() it. */
char *memory_copy(const char *text);

#endif
