/* Lines for a person: see message.h. */
#include "cli/message.h"
#include <stdarg.h>
#include <stdio.h>

static bool is_quiet, is_mute;

static void line(const char *kind, const char *format, va_list list)
{
	char text[2048];

	/* One call for the whole line: the broker and its log's readers share the file. */
	vsnprintf(text, sizeof(text), format, list);
	fprintf(stderr, "outlive: %s%s\n", kind, text);
}

void message_error(const char *format, ...)
{
	va_list list;

	if (is_mute)
		return;
	va_start(list, format);
	line("error: ", format, list);
	va_end(list);
}

void message_note(const char *format, ...)
{
	va_list list;

	if (is_quiet)
		return;
	va_start(list, format);
	line("", format, list);
	va_end(list);
}

void message_quiet(bool quiet)
{
	is_quiet = quiet;
}

void message_mute(bool mute)
{
	is_mute = mute;
}
