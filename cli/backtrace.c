/* Backtraces: see backtrace.h. */
#include "cli/backtrace.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 12

/* Of more frames than both together the first and the last are shown: that is an endless recursion. */
#define SHOWN_FIRST 24u
#define SHOWN_LAST  12u

void backtrace_make(struct backtrace *b, const struct unwind *unwind, u64 pc, const u64 x[32])
{
	struct unwind_frame f = unwind_first(pc, x);

	*b = (struct backtrace){ .unwind = *unwind };
	b->frames = memory_new(UNWIND_FRAMES_MAX, sizeof(f));
	do
		b->frames[b->count++] = f;
	while (unwind->symbols && b->count < UNWIND_FRAMES_MAX && unwind_next(unwind, &f));
}

void backtrace_free(struct backtrace *b)
{
	free(b->frames);
	b->frames = NULL;
}

/* One of the lines. */
struct line {
	size_t number;
	u64 pc, place; /* address; from the slot's start */
	bool is_inside;
	const struct host_place *at; /* NULL: unknown */
};

typedef void (*line_taker)(void *arg, const struct line *line);

static void take_frame(const struct backtrace *b, const struct unwind_frame *f, size_t *number,
		       line_taker take, void *arg)
{
	struct host_place places[PLACES_MAX];
	struct line line = { .pc = f->pc,
			     .place = f->pc - b->unwind.slot_base,
			     .is_inside = unwind_is_inside(&b->unwind, f) };
	size_t count = 0;

	if (b->unwind.symbols && line.is_inside)
		count = host_symbols_places(b->unwind.symbols, unwind_place(&b->unwind, f), places,
					    PLACES_MAX);
	for (size_t i = 0; i < count || i == 0; i++) {
		line.number = (*number)++;
		line.at = i < count ? &places[i] : NULL;
		take(arg, &line);
	}
}

/* All lines; take(arg, NULL) where some are left out. Returns how many frames those are. */
static size_t take_lines(const struct backtrace *b, line_taker take, void *arg)
{
	size_t hidden = b->count > SHOWN_FIRST + SHOWN_LAST ? b->count - SHOWN_FIRST - SHOWN_LAST : 0;
	size_t number = 0;

	for (size_t i = 0; i < b->count; i++) {
		if (hidden && i == SHOWN_FIRST) {
			take(arg, NULL);
			i += hidden;
			number += hidden;
		}
		take_frame(b, &b->frames[i], &number, take, arg);
	}
	return hidden;
}

static void print_line(void *arg, const struct line *l)
{
	const struct host_place *at;

	if (!l) {
		printf("  ... %zu frames more\n", *(const size_t *)arg - SHOWN_FIRST - SHOWN_LAST);
		return;
	}
	at = l->at;
	printf("  #%-3zu ", l->number);
	if (at && at->is_inlined)
		printf("%10s  %s", "inlined", at->function ? at->function : "?");
	else if (l->is_inside)
		printf("+0x%-7llx  ", (unsigned long long)l->place);
	else
		printf("0x%llx  (not in the hypervisor)", (unsigned long long)l->pc);
	if (at && !at->is_inlined)
		printf("%s+0x%llx", at->function, (unsigned long long)at->offset);
	if (at && at->file)
		printf("  %s:%d", at->file, at->line);
	putchar('\n');
}

void backtrace_print(const struct backtrace *b)
{
	size_t count = b->count;

	take_lines(b, print_line, &count);
}

static void append_line(void *arg, const struct line *l)
{
	const struct host_place *at;
	json_t *frame;

	if (!l) {
		json_array_append_new(arg, json_null());
		return;
	}
	at = l->at;
	frame = json_pack("{s:o,s:o}", "number", json_number(l->number), "pc", json_number(l->pc));
	if (l->is_inside)
		json_object_set_new(frame, "in_slot", json_number(l->place));
	if (at) {
		json_object_set_new(frame, "function",
				    at->function ? json_string(at->function) : json_null());
		json_object_set_new(frame, "inlined", json_boolean(at->is_inlined));
		json_object_set_new(frame, "offset", json_number(at->offset));
	}
	if (at && at->file) {
		json_object_set_new(frame, "file", json_string(at->file));
		json_object_set_new(frame, "line", json_integer(at->line));
	}
	json_array_append_new(arg, frame);
}

json_t *backtrace_json(const struct backtrace *b)
{
	json_t *frames = json_array();

	take_lines(b, append_line, frames);
	return frames;
}
