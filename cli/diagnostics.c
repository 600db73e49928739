/* Collected errors of a host file: see diagnostics.h. */
#include "cli/diagnostics.h"
#include "cli/memory.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Without a file the fields are options of `run --kernel`: "vms[0].disks[0].file" was given as "--disk". */
static const char *option_name(const char *field)
{
	const char *last = strrchr(field, '.');

	last = last ? last + 1 : field;
	if (strcmp(last, "file") == 0)
		return "disk";
	return strcmp(last, "cmdline") == 0 ? "append" : last;
}

void diagnostics_add(struct diagnostics *d, unsigned line, const char *field, const char *format, ...)
{
	struct diagnostic *item;
	va_list list;

	d->items = memory_resize(d->items, d->count + 1, sizeof(*d->items));
	item = &d->items[d->count++];
	item->line = line;
	item->field = d->file || !*field ? memory_copy(field) : memory_format("--%s", option_name(field));
	va_start(list, format);
	item->text = memory_format_list(format, list);
	va_end(list);
}

static int by_line(const void *a, const void *b)
{
	const struct diagnostic *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

/* Stable: errors of one line stay in the order in which they were found. */
static void sort(struct diagnostics *d)
{
	for (size_t i = 1; i < d->count; i++)
		for (size_t k = i; k > 0 && by_line(&d->items[k - 1], &d->items[k]) > 0; k--) {
			struct diagnostic swap = d->items[k];

			d->items[k] = d->items[k - 1];
			d->items[k - 1] = swap;
		}
}

void diagnostics_print(struct diagnostics *d, FILE *to)
{
	sort(d);
	for (size_t i = 0; i < d->count; i++) {
		const struct diagnostic *item = &d->items[i];

		if (!d->file)
			fputs("outlive: ", to);
		else if (item->line)
			fprintf(to, "%s:%u: ", d->file, item->line);
		else
			fprintf(to, "%s: ", d->file);
		fprintf(to, "%s%s%s\n", item->field, *item->field ? ": " : "", item->text);
	}
}

json_t *diagnostics_json(struct diagnostics *d)
{
	json_t *array = json_array();

	sort(d);
	for (size_t i = 0; i < d->count; i++) {
		const struct diagnostic *item = &d->items[i];

		json_array_append_new(array, json_pack("{s:s?,s:i,s:s,s:s}", "file", d->file, "line",
						       (int)item->line, "field", item->field, "message",
						       item->text));
	}
	return array;
}

void diagnostics_free(struct diagnostics *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->items[i].field);
		free(d->items[i].text);
	}
	free(d->items);
	d->items = NULL;
	d->count = 0;
}
