/* `outlive dump --host`: a core file of a life of the hypervisor that has ended. */
#include "cli/clock.h"
#include "cli/dump.h"
#include "cli/dump_core.h"
#include "cli/dump_file.h"
#include "cli/dump_list.h"
#include "cli/exit_code.h"
#include "cli/host_symbols.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/units.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull; /* what printf calls a u64 */

/* How long a host may take to complete a dump that it has begun. */
#define WRITTEN_SECONDS 10
#define WRITTEN_POLL_MS 100

/* ---- The region ---- */

static int open_region(struct dump_file *f, const struct options *o)
{
	struct rundir dir;
	int code;

	if (o->region)
		return dump_file_open(f, memory_copy(o->region));
	if (rundir_open(&dir, o->host) < 0)
		return EXIT_CODE_NOT_FOUND;
	code = dump_file_open_host(f, &dir);
	if (code == EXIT_CODE_NOT_FOUND)
		message_error("host \"%s\" keeps no dumps: its file has no machine.dumps", dir.name);
	rundir_close(&dir);
	return code;
}

/* ---- The core file ---- */

static const char *const part_names[DUMP_PARTS] = { "slot", "estate" };

/* Every run of pages that the dump does not have. */
static json_t *missing_ranges(const struct dump_life *life)
{
	json_t *ranges = json_array();

	for (size_t i = 0; i < DUMP_PARTS; i++) {
		const struct dump_part *p = &life->parts[i];
		u64 pages = p->size / PAGE_SIZE, first = 0;

		for (u64 page = 0; page <= pages; page++) {
			if (page < pages && p->known[page] == DUMP_PAGE_UNKNOWN)
				continue;
			if (page > first)
				json_array_append_new(
					ranges, json_pack("{s:s,s:o,s:o}", "of", part_names[i], "address",
							  json_number(p->base + first * PAGE_SIZE), "bytes",
							  json_number((page - first) * PAGE_SIZE)));
			first = page + 1;
		}
	}
	return ranges;
}

/* Ranges that are named one by one; a line says how many more there are. */
#define RANGES_NAMED 8

static void print_missing(json_t *ranges)
{
	size_t count = json_array_size(ranges);

	for (size_t i = 0; i < count && i < RANGES_NAMED; i++) {
		json_t *r = json_array_get(ranges, i);
		u64 address = (u64)json_integer_value(json_object_get(r, "address"));
		u64 bytes = (u64)json_integer_value(json_object_get(r, "bytes"));

		u64 end = address + bytes;

		message_note("  0x%llx to 0x%llx of the %s is missing", (ull)address, (ull)end,
			     json_string_value(json_object_get(r, "of")));
	}
	if (count > RANGES_NAMED)
		message_note("  and %zu more ranges", count - RANGES_NAMED);
}

static void warn_build(const struct dump_life *life, const struct options *o)
{
	struct host_symbols symbols;
	char *path = host_symbols_find(o->symbols);

	if (path && host_symbols_open(&symbols, path) == 0) {
		if (!host_symbols_match(&symbols, life->head.build))
			message_note("%s is of another build than the dump (%s): its symbols do not fit",
				     path, life->head.build);
		host_symbols_close(&symbols);
	}
	free(path);
}

/* Harts that were in a guest: a debugger takes their registers for the hypervisor's. */
static json_t *guest_harts(const struct dump_life *life)
{
	const struct crash_record *r = life->crash;
	json_t *harts = json_array();

	for (u64 i = 0; r && i < r->hart_count; i++)
		if (r->harts[i].life == r->life && r->harts[i].found.state == FOUND_PARKED)
			json_array_append_new(harts, json_number(r->harts[i].id));
	return harts;
}

static void report(const struct dump_life *life, const struct dump_core_summary *s, const struct options *o,
		   const char *path)
{
	json_t *missing = missing_ranges(life), *guests = guest_harts(life);
	char size[24], stored[24];

	if (o->json) {
		json_out(json_pack("{s:s,s:o,s:o,s:s,s:o,s:o,s:o,s:b,s:o,s:o,s:o}", "file", path, "life",
				   json_number(life->head.life), "number", json_number(life->head.number),
				   "build", life->head.build, "bytes", json_number(s->bytes), "stored_bytes",
				   json_number(s->stored), "harts", json_number(s->harts), "whole",
				   life->is_whole, "damaged_places", json_number(life->damaged), "missing",
				   missing, "guest_harts", guests),
			 false);
		return;
	}
	message_note("%s: life %llu, %s (%s that are no holes), %llu of %llu harts", path,
		     (ull)life->head.life, units_format_size(size, sizeof(size), s->bytes),
		     units_format_size(stored, sizeof(stored), s->stored), (ull)s->harts,
		     (ull)life->head.hart_count);
	for (size_t i = 0; i < json_array_size(guests); i++) {
		json_int_t hart = json_integer_value(json_array_get(guests, i));

		message_note(
			"  hart %lld, thread \"LWP %lld\", was in a guest: its registers are the guest's",
			(long long)hart, (long long)hart + 1);
	}
	if (!life->is_whole)
		print_missing(missing);
	json_decref(missing);
	json_decref(guests);
}

/* What is wrong with the dump itself, said before it is written. */
static void warn(const struct dump_life *life, const struct dump_slot *slot, const struct dump_file *f)
{
	u64 first = slot->at + life->first_damage;

	if (life->head.state != DUMP_COMPLETE)
		message_error("%s: dump @%llu is %s: what there is of it is written", f->path,
			      (ull)life->head.number, dump_slot_text(slot));
	else if (!life->is_whole)
		message_error(
			"%s: dump @%llu is damaged in %llu places, first at byte %llu: the rest is written",
			f->path, (ull)life->head.number, (ull)life->damaged, (ull)first);
	if (!life->crash)
		message_error("%s: dump @%llu has no record of the crash: no hart's registers are known",
			      f->path, (ull)life->head.number);
}

static int write_core(const struct dump_file *f, const struct dump_slot *slot, const struct options *o)
{
	struct dump_core_summary summary = { 0 };
	struct dump_life life;
	struct output_file out;
	char *path;
	int error = dump_life_read(&f->view, slot, &life);

	if (error) {
		message_error("%s: %s", f->path, strerror(-error));
		dump_life_free(&life);
		return EXIT_CODE_FAILED;
	}
	warn(&life, slot, f);
	path = o->output ? memory_copy(o->output) : memory_format("vmcore.%llu", (ull)life.head.life);
	error = output_begin(&out, path, o->overwrite);
	if (!error)
		dump_core_write(&life, &out, &summary);
	error = output_end(&out, true);
	if (!error) {
		report(&life, &summary, o, path);
		warn_build(&life, o);
	}
	error = error || !life.is_whole || !life.crash;
	dump_life_free(&life);
	free(path);
	return error ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static const struct dump_slot *select_dump(const struct dump_file *f, const struct options *o)
{
	return dump_file_select(f, o->argument_count ? o->arguments[0] : NULL);
}

/*
 * The dump that is meant. One that a running host may be writing at this moment is waited for: a second or two are
 * enough for it, unless it was cut short.
 */
static const struct dump_slot *await_dump(struct dump_file *f, const struct options *o)
{
	u64 end = clock_ms() + (o->has_timeout ? o->timeout : WRITTEN_SECONDS) * 1000;
	const struct dump_slot *slot = select_dump(f, o);

	while (slot && slot->head.state == DUMP_WRITING && !o->region && clock_ms() < end) {
		poll(NULL, 0, WRITTEN_POLL_MS);
		if (dump_file_again(f))
			return NULL;
		slot = select_dump(f, o);
	}
	return slot;
}

int dump_host(const struct options *o)
{
	const struct dump_slot *slot;
	struct dump_file f;
	int code;

	if (o->argument_count && !dump_file_names_one(o->arguments[0])) {
		message_error(
			"\"%s\" is neither the number of a life nor @ and that of a dump; -H names the host",
			o->arguments[0]);
		return EXIT_CODE_USAGE;
	}
	code = open_region(&f, o);
	if (code)
		return code;
	if (f.error && !(f.error == -ENODATA && o->list)) {
		code = dump_file_complain(&f);
	} else if (o->list) {
		code = dump_list(&f, o->json);
	} else {
		slot = await_dump(&f, o);
		code = slot ? write_core(&f, slot, o) : EXIT_CODE_NOT_FOUND;
	}
	dump_file_close(&f);
	return code;
}
