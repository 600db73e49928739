/* Lines of results: see campaign_lines.h. */
#include "cli/campaign_lines.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Writing ---- */

char *campaign_faults_text(u32 faults)
{
	char *text = memory_copy("");

	for (int i = 0; i < FAULT_KINDS; i++)
		if (faults & 1u << i) {
			char *longer = memory_format("%s%s%s", text, *text ? "," : "", fault_kinds[i].name);

			free(text);
			text = longer;
		}
	return text;
}

json_t *campaign_head_json(const struct campaign_head *head)
{
	char *faults = campaign_faults_text(head->faults);
	json_t *o = json_object();

	json_object_set_new(o, "campaign", json_integer(CAMPAIGN_VERSION));
	json_object_set_new(o, "seed", json_number(head->seed));
	json_object_set_new(o, "runs", json_number(head->runs));
	json_object_set_new(o, "faults", json_string(faults));
	json_object_set_new(o, "harts", json_integer(head->harts));
	json_object_set_new(o, "build", json_string(head->build));
	json_object_set_new(o, "warden", json_string(head->warden));
	json_object_set_new(o, "guest", json_string(head->guest));
	json_object_set_new(o, "qemu", json_string(head->qemu));
	free(faults);
	return o;
}

/* A text, made printable. */
static void set_text(json_t *o, const char *key, const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	char *copy = memory_new(1, length + 1);

	for (size_t i = 0; i < length; i++)
		copy[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	json_object_set_new(o, key, length ? json_string(copy) : json_null());
	free(copy);
}

/* An address or an offset: hexadecimal, as everywhere in the hypervisor's messages. */
static void set_place(json_t *o, const char *key, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	json_object_set_new(o, key, value == ~0ull ? json_null() : json_string(text));
}

/* A number that is ~0 if there is none. */
static void set_index(json_t *o, const char *key, u64 value)
{
	json_object_set_new(o, key, value == ~0ull ? json_null() : json_number(value));
}

/* A quantity that is 0 if nobody measured it. */
static void set_measure(json_t *o, const char *key, u64 value)
{
	json_object_set_new(o, key, value ? json_number(value) : json_null());
}

json_t *campaign_result_json(const struct campaign_result *r)
{
	bool has_second = r->plan.first.kind == FAULT_RECOVERY;
	json_t *o = json_object();

	json_object_set_new(o, "run", json_number(r->run));
	json_object_set_new(o, "kind", json_string(fault_kinds[r->plan.first.kind].name));
	json_object_set_new(o, "second",
			    has_second ? json_string(fault_kinds[r->plan.second.kind].name) : json_null());
	json_object_set_new(o, "outcome", json_string(campaign_outcomes[r->outcome].name));
	set_text(o, "reason", r->reason, sizeof(r->reason));
	set_text(o, "fault", r->fault, sizeof(r->fault));
	set_index(o, "hart", r->hart);
	set_place(o, "place", r->place);
	set_text(o, "symbol", r->symbol, sizeof(r->symbol));
	set_place(o, "address", r->address);
	set_index(o, "bit", r->bit);
	set_text(o, "cause", r->cause, sizeof(r->cause));
	json_object_set_new(o, "lives", json_number(r->lives));
	set_measure(o, "pause_exits_ns", r->pause_exits_ns);
	set_measure(o, "pause_computes_ns", r->pause_computes_ns);
	set_measure(o, "recovery_ns", r->recovery_ns);
	json_object_set_new(o, "wall_ms", json_number(r->wall_ms));
	set_text(o, "kept", r->dump, sizeof(r->dump));
	return o;
}

/* ---- Reading ---- */

/* A field of a line that is being read: what is wrong first stays. */
struct reader {
	json_t *line;
	const char *why;
};

static void fail(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
}

static u64 get_number(struct reader *r, const char *key, u64 most)
{
	const json_t *value = json_object_get(r->line, key);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || (u64)number > most) {
		fail(r, "a number is missing or out of bounds");
		return 0;
	}
	return (u64)number;
}

static u64 get_measure(struct reader *r, const char *key)
{
	return json_is_null(json_object_get(r->line, key)) ? 0 : get_number(r, key, INT64_MAX);
}

static u64 get_index(struct reader *r, const char *key)
{
	return json_is_null(json_object_get(r->line, key)) ? ~0ull : get_number(r, key, INT64_MAX);
}

static u64 get_place(struct reader *r, const char *key)
{
	const json_t *value = json_object_get(r->line, key);
	const char *text = json_string_value(value);
	unsigned long long number = ~0ull;
	char rest;

	if (json_is_null(value))
		return ~0ull;
	if (!text || strlen(text) > 18 || strspn(text, "0123456789abcdefx") != strlen(text) ||
	    sscanf(text, "0x%llx%c", &number, &rest) != 1)
		fail(r, "an address is missing or is none");
	return number;
}

/* A text of less than `size` bytes, printable: it will be printed. Null is "" . */
static void get_text(struct reader *r, const char *key, char *to, size_t size)
{
	const json_t *value = json_object_get(r->line, key);
	const char *text = json_is_null(value) ? "" : json_string_value(value);
	size_t length = text ? strlen(text) : 0;

	*to = '\0';
	if (!text || length >= size || length != (json_is_null(value) ? 0 : json_string_length(value))) {
		fail(r, "a text is missing or too long");
		return;
	}
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			fail(r, "a text has bytes that cannot be printed");
	if (!r->why)
		memcpy(to, text, length + 1);
}

static enum fault_kind get_kind(struct reader *r, const char *key)
{
	const char *name = json_string_value(json_object_get(r->line, key));
	int kind = name ? fault_kind_find(name) : -1;

	if (kind < 0) {
		fail(r, "unknown kind of fault");
		return 0;
	}
	return (enum fault_kind)kind;
}

static enum campaign_outcome get_outcome(struct reader *r)
{
	const char *name = json_string_value(json_object_get(r->line, "outcome"));
	int outcome = name ? campaign_outcome_find(name) : -1;

	if (outcome < 0) {
		fail(r, "unknown outcome");
		return 0;
	}
	return (enum campaign_outcome)outcome;
}

static u32 get_faults(struct reader *r)
{
	const char *text = json_string_value(json_object_get(r->line, "faults"));
	u32 faults = 0;

	while (text && *text) {
		size_t length = strcspn(text, ",");
		char name[32] = "";
		int kind = -1;

		if (length < sizeof(name)) {
			memcpy(name, text, length);
			kind = fault_kind_find(name);
		}
		if (kind < 0) {
			fail(r, "unknown kind of fault");
			return 0;
		}
		faults |= 1u << kind;
		text += length + (text[length] == ',');
	}
	if (!faults)
		fail(r, "no kinds of faults");
	return faults;
}

/* 0 with the line in `r`, to be dropped; else what *_parse returns. */
static int begin(struct reader *r, const char *bytes, size_t count, const char **why)
{
	json_t *line = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, NULL);

	*r = (struct reader){ .line = line };
	*why = !line ? "no JSON" : "no object";
	if (!line)
		return -EBADMSG;
	if (json_is_object(line))
		return 0;
	json_decref(line);
	return -EINVAL;
}

static int end(struct reader *r, const char **why)
{
	json_decref(r->line);
	*why = r->why;
	return r->why ? -EINVAL : 0;
}

int campaign_head_parse(struct campaign_head *head, const char *bytes, size_t count, const char **why)
{
	struct reader r;
	int error = begin(&r, bytes, count, why);

	memset(head, 0, sizeof(*head));
	if (error)
		return error;
	if (!json_is_integer(json_object_get(r.line, "campaign")))
		fail(&r, "not the head of a campaign's results");
	else if (get_number(&r, "campaign", INT64_MAX) != CAMPAIGN_VERSION)
		fail(&r, "of another version");
	head->seed = get_number(&r, "seed", CAMPAIGN_SEED_MAX);
	head->runs = get_number(&r, "runs", CAMPAIGN_RUNS_MAX);
	head->faults = get_faults(&r);
	head->harts = (u32)get_number(&r, "harts", 64);
	get_text(&r, "build", head->build, sizeof(head->build));
	get_text(&r, "warden", head->warden, sizeof(head->warden));
	get_text(&r, "guest", head->guest, sizeof(head->guest));
	get_text(&r, "qemu", head->qemu, sizeof(head->qemu));
	return end(&r, why);
}

int campaign_result_parse(struct campaign_result *result, const char *bytes, size_t count, const char **why)
{
	struct reader r;
	int error = begin(&r, bytes, count, why);

	memset(result, 0, sizeof(*result));
	if (error)
		return error;
	result->run = result->plan.run = get_number(&r, "run", CAMPAIGN_RUNS_MAX - 1);
	result->plan.first.kind = get_kind(&r, "kind");
	if (result->plan.first.kind == FAULT_RECOVERY)
		result->plan.second.kind = get_kind(&r, "second");
	result->outcome = get_outcome(&r);
	get_text(&r, "reason", result->reason, sizeof(result->reason));
	get_text(&r, "fault", result->fault, sizeof(result->fault));
	result->hart = get_index(&r, "hart");
	result->place = get_place(&r, "place");
	get_text(&r, "symbol", result->symbol, sizeof(result->symbol));
	result->address = get_place(&r, "address");
	result->bit = get_index(&r, "bit");
	get_text(&r, "cause", result->cause, sizeof(result->cause));
	result->lives = get_number(&r, "lives", INT64_MAX);
	result->pause_exits_ns = get_measure(&r, "pause_exits_ns");
	result->pause_computes_ns = get_measure(&r, "pause_computes_ns");
	result->recovery_ns = get_measure(&r, "recovery_ns");
	result->wall_ms = get_number(&r, "wall_ms", INT64_MAX);
	get_text(&r, "kept", result->dump, sizeof(result->dump));
	return end(&r, why);
}
