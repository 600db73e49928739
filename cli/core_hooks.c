/* What the parts of core that the command shares ask of those that it doesn't: see mk/cli.mk. */
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/string.h"
#include <stdio.h>
#include <stdlib.h>

/* Nobody watches. */
void arch_beat(void)
{
}

void panic(const char *format_text, ...)
{
	va_list list;

	va_start(list, format_text);
	vfprintf(stderr, format_text, list);
	va_end(list);
	fputc('\n', stderr);
	abort();
}
