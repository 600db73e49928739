/* Allocation that does not fail: see memory.h. */
#include "cli/memory.h"
#include "cli/exit_code.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
	fputs("outlive: out of memory\n", stderr);
	exit(EXIT_CODE_FAILED);
}

void *memory_new(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *memory_resize(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count ? count : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

char *memory_format_list(const char *format, va_list list)
{
	char *text;

	if (vasprintf(&text, format, list) < 0)
		out_of_memory();
	return text;
}

char *memory_format(const char *format, ...)
{
	va_list list;
	char *text;

	va_start(list, format);
	text = memory_format_list(format, list);
	va_end(list);
	return text;
}

char *memory_copy(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		out_of_memory();
	return copy;
}
