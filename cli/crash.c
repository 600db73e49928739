/* `outlive crash`: the ends of the hypervisor's lives, and how to bring one about. */
#include "abi/estate.h"
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/crash_evidence.h"
#include "cli/crash_past.h"
#include "cli/crash_show.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/units.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define HEIR_SECONDS 10

/* ---- list ---- */

/* The time between two points, or "-" if one of them was not reached. */
static void pause_cell(struct table *t, u64 from, u64 to, u64 timebase)
{
	if (from && to && to >= from)
		table_cell(t, "%.0f", units_microseconds(from, to, timebase));
	else
		table_cell(t, "-");
}

/* Where evidence of a life's end is: its dump's number, or if it has one a record in the estate. */
struct evidence {
	u64 dump; /* 0: none */
	bool has_record;
};

static void find_evidence(struct client *c, const struct ctl_life *lives, size_t count, u64 running,
			  struct evidence *evidence)
{
	struct dump_file f;
	bool has_region = dump_file_open_host(&f, &c->dir) == EXIT_CODE_OK;

	for (size_t i = 0; i < count; i++) {
		const struct ctl_life *l = &lives[i];
		const struct dump_slot *slot = NULL;

		evidence[i] = (struct evidence){ 0 };
		if (l->cause == LIFE_RUNNING)
			continue;
		if (has_region && !f.error)
			slot = dump_file_of_life(&f, l->number, l->t_fault);
		evidence[i].dump = slot ? slot->head.number : 0;
		/* What is further back has been overwritten. */
		evidence[i].has_record = l->number + CRASH_RECORDS >= running &&
					 crash_evidence_has_record(c, l->number);
	}
	if (has_region)
		dump_file_close(&f);
}

static void print_table(const struct ctl_life *lives, const struct evidence *evidence, size_t count,
			u64 timebase)
{
	static const char *const heads[] = { "LIFE",	 "<CAUSE", "HART",    "PC",	  "<AT",
					     "STOPPED",	 "HEIR",   "ADOPTED", "FIRST",	  "LAST",
					     "TOTAL us", "VMS",	   "LOST",    "<EVIDENCE" };
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < count; i++) {
		const struct ctl_life *l = &lives[i];
		bool has_ended = l->cause != LIFE_RUNNING;

		table_cell(&t, "%llu", (unsigned long long)l->number);
		table_cell(&t, "%s", name_of_life_cause(l->cause));
		table_cell(&t, has_ended ? "%llu" : "-", (unsigned long long)l->crash_hart);
		table_cell(&t, has_ended ? "0x%llx" : "-", (unsigned long long)l->crash_pc);
		table_cell(&t, "%.3f s",
			   timebase ? (double)(has_ended ? l->t_fault : l->t_start) / (double)timebase : 0);
		pause_cell(&t, l->t_fault, l->t_stopped, timebase);
		pause_cell(&t, l->t_stopped, l->t_heir, timebase);
		pause_cell(&t, l->t_heir, l->t_adopted, timebase);
		pause_cell(&t, l->t_adopted, l->t_first_guest, timebase);
		pause_cell(&t, l->t_first_guest, l->t_last_guest, timebase);
		pause_cell(&t, l->t_fault, l->t_last_guest, timebase);
		table_cell(&t, has_ended ? "%llu" : "-", (unsigned long long)l->vms_adopted);
		table_cell(&t, has_ended ? "%llu" : "-", (unsigned long long)l->vms_lost);
		if (evidence[i].dump)
			table_cell(&t, "dump @%llu", (unsigned long long)evidence[i].dump);
		else
			table_cell(&t, "%s", evidence[i].has_record ? "record" : "-");
	}
	table_end(&t);
}

/* Connects and reads the history. */
static int open_history(struct client *c, const struct options *o, struct ctl_life *lives, size_t *count,
			struct ctl_host *host)
{
	int code = client_open(c, o);

	if (code)
		return code;
	code = client_host(c, host);
	if (!code)
		code = client_lives(c, lives, LIFE_COUNT, count);
	if (code)
		client_close(c);
	return code;
}

int crash_list_command(const struct options *o)
{
	struct ctl_life lives[LIFE_COUNT];
	struct evidence evidence[LIFE_COUNT];
	struct ctl_host host;
	struct client c;
	size_t count;
	int code = open_history(&c, o, lives, &count, &host);

	if (code)
		return code;
	find_evidence(&c, lives, count, host.life, evidence);
	if (o->json) {
		json_t *list = json_array();

		for (size_t i = 0; i < count; i++) {
			json_t *life = json_of_life(&lives[i], host.timebase);

			json_object_set_new(life, "dump",
					    evidence[i].dump ? json_number(evidence[i].dump) : json_null());
			json_object_set_new(life, "record", json_boolean(evidence[i].has_record));
			json_array_append_new(list, life);
		}
		json_out(json_pack("{s:s,s:o,s:o}", "name", c.info.name, "lives", list, "past",
				   crash_past(&c)),
			 false);
	} else {
		print_table(lives, evidence, count, host.timebase);
		crash_past_print(&c);
	}
	client_close(&c);
	return EXIT_CODE_OK;
}

/* ---- inject ---- */

/* Waits until another life has reported for duty than that of *host, which is brought up to date. */
static int await_heir(struct client *c, struct ctl_host *host, u64 end)
{
	for (;;) {
		struct client_reply reply;
		struct broker_info info;
		int code = client_do(c, BROKER_INFO, 0, NULL, 0, &reply, "host");

		if (code)
			return code;
		memcpy(&info, reply.payload, sizeof(info));
		if (info.host.life != host->life || info.host.started != host->started) {
			*host = info.host;
			return EXIT_CODE_OK;
		}
		if (clock_ms() >= end) {
			message_error(
				"no heir has reported; the hypervisor may have survived, or the host be lost");
			return EXIT_CODE_TIMEOUT;
		}
		poll(NULL, 0, 20);
	}
}

/* The dead life's record, once the heir has completed it: its last guest runs some time after it has reported. */
static int dead_life(struct client *c, u64 number, struct ctl_life *life)
{
	for (int tries = 0; tries < 20; tries++) {
		struct client_reply reply;
		int code = client_do(c, CTL_LIVES, 0, &number, sizeof(number), &reply, "history");

		if (code)
			return code;
		if (reply.length < sizeof(*life))
			break;
		memcpy(life, reply.payload, sizeof(*life));
		life->text[sizeof(life->text) - 1] = '\0';
		if (life->t_last_guest)
			return EXIT_CODE_OK;
		poll(NULL, 0, 50);
	}
	return EXIT_CODE_OK;
}

static void report_reset(bool json)
{
	if (json)
		json_out(json_pack("{s:b}", "reset", 1), false);
	else
		printf("no heir: the machine has been reset, and its VMs start again\n");
}

static int inject(struct client *c, u32 kind, u64 end, const struct options *o)
{
	struct ctl_life life = { 0 };
	struct client_reply reply;
	struct ctl_host host;
	int code = client_host(c, &host);
	u64 victim = host.life;

	if (!code)
		code = client_do(c, CTL_CRASH, 0, &kind, sizeof(kind), &reply, "crash");
	if (!code)
		code = await_heir(c, &host, end);
	if (!code && host.life <= victim) {
		report_reset(o->json);
		return EXIT_CODE_OK;
	}
	if (!code)
		code = dead_life(c, victim, &life);
	if (code)
		return code;
	if (o->json)
		json_out(json_of_life(&life, host.timebase), false);
	else
		crash_print_life(&life, host.timebase);
	return EXIT_CODE_OK;
}

int crash_inject_command(const struct options *o)
{
	u64 end = clock_ms() + (o->has_timeout ? o->timeout : HEIR_SECONDS) * 1000;
	int kind = crash_kind(o->arguments[0]);
	struct client c;
	int code;

	if (kind < 0) {
		message_error("no crash \"%s\": there are panic, trap, hang, wild-write and stack",
			      o->arguments[0]);
		return EXIT_CODE_USAGE;
	}
	code = client_open(&c, o);
	if (code)
		return code;
	code = inject(&c, (u32)kind, end, o);
	client_close(&c);
	return code;
}
