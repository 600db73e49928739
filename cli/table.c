/* See table.h. */
#include "cli/table.h"
#include "cli/memory.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct table *t, char *text)
{
	t->cells = memory_resize(t->cells, t->count + 1, sizeof(*t->cells));
	t->cells[t->count++] = text;
}

void table_begin(struct table *t, const char *const *heads, size_t columns)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns < TABLE_COLUMNS_MAX ? columns : TABLE_COLUMNS_MAX;
	for (size_t i = 0; i < t->columns; i++) {
		t->is_left[i] = i == 0 || heads[i][0] == '<';
		append(t, memory_copy(heads[i] + (heads[i][0] == '<')));
	}
}

void table_cell(struct table *t, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	append(t, memory_format_list(format, list));
	va_end(list);
}

void table_print(struct table *t, FILE *to)
{
	int width[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->count; i++) {
		int length = (int)strlen(t->cells[i]);

		if (length > width[i % t->columns])
			width[i % t->columns] = length;
	}
	for (size_t i = 0; i < t->count; i++) {
		size_t column = i % t->columns;
		bool is_last = column + 1 == t->columns;

		if (t->is_left[column])
			fprintf(to, "%s%-*s", column ? "  " : "", is_last ? 0 : width[column], t->cells[i]);
		else
			fprintf(to, "%s%*s", column ? "  " : "", width[column], t->cells[i]);
		if (is_last)
			fputc('\n', to);
		free(t->cells[i]);
	}
	free(t->cells);
}

void table_end(struct table *t)
{
	table_print(t, stdout);
}
