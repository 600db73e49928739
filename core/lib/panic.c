/* The end of a life by its own decision. */
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/survive/life.h"

void panic(const char *f, ...)
{
	char text[256];
	va_list list;

	va_start(list, f);
	format_list(text, sizeof(text), f, list);
	va_end(list);
	life_ends_at((u64)(uintptr_t)__builtin_return_address(0), 0);
	log_last_words();
	log_line("panic: %s", text);
	arch_life_end(LIFE_PANIC, text);
}
