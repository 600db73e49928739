/* `outlive crash`: the ends of the hypervisor's lives, and how to bring one about. */
#include "abi/estate.h"
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/commands.h"
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

static void print_table(const struct ctl_life *lives, size_t count, u64 timebase)
{
	static const char *const heads[] = { "LIFE",	 "<CAUSE", "HART",    "PC",    "<AT",
					     "STOPPED",	 "HEIR",   "ADOPTED", "FIRST", "LAST",
					     "TOTAL us", "VMS",	   "LOST" };
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
	struct ctl_host host;
	struct client c;
	size_t count;
	int code = open_history(&c, o, lives, &count, &host);

	if (code)
		return code;
	if (o->json) {
		json_t *list = json_array();

		for (size_t i = 0; i < count; i++)
			json_array_append_new(list, json_of_life(&lives[i], host.timebase));
		json_out(json_pack("{s:s,s:o}", "name", c.info.name, "lives", list), false);
	} else {
		print_table(lives, count, host.timebase);
	}
	client_close(&c);
	return EXIT_CODE_OK;
}

/* ---- show ---- */

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

static void print_life(const struct ctl_life *l, u64 timebase)
{
	printf("life %llu, slot %llu, begun on hart %llu\n", (unsigned long long)l->number,
	       (unsigned long long)l->slot, (unsigned long long)l->boot_hart);
	print_point("started", l->t_start, 0, timebase);
	if (l->cause == LIFE_RUNNING) {
		printf("still running\n");
		return;
	}
	printf("ended: %s on hart %llu, pc 0x%llx (from the start of its slot), value 0x%llx\n",
	       name_of_life_cause(l->cause), (unsigned long long)l->crash_hart,
	       (unsigned long long)l->crash_pc, (unsigned long long)l->crash_value);
	if (*l->text)
		printf("  \"%s\"\n", l->text);
	print_point("fault", l->t_fault, 0, timebase);
	print_point("stopped", l->t_stopped, l->t_fault, timebase);
	print_point("heir entered", l->t_heir, l->t_fault, timebase);
	print_point("adopted", l->t_adopted, l->t_fault, timebase);
	print_point("first guest", l->t_first_guest, l->t_fault, timebase);
	print_point("last guest", l->t_last_guest, l->t_fault, timebase);
	printf("VMs: %llu adopted, %llu lost\n", (unsigned long long)l->vms_adopted,
	       (unsigned long long)l->vms_lost);
}

int crash_show_command(const struct options *o)
{
	struct ctl_life lives[LIFE_COUNT];
	const struct ctl_life *found = NULL;
	struct ctl_host host;
	struct client c;
	size_t count;
	u64 number;
	int code;

	if (!units_parse_number(o->arguments[0], &number)) {
		message_error("\"%s\" is not the number of a life", o->arguments[0]);
		return EXIT_CODE_USAGE;
	}
	code = open_history(&c, o, lives, &count, &host);
	if (code)
		return code;
	for (size_t i = 0; i < count; i++)
		if (lives[i].number == number)
			found = &lives[i];
	if (!found) {
		message_error("the history has no life %llu; \"outlive crash list\" shows it",
			      (unsigned long long)number);
		code = EXIT_CODE_NOT_FOUND;
	} else if (o->json) {
		json_out(json_of_life(found, host.timebase), false);
	} else {
		print_life(found, host.timebase);
	}
	client_close(&c);
	return code;
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
		print_life(&life, host.timebase);
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
