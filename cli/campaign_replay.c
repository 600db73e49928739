/* A run again: see campaign_replay.h. */
#include "cli/campaign_replay.h"
#include "cli/campaign_file.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ULL(value) ((unsigned long long)(value))

/* ---- What was ---- */

struct search {
	u64 run;
	bool is_found;
	struct campaign_result *result;
};

static void look(void *arg, const struct campaign_result *result)
{
	struct search *s = arg;

	if (result->run != s->run)
		return;
	*s->result = *result;
	s->is_found = true;
}

int campaign_replay_find(const char *directory, u64 seed, u64 run, struct campaign_head *head,
			 struct campaign_result *then)
{
	struct search search = { .run = run, .result = then };
	char *path = memory_format("%s/results.jsonl", directory);
	struct campaign_file file;
	int found = -ENOENT;

	if (access(path, F_OK) == 0) {
		if (campaign_file_open(&file, directory, look, &search) == 0 && file.head.seed == seed) {
			*head = file.head;
			found = search.is_found;
		}
		campaign_file_close(&file);
	}
	free(path);
	return found;
}

static void compare_text(const char *what, const char *now, const char *then, const char *directory)
{
	if (strcmp(now, then) != 0)
		message_note("the campaign in %s had %s %s, this is %s: the plan may be another", directory,
			     what, then, now);
}

void campaign_replay_compare(const struct campaign_head *now, const struct campaign_head *then,
			     const char *directory)
{
	char *faults_now = campaign_faults_text(now->faults),
	     *faults_then = campaign_faults_text(then->faults);

	compare_text("outlive.bin of build", now->build, then->build, directory);
	compare_text("warden.bin", now->warden, then->warden, directory);
	compare_text("guests/witness.bin", now->guest, then->guest, directory);
	compare_text("QEMU", now->qemu, then->qemu, directory);
	compare_text("--faults", faults_now, faults_then, directory);
	if (now->harts != then->harts)
		message_note("the campaign in %s had machines of %u harts, not %u", directory, then->harts,
			     now->harts);
	free(faults_now);
	free(faults_then);
}

/* ---- What is ---- */

static void print_fault(FILE *to, const char *title, const struct fault *f)
{
	fprintf(to, "%s%s ", title, fault_kinds[f->kind].name);
	if (f->moment.is_place) {
		fputs("when execution comes to image+", to);
		for (int i = 0; i < FAULT_PLACES; i++)
			fprintf(to, "%s0x%llx", i ? " or " : "", ULL(f->moment.places[i]));
		fprintf(to, " for the %u. time, or else ", f->moment.times);
	}
	fprintf(to, "after %llu us\n", ULL(f->moment.delay_us));
	fprintf(to, "          draws: hart 0x%llx, target 0x%llx, bit 0x%llx, value 0x%llx\n", ULL(f->hart),
		ULL(f->target), ULL(f->bit), ULL(f->value));
}

static void print_pause(FILE *to, const char *title, u64 ns)
{
	if (ns)
		fprintf(to, "%s%.3f ms\n", title, (double)ns / 1e6);
}

void campaign_replay_print(FILE *to, const struct campaign_result *now, const struct campaign_result *then)
{
	fprintf(to, "run %llu:%llu\n", ULL(now->seed), ULL(now->run));
	print_fault(to, "  plan:   ", &now->plan.first);
	if (now->plan.first.kind == FAULT_RECOVERY)
		print_fault(to, "  then:   ", &now->plan.second);
	fprintf(to, "  fault:  %s\n", *now->fault ? now->fault : "none");
	fprintf(to, "  came:   %s%s%s\n", campaign_outcomes[now->outcome].name, *now->reason ? ": " : "",
		now->reason);
	if (*now->cause)
		fprintf(to, "  life:   ended by %s; %llu ended in all\n", now->cause, ULL(now->lives));
	print_pause(to, "  pause:  of vCPUs that exit ", now->pause_exits_ns);
	print_pause(to, "          of one that only computes ", now->pause_computes_ns);
	print_pause(to, "          fault to last guest, as recorded ", now->recovery_ns);
	fprintf(to, "  took:   %.1f s\n", (double)now->wall_ms / 1000);
	if (*now->dump)
		fprintf(to, "  kept:   %s\n", now->dump);
	if (then)
		fprintf(to, "  before: %s, %s\n", campaign_outcomes[then->outcome].name,
			*then->fault ? then->fault : "no fault");
}

static json_t *json_of_fault(const struct fault *f)
{
	json_t *o = json_object(), *places = json_array();

	for (int i = 0; i < FAULT_PLACES && f->moment.is_place; i++)
		json_array_append_new(places, json_number(f->moment.places[i]));
	json_object_set_new(o, "kind", json_string(fault_kinds[f->kind].name));
	json_object_set_new(o, "places", places);
	json_object_set_new(o, "times", json_number(f->moment.times));
	json_object_set_new(o, "delay_us", json_number(f->moment.delay_us));
	json_object_set_new(o, "hart", json_number(f->hart));
	json_object_set_new(o, "target", json_number(f->target));
	json_object_set_new(o, "bit", json_number(f->bit));
	json_object_set_new(o, "value", json_number(f->value));
	return o;
}

json_t *campaign_replay_json(const struct campaign_result *now, const struct campaign_result *then)
{
	json_t *o = campaign_result_json(now);

	json_object_set_new(o, "seed", json_number(now->seed));
	json_object_set_new(o, "plan", json_of_fault(&now->plan.first));
	json_object_set_new(o, "second_plan",
			    now->plan.first.kind == FAULT_RECOVERY ? json_of_fault(&now->plan.second)
								   : json_null());
	json_object_set_new(o, "before", then ? campaign_result_json(then) : json_null());
	return o;
}
