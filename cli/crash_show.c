/* `outlive crash show`: all that is known of a life, and how each hart came to where it was found. */
#include "cli/crash_show.h"
#include "abi/estate.h"
#include "cli/backtrace.h"
#include "cli/commands.h"
#include "cli/crash_evidence.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/names.h"
#include "cli/units.h"
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

/* Lines of the log that people get; programs get all. */
#define LOG_LINES 16

/* ---- What the history has ---- */

static void print_point(const char *name, u64 at, u64 fault, u64 timebase)
{
	if (!at || !timebase)
		printf("  %-14s -\n", name);
	else if (fault && at >= fault)
		printf("  %-14s %.6f s   fault + %.0f us\n", name, (double)at / (double)timebase,
		       units_microseconds(fault, at, timebase));
	else
		printf("  %-14s %.6f s\n", name, (double)at / (double)timebase);
}

void crash_print_life(const struct ctl_life *l, u64 timebase)
{
	printf("life %llu, slot %llu, begun on hart %llu\n", (ull)l->number, (ull)l->slot, (ull)l->boot_hart);
	print_point("started", l->t_start, 0, timebase);
	if (l->build)
		printf("  %-14s %016llx\n", "build", (ull)l->build);
	if (l->cause == LIFE_RUNNING) {
		printf("still running\n");
		return;
	}
	if (l->cause == LIFE_UPDATE)
		printf("ended: update\n");
	else
		printf("ended: %s%s on hart %llu, pc 0x%llx (from the start of its slot), value 0x%llx\n",
		       name_of_life_cause(l->cause), l->undone ? ", its update rolled back," : "",
		       (ull)l->crash_hart, (ull)l->crash_pc, (ull)l->crash_value);
	if (*l->text)
		printf("  \"%s\"\n", l->text);
	print_point("fault", l->t_fault, 0, timebase);
	print_point("stopped", l->t_stopped, l->t_fault, timebase);
	print_point("heir entered", l->t_heir, l->t_fault, timebase);
	print_point("adopted", l->t_adopted, l->t_fault, timebase);
	print_point("first guest", l->t_first_guest, l->t_fault, timebase);
	print_point("last guest", l->t_last_guest, l->t_fault, timebase);
	printf("VMs: %llu adopted, %llu lost\n", (ull)l->vms_adopted, (ull)l->vms_lost);
}

/* ---- Harts ---- */

/* In words and as a word for programs. */
static const char *hart_state(const struct crash_record *r, const struct crash_hart *h, const char **word)
{
	static const char *const words[][2] = {
		[FOUND_NOTHING] = { "not-running", "not in the hypervisor's hands" },
		[FOUND_HS] = { "hypervisor", "in the hypervisor" },
		[FOUND_PARKED] = { "guest", "in a guest" },
		[FOUND_GUEST] = { "guest", "in a guest" },
		[FOUND_NO_SHOW] = { "no-show", "did not stop in time; where it was is not known" },
	};
	u64 state = h->life == r->life && h->found.state < ARRAY_SIZE(words) ? h->found.state : FOUND_NOTHING;

	*word = words[state][0];
	return words[state][1];
}

static bool is_in_hypervisor(const struct crash_record *r, const struct crash_hart *h)
{
	return h->life == r->life && h->found.state == FOUND_HS;
}

/* In a guest that has exited since, so that its registers are known. */
static bool is_parked(const struct crash_record *r, const struct crash_hart *h)
{
	return h->life == r->life && h->found.state == FOUND_PARKED;
}

static void print_hart(struct crash_evidence *e, u64 i)
{
	const struct crash_record *r = e->record;
	const struct crash_hart *h = &r->harts[i];
	const char *word;

	printf("hart %llu: %s%s", (ull)h->id, h->id == r->hart ? "crashed, " : "", hart_state(r, h, &word));
	if (h->life && h->life < r->life)
		printf(": held since the end of life %llu", (ull)h->life);
	else if (is_parked(r, h))
		printf(" (%s), pc 0x%llx", e->vcpus[i] ? e->vcpus[i] : "?", (ull)h->found.pc);
	else if (is_in_hypervisor(r, h) && e->vcpus[i])
		printf(", with vCPU %s loaded", e->vcpus[i]);
	putchar('\n');
	if (is_in_hypervisor(r, h)) {
		struct unwind u = crash_evidence_unwind(e);
		struct backtrace b;

		backtrace_make(&b, &u, h->found.pc, h->found.x);
		backtrace_print(&b);
		backtrace_free(&b);
	}
}

static json_t *registers_json(const u64 x[32])
{
	json_t *o = json_array();

	for (int i = 0; i < 32; i++)
		json_array_append_new(o, json_number(x[i]));
	return o;
}

static json_t *hart_json(struct crash_evidence *e, u64 i)
{
	const struct crash_record *r = e->record;
	const struct crash_hart *h = &r->harts[i];
	const char *word;
	json_t *o;

	hart_state(r, h, &word);
	o = json_pack("{s:o,s:s,s:b}", "hart", json_number(h->id), "state", word, "crashed",
		      h->id == r->hart);
	if (e->vcpus[i])
		json_object_set_new(o, "vcpu", json_text(e->vcpus[i], strlen(e->vcpus[i])));
	if (is_parked(r, h) || is_in_hypervisor(r, h)) {
		json_object_set_new(o, "pc", json_number(h->found.pc));
		json_object_set_new(o, "x", registers_json(h->found.x));
	}
	if (is_in_hypervisor(r, h)) {
		struct unwind u = crash_evidence_unwind(e);
		struct backtrace b;

		backtrace_make(&b, &u, h->found.pc, h->found.x);
		json_object_set_new(o, "frames", backtrace_json(&b));
		backtrace_free(&b);
	}
	return o;
}

/* ---- The log ---- */

/* The last lines; the first one of the record may lack its beginning. */
static void print_log(const struct crash_record *r)
{
	const char *end = r->log + r->log_bytes, *from = end;
	int lines = 0;

	while (from > r->log && lines <= LOG_LINES) {
		from--;
		if (*from == '\n' && from + 1 < end)
			lines++;
	}
	if (*from == '\n' && from < end)
		from++;
	if (from < end)
		printf("log, at its end:\n");
	while (from < end) {
		const char *stop = memchr(from, '\n', (size_t)(end - from));
		size_t length = (size_t)((stop ? stop : end) - from);

		printf("  %.*s\n", (int)length, from);
		from += length + (stop ? 1 : 0);
	}
}

/* ---- The command ---- */

static void print_evidence(struct crash_evidence *e)
{
	if (!e->record) {
		printf("no record of its harts: the host keeps those of the last %d crashes, and no dump has it\n",
		       CRASH_RECORDS);
		return;
	}
	if (e->has_dump)
		printf("from dump @%llu%s:\n", (ull)e->dump.head.number,
		       e->dump.is_whole ? "" : ", which is not whole");
	else
		printf("from the record in the estate:\n");
	for (u64 i = 0; i < e->record->hart_count; i++)
		if (e->record->harts[i].id == e->record->hart)
			print_hart(e, i);
	for (u64 i = 0; i < e->record->hart_count; i++)
		if (e->record->harts[i].id != e->record->hart)
			print_hart(e, i);
	if (e->no_symbols)
		printf("no symbols: %s\n", e->no_symbols);
	print_log(e->record);
}

static void add_evidence(json_t *o, struct crash_evidence *e)
{
	json_t *harts = json_array();

	json_object_set_new(o, "dump", e->has_dump ? json_number(e->dump.head.number) : json_null());
	json_object_set_new(o, "whole", json_boolean(e->has_dump && e->dump.is_whole));
	json_object_set_new(o, "record", json_boolean(e->record));
	json_object_set_new(o, "symbols", json_boolean(e->has_symbols));
	for (u64 i = 0; e->record && i < e->record->hart_count; i++)
		json_array_append_new(harts, hart_json(e, i));
	json_object_set_new(o, "harts", harts);
	json_object_set_new(
		o, "log", e->record ? json_text(e->record->log, (size_t)e->record->log_bytes) : json_null());
}

static int bad_number(const char *text)
{
	message_error("\"%s\" is not the number of a life", text);
	return EXIT_CODE_USAGE;
}

/* Of a host that is off, only what the dump says. */
static int show_dump(const struct options *o)
{
	const struct dump_slot *slot;
	struct crash_evidence e;
	struct dump_file f;
	int code = dump_file_names_one(o->arguments[0]) ? dump_file_open(&f, memory_copy(o->region))
							: bad_number(o->arguments[0]);

	if (code)
		return code;
	if (f.error) {
		code = dump_file_complain(&f);
		dump_file_close(&f);
		return code;
	}
	slot = dump_file_select(&f, o->arguments[0]);
	code = !slot				   ? EXIT_CODE_NOT_FOUND
	       : crash_evidence_read(&e, &f, slot) ? EXIT_CODE_OK
						   : EXIT_CODE_FAILED;
	if (!code) {
		const struct dump_head *h = &slot->head;

		crash_evidence_symbols(&e, o->symbols);
		if (o->json) {
			json_t *life = json_pack("{s:o,s:s,s:o,s:o}", "life", json_number(h->life), "cause",
						 name_of_life_cause(h->cause), "crash_hart",
						 json_number(h->crash_hart), "text",
						 json_text(h->text, strlen(h->text)));

			add_evidence(life, &e);
			json_out(life, false);
		} else {
			printf("life %llu, ended: %s on hart %llu\n", (ull)h->life,
			       name_of_life_cause(h->cause), (ull)h->crash_hart);
			if (*h->text)
				printf("  \"%s\"\n", h->text);
			print_evidence(&e);
		}
		crash_evidence_free(&e);
	}
	dump_file_close(&f);
	return code;
}

static void show_life(struct client *c, const struct ctl_life *life, const struct ctl_host *host,
		      const struct options *o)
{
	struct crash_evidence e;

	/* An end on purpose leaves no evidence. */
	if (life->cause == LIFE_RUNNING || life->cause == LIFE_UPDATE) {
		if (o->json)
			json_out(json_of_life(life, host->timebase), false);
		else
			crash_print_life(life, host->timebase);
		return;
	}
	crash_evidence_find(&e, c, life, host);
	crash_evidence_symbols(&e, o->symbols);
	if (o->json) {
		json_t *all = json_of_life(life, host->timebase);

		add_evidence(all, &e);
		json_out(all, false);
	} else {
		crash_print_life(life, host->timebase);
		print_evidence(&e);
	}
	crash_evidence_free(&e);
}

int crash_show_command(const struct options *o)
{
	struct ctl_life lives[LIFE_COUNT];
	const struct ctl_life *found = NULL;
	struct ctl_host host;
	struct client c;
	size_t count = 0;
	u64 number;
	int code;

	if (o->region)
		return show_dump(o);
	if (!units_parse_number(o->arguments[0], &number))
		return bad_number(o->arguments[0]);
	code = client_open(&c, o);
	if (code)
		return code;
	code = client_host(&c, &host);
	if (!code)
		code = client_lives(&c, lives, LIFE_COUNT, &count);
	for (size_t i = 0; i < count; i++)
		if (lives[i].number == number)
			found = &lives[i];
	if (found) {
		show_life(&c, found, &host, o);
	} else if (!code) {
		message_error("the history has no life %llu; \"outlive crash list\" shows it", (ull)number);
		code = EXIT_CODE_NOT_FOUND;
	}
	client_close(&c);
	return code;
}
