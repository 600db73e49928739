/* What comes of a fault: see campaign_run.h. */
#include "abi/estate.h"
#include "cli/campaign_run.h"
#include "cli/clock.h"
#include "cli/names.h"
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 10000

/* So long a fault has time to show before its absence is one. */
#define SETTLE_MS 400

/* How long one answer may take: the broker asks again after a second if the life ended with the question. */
#define ANSWER_MS 1500

/* How often, while a guest does not go on, it is asked whether it has been stopped. */
#define LOOK_MS 1000

typedef unsigned long long ull;

__attribute__((format(printf, 2, 0))) static void explain(struct campaign_result *result, const char *format,
							  va_list list)
{
	vsnprintf(result->reason, sizeof(result->reason), format, list);
	for (char *at = result->reason; *at; at++)
		if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
			*at = '?';
}

__attribute__((format(printf, 3, 4))) static void judge(struct campaign_run *r, enum campaign_outcome outcome,
							const char *format, ...)
{
	va_list list;

	r->result->outcome = outcome;
	va_start(list, format);
	explain(r->result, format, list);
	va_end(list);
}

/* So long the host has time to find out what a guest has told of: more than it takes to look at all that it looks at. */
#define FIND_OUT_MS 500

static bool are_guests_well(struct campaign_run *r, char *why, size_t size)
{
	for (int i = 0; i < CAMPAIGN_GUESTS; i++)
		if (!campaign_guest_is_well(&r->host.guests[i], why, size))
			return false;
	return true;
}

static bool has_restarted(const struct campaign_run *r)
{
	for (int i = 0; i < CAMPAIGN_GUESTS; i++)
		if (r->host.guests[i].is_restarted)
			return true;
	return false;
}

static bool have_guests_moved(struct campaign_run *r, char *why, size_t size)
{
	for (int i = 0; i < CAMPAIGN_GUESTS; i++)
		if (!campaign_guest_moved(&r->host.guests[i], why, size))
			return false;
	return true;
}

static void mark_guests(struct campaign_run *r)
{
	for (int i = 0; i < CAMPAIGN_GUESTS; i++)
		campaign_guest_mark(&r->host.guests[i]);
}

static void let_pass(struct campaign_run *r, u64 ms)
{
	u64 end = clock_ms() + ms;

	while (clock_ms() < end) {
		poll(NULL, 0, 5);
		campaign_host_read_guests(&r->host);
	}
}

/* A VM that the hypervisor has given up, or started again. */
static bool find_lost_vms(struct campaign_run *r)
{
	struct ctl_vm vms[MAX_VMS];
	size_t count, lost = 0;
	char text[CAMPAIGN_TEXT] = "";

	if (!campaign_host_vms(&r->host, vms, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t fill = strlen(text);

		if (vms[i].run_state == VM_RUNNING && vms[i].boots == 1)
			continue;
		lost++;
		if (fill + 100 < sizeof(text))
			snprintf(text + fill, sizeof(text) - fill, "%s%.31s is %s (%s), started %llu times",
				 fill ? "; " : "", vms[i].name, name_of_run_state(vms[i].run_state),
				 name_of_stop_reason(vms[i].reason), (ull)vms[i].boots);
	}
	if (lost)
		judge(r, lost == count ? OUTCOME_HOST_LOST : OUTCOME_VM_LOST, "%s", text);
	return lost;
}

/*
 * True if the host has stopped the guests that have found something wrong, because their memory may not be theirs: then it has not
 * gone unnoticed.
 */
static bool are_errors_known(struct campaign_run *r)
{
	struct ctl_vm vms[MAX_VMS];
	size_t count, known = 0, errors = 0;

	let_pass(r, FIND_OUT_MS);
	if (!campaign_host_ask(&r->host, ANSWER_MS) || !campaign_host_vms(&r->host, vms, &count))
		return false;
	for (int i = 0; i < CAMPAIGN_GUESTS; i++) {
		if (campaign_guest_is_well(&r->host.guests[i], NULL, 0))
			continue;
		errors++;
		for (size_t n = 0; n < count; n++)
			known += strncmp(vms[n].name, r->host.guests[i].name, sizeof(vms[n].name)) == 0 &&
				 vms[n].run_state == VM_CRASHED && vms[n].reason == VM_REASON_TABLES;
	}
	return known == errors;
}

/* A life of the same number that was begun at another time is one of another history. */
static bool is_reset(const struct campaign_run *r, const struct ctl_host *before)
{
	const struct ctl_host *now = &r->host.hello;

	return now->life < r->life ||
	       (before->started && before->life == now->life && before->started != now->started);
}

/*
 * Waits until host and guests have gone on in one and the same life, or something is certain. True if all go on; `why` says
 * otherwise what does not.
 */
static bool wait_until_all_go_on(struct campaign_run *r, char *why, size_t size)
{
	u64 patience = r->settings->patience_ms ? r->settings->patience_ms : PATIENCE_MS;
	u64 end = clock_ms() + patience, look_at_vms = clock_ms() + LOOK_MS, life = 0;
	struct ctl_host before = r->host.hello;

	for (;;) {
		bool is_answered;

		let_pass(r, 20);
		if (!campaign_host_is_there(&r->host)) {
			judge(r, OUTCOME_HOST_LOST, "the machine has ended");
			return false;
		}
		is_answered = campaign_host_ask(&r->host, ANSWER_MS);
		if (is_answered && is_reset(r, &before)) {
			judge(r, OUTCOME_HOST_LOST, "the machine was reset");
			return false;
		}
		if (is_answered && r->host.hello.life != life) {
			/* The first time, and whenever there is an heir: all have to go on in its time. */
			if (life)
				end = clock_ms() + patience;
			life = r->host.hello.life;
			before = r->host.hello;
			mark_guests(r);
			continue;
		}
		if (is_answered && have_guests_moved(r, why, size))
			return true;
		if (!is_answered)
			snprintf(why, size, "the host does not answer");
		if (!are_guests_well(r, NULL, 0) || clock_ms() >= end)
			return false;
		/* What has been given up will not go on. */
		if (is_answered && clock_ms() >= look_at_vms) {
			if (find_lost_vms(r))
				return false;
			look_at_vms = clock_ms() + LOOK_MS;
		}
	}
}

static u64 ticks_ns(u64 ticks, u64 timebase)
{
	return timebase ? ticks / timebase * 1000000000 + ticks % timebase * 1000000000 / timebase : 0;
}

/* What the history says of the lives that have ended since. */
static void read_lives(struct campaign_run *r)
{
	struct campaign_result *result = r->result;
	struct ctl_life lives[LIFE_COUNT];
	u64 fault = 0;
	size_t count;

	if (!campaign_host_ask(&r->host, ANSWER_MS) || !campaign_host_lives(&r->host, lives, &count))
		return;
	snprintf(result->build, sizeof(result->build), "%s", r->host.hello.build);
	for (size_t i = 0; i < count; i++) {
		if (lives[i].number < r->life || lives[i].cause == LIFE_RUNNING)
			continue;
		if (!result->lives++) {
			snprintf(result->cause, sizeof(result->cause), "%s",
				 name_of_life_cause(lives[i].cause));
			/* What has been said already says more. */
			if (r->result->outcome == OUTCOME_COUNT)
				judge(r, OUTCOME_COUNT, "%.*s", (int)strcspn(lives[i].text, "\n"),
				      lives[i].text);
			fault = lives[i].t_fault;
		}
		/* The heir may have died as well: until all guests ran again. */
		if (lives[i].t_last_guest > fault)
			result->recovery_ns = ticks_ns(lives[i].t_last_guest - fault, r->host.hello.timebase);
	}
}

static void read_pauses(struct campaign_run *r)
{
	for (int i = 0; i < CAMPAIGN_GUESTS; i++) {
		const struct campaign_guest *g = &r->host.guests[i];

		if (g->gap_exit_us * 1000 > r->result->pause_exits_ns)
			r->result->pause_exits_ns = g->gap_exit_us * 1000;
		if (g->gap_spin_us * 1000 > r->result->pause_computes_ns)
			r->result->pause_computes_ns = g->gap_spin_us * 1000;
	}
}

void campaign_watch(struct campaign_run *r)
{
	struct campaign_result *result = r->result;
	char why[CAMPAIGN_TEXT] = "";
	bool goes_on, is_over;

	let_pass(r, SETTLE_MS);
	result->outcome = OUTCOME_COUNT;
	goes_on = wait_until_all_go_on(r, why, sizeof(why));
	is_over = result->outcome != OUTCOME_COUNT;
	campaign_host_read_guests(&r->host);
	read_lives(r);
	if (!are_guests_well(r, why, sizeof(why)) && !are_errors_known(r))
		judge(r, OUTCOME_SILENT, "%s", why);
	else if (is_over || find_lost_vms(r))
		;
	else if (has_restarted(r))
		judge(r, OUTCOME_VM_LOST, "a guest was started again, and nobody says so");
	else if (!goes_on)
		judge(r, OUTCOME_HANG, "%s", why);
	else
		result->outcome = result->lives ? OUTCOME_RECOVERED : OUTCOME_NO_EFFECT;
	read_pauses(r);
}
