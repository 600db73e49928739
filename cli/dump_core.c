/* A dead life's core file: see dump_core.h. */
#include "cli/dump_core.h"
#include "cli/dump_notes.h"
#include "cli/memory.h"
#include <stdlib.h>

/* A run of pages that are known. */
struct run {
	const struct dump_part *part;
	u64 first, count; /* pages */
};

struct core {
	struct elf_notes notes;
	struct run *runs;
	struct elf_segment *segments;
	size_t count;
};

static void add_run(struct core *c, const struct dump_part *part, u64 first, u64 count)
{
	u64 address = part->base + first * PAGE_SIZE;

	if (c->count == ELF_SEGMENTS_MAX)
		return;
	c->runs = memory_resize(c->runs, c->count + 1, sizeof(*c->runs));
	c->segments = memory_resize(c->segments, c->count + 1, sizeof(*c->segments));
	c->runs[c->count] = (struct run){ part, first, count };
	c->segments[c->count++] = (struct elf_segment){ .virtual = address,
							.physical = address,
							.size = count * PAGE_SIZE,
							.file_size = count * PAGE_SIZE,
							.is_executable = true };
}

/* What is not known is in no segment, so that a debugger says so instead of showing zeros. */
static void add_part(struct core *c, const struct dump_part *part)
{
	u64 pages = part->size / PAGE_SIZE, first = 0;

	for (u64 page = 0; page <= pages; page++) {
		if (page < pages && part->known[page] != DUMP_PAGE_UNKNOWN)
			continue;
		if (page > first)
			add_run(c, part, first, page - first);
		first = page + 1;
	}
}

/* Zero pages become holes. */
static void write_run(const struct run *r, u64 offset, struct output_file *f, struct dump_core_summary *s)
{
	for (u64 i = 0; i < r->count; i++) {
		u64 page = r->first + i;

		if (r->part->known[page] != DUMP_PAGE_DATA)
			continue;
		if (output_write(f, offset + i * PAGE_SIZE, r->part->bytes + page * PAGE_SIZE, PAGE_SIZE))
			return;
		s->stored += PAGE_SIZE;
	}
}

static void write_all(const struct core *c, struct output_file *f, struct dump_core_summary *s)
{
	size_t bytes;
	u8 *head = elf_core_head(&c->notes, c->segments, c->count, &bytes);

	s->stored = bytes;
	if (!output_size(f, s->bytes))
		output_write(f, 0, head, bytes);
	for (size_t i = 0; i < c->count && !f->error; i++)
		write_run(&c->runs[i], c->segments[i].offset, f, s);
	free(head);
}

int dump_core_write(const struct dump_life *life, struct output_file *f, struct dump_core_summary *summary)
{
	struct core c = { 0 };

	*summary = (struct dump_core_summary){ .harts = dump_notes_put(&c.notes, life) };
	for (size_t i = 0; i < DUMP_PARTS; i++)
		add_part(&c, &life->parts[i]);
	summary->bytes = elf_core_layout(&c.notes, c.segments, c.count);
	write_all(&c, f, summary);
	elf_notes_free(&c.notes);
	free(c.runs);
	free(c.segments);
	return f->error;
}
