/* `outlive campaign`: what its options mean, and what it prints. campaign_work.c does the work. */
#include "cli/campaign_file.h"
#include "cli/campaign_identity.h"
#include "cli/campaign_replay.h"
#include "cli/campaign_report.h"
#include "cli/campaign_work.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/jobs.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/units.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_DEFAULT  100
#define SEED_DEFAULT  1
#define HARTS_DEFAULT 4
#define HARTS_MAX     8
#define KEEP_DEFAULT  10

/* ---- Options ---- */

/* The number of an option, or `fallback` if it is not given. False with the error printed. */
static bool number_of(const char *option, const char *text, u64 least, u64 most, u64 fallback, u64 *value)
{
	*value = fallback;
	if (!text || (units_parse_number(text, value) && *value >= least && *value <= most))
		return true;
	message_error("--%s: \"%s\" is not a number from %llu to %llu", option, text,
		      (unsigned long long)least, (unsigned long long)most);
	return false;
}

/* The kinds that a list of names says. False with the error printed. */
static bool faults_of(const char *text, u32 *faults)
{
	char *copy = memory_copy(text), *state = NULL;

	*faults = 0;
	for (char *name = strtok_r(copy, ",", &state); name; name = strtok_r(NULL, ",", &state)) {
		int kind = fault_kind_find(name);

		if (kind < 0 && strcmp(name, "default") != 0) {
			message_error("--faults: no kind of fault \"%s\"; --faults help lists them", name);
			free(copy);
			return false;
		}
		*faults |= kind < 0 ? FAULTS_DEFAULT : 1u << kind;
	}
	free(copy);
	if (!*faults)
		message_error("--faults: which? --faults help lists them");
	return *faults != 0;
}

static void print_faults(void)
{
	static const char *const heads[] = { "FAULT", "<WHAT IT IS" };
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (int i = 0; i < FAULT_KINDS; i++) {
		table_cell(&t, "%s", fault_kinds[i].name);
		table_cell(&t, "%s", fault_kinds[i].help);
	}
	table_end(&t);
}

static json_t *json_of_faults(void)
{
	json_t *array = json_array();

	for (int i = 0; i < FAULT_KINDS; i++)
		json_array_append_new(array, json_pack("{s:s,s:s,s:b}", "name", fault_kinds[i].name, "help",
						       fault_kinds[i].help, "default",
						       (int)(FAULTS_DEFAULT >> i & 1)));
	return json_pack("{s:o}", "faults", array);
}

static int list_faults(const struct options *o)
{
	if (o->json)
		json_out(json_of_faults(), false);
	else
		print_faults();
	return EXIT_CODE_OK;
}

/* "SEED:RUN". False with the error printed. */
static bool run_of(const char *text, u64 *seed, u64 *run)
{
	const char *colon = strchr(text, ':');
	char *first = memory_format("%.*s", colon ? (int)(colon - text) : 0, text);
	bool is_good = colon && units_parse_number(first, seed) && *seed <= CAMPAIGN_SEED_MAX &&
		       units_parse_number(colon + 1, run) && *run < CAMPAIGN_RUNS_MAX;

	free(first);
	if (!is_good)
		message_error("--replay: \"%s\" is not SEED:RUN, with a run below %d", text,
			      CAMPAIGN_RUNS_MAX);
	return is_good;
}

/*
 * The order that the options give, its texts not copied. What they leave out is as in `like`, the head of a campaign that is
 * there, or NULL. EXIT_CODE_OK, or another with the error printed.
 */
static int order_of(const struct options *o, const struct campaign_head *like, struct campaign_order *order)
{
	u64 harts, jobs, keep, faults = like ? like->faults : FAULTS_DEFAULT;
	struct campaign_head *head = &order->head;

	*order = (struct campaign_order){
		.qemu = o->qemu, .json = o->json, .quiet = o->quiet, .run = campaign_run_one
	};
	if (!number_of("seed", o->seed, 0, CAMPAIGN_SEED_MAX, like ? like->seed : SEED_DEFAULT,
		       &head->seed) ||
	    !number_of("runs", o->runs, 1, CAMPAIGN_RUNS_MAX, like ? like->runs : RUNS_DEFAULT,
		       &order->runs) ||
	    !number_of("jobs", o->jobs, 1, JOBS_MAX, jobs_default(), &jobs) ||
	    !number_of("harts", o->harts, 1, HARTS_MAX, like ? like->harts : HARTS_DEFAULT, &harts) ||
	    !number_of("keep", o->keep, 0, CAMPAIGN_RUNS_MAX, KEEP_DEFAULT, &keep))
		return EXIT_CODE_USAGE;
	head->faults = (u32)faults;
	if (o->faults && !faults_of(o->faults, &head->faults))
		return EXIT_CODE_USAGE;
	head->runs = order->runs;
	head->harts = (u32)harts;
	order->jobs = (unsigned)jobs;
	order->keep = keep;
	return campaign_identify(head, o->qemu) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static char *directory_of(const struct options *o, const char *prefix, u64 seed)
{
	return o->out ? memory_copy(o->out) : memory_format("%s-%llu", prefix, (unsigned long long)seed);
}

/* ---- What is printed ---- */

static void print_report(const struct options *o, const struct campaign_head *head,
			 const struct campaign_tally *tally, bool is_last_line)
{
	if (o->json)
		json_out(campaign_report_json(head, tally), is_last_line);
	else if (!o->quiet)
		campaign_report_text(stdout, head, tally);
}

static int report(const struct options *o)
{
	struct campaign_tally tally = { 0 };
	struct campaign_file file;
	int error = campaign_file_open(&file, o->report, campaign_tally_add, &tally);

	if (!error) {
		campaign_tally_sort(&tally);
		error = campaign_report_write(o->report, &file.head, &tally);
		print_report(o, &file.head, &tally, false);
	}
	campaign_tally_free(&tally);
	campaign_file_close(&file);
	if (error == -ENOENT)
		return EXIT_CODE_NOT_FOUND;
	return error ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

/* ---- Running ---- */

static int replay(const struct options *o)
{
	struct campaign_result then = { 0 }, now;
	struct campaign_head head;
	struct campaign_order order;
	char *directory;
	u64 seed, run;
	int code, found, error = 0;

	if (!run_of(o->replay, &seed, &run))
		return EXIT_CODE_USAGE;
	directory = directory_of(o, "campaign", seed);
	found = campaign_replay_find(directory, seed, run, &head, &then);
	code = order_of(o, found >= 0 ? &head : NULL, &order);
	if (!code && found >= 0)
		campaign_replay_compare(&order.head, &head, directory);
	if (!code) {
		order.head.seed = seed;
		order.directory = directory;
		error = campaign_carry_out_one(&order, run, &now);
		code = error ? EXIT_CODE_FAILED : EXIT_CODE_OK;
		if (error == -EINTR)
			message_note("stopped");
	}
	if (!code && o->json)
		json_out(campaign_replay_json(&now, found > 0 ? &then : NULL), false);
	else if (!code)
		campaign_replay_print(stdout, &now, found > 0 ? &then : NULL);
	free(directory);
	return code;
}

/* The head of the campaign that --resume goes on with. EXIT_CODE_OK, or another with the error printed. */
static int find_resumed(const struct options *o, struct campaign_head *head)
{
	struct campaign_file file;
	int error;

	if (!o->out) {
		message_error("--resume goes on in the directory that --out names");
		return EXIT_CODE_USAGE;
	}
	error = campaign_file_open(&file, o->out, NULL, NULL);
	*head = file.head;
	campaign_file_close(&file);
	if (error == -ENOENT)
		return EXIT_CODE_NOT_FOUND;
	return error ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static int run_campaign(const struct options *o)
{
	struct campaign_order order;
	struct campaign_tally tally;
	struct campaign_head like;
	char *directory;
	int code = o->resume ? find_resumed(o, &like) : EXIT_CODE_OK, error;

	if (!code)
		code = order_of(o, o->resume ? &like : NULL, &order);
	if (code)
		return code;
	order.directory = directory = directory_of(o, "campaign", order.head.seed);
	error = campaign_carry_out(&order, &tally);
	if (!error || error == -EINTR)
		print_report(o, &order.head, &tally, true);
	campaign_tally_free(&tally);
	free(directory);
	return error ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

int campaign_command(const struct options *o)
{
	bool has_own = o->replay || o->report;

	if (o->faults && strcmp(o->faults, "help") == 0)
		return list_faults(o);
	if ((o->replay && o->report) || (has_own && (o->resume || o->runs || o->jobs || o->keep)) ||
	    (o->replay && o->seed) || (o->report && (o->seed || o->faults || o->harts || o->out))) {
		message_error("%s", o->report
					    ? "--report DIRECTORY needs no other option but --json"
					    : "--replay SEED:RUN goes with --faults, --harts and --out only");
		return EXIT_CODE_USAGE;
	}
	if (o->report)
		return report(o);
	return o->replay ? replay(o) : run_campaign(o);
}
