/* Scalars by schema, and what can be said about a schema: see schema.h. */
#include "cli/schema.h"
#include "cli/host_spec.h"
#include "cli/memory.h"
#include "cli/units.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a size must be a multiple of. */
static u64 step_of(const struct schema_key *key)
{
	return key->step ? key->step : BLOCK_SIZE;
}

static char *describe_range(const struct schema_key *key)
{
	char low[24], high[24], step[24];

	if (key->kind == SCHEMA_SIZE) {
		units_format_size(low, sizeof(low), key->min);
		units_format_size(high, sizeof(high), key->max);
		units_format_size(step, sizeof(step), step_of(key));
		return memory_format("a size from %s to %s, in steps of %s", low, high, step);
	}
	if (key->kind == SCHEMA_DURATION)
		return memory_format("a duration from %llu ms to %llu s", (unsigned long long)key->min,
				     (unsigned long long)key->max / 1000);
	return memory_format("a number from %llu to %llu", (unsigned long long)key->min,
			     (unsigned long long)key->max);
}

static char *describe_choices(const struct schema_key *key)
{
	char *text = memory_copy("one of");

	for (size_t i = 0; key->choices[i]; i++) {
		const char *before = i == 0 ? "" : key->choices[i + 1] ? "," : " or";
		char *longer = memory_format("%s%s %s", text, before, key->choices[i]);

		free(text);
		text = longer;
	}
	return text;
}

char *schema_describe(const struct schema_key *key)
{
	switch (key->kind) {
	case SCHEMA_TEXT:
		return memory_format("a text of at most %llu bytes", (unsigned long long)key->max);
	case SCHEMA_NAME:
		return memory_format("a name (letters, digits, '.', '_' and '-', at most %llu)",
				     (unsigned long long)key->max);
	case SCHEMA_FILE:
		return memory_copy("the name of a file");
	case SCHEMA_NUMBER:
		return describe_range(key);
	case SCHEMA_SIZE:
		return memory_copy("a size (like 512MiB)");
	case SCHEMA_DURATION:
		return memory_copy("a duration (like 100ms or 2s)");
	case SCHEMA_BOOL:
		return memory_copy("true or false");
	case SCHEMA_CHOICE:
		return describe_choices(key);
	case SCHEMA_SET:
		return memory_copy("a set of numbers below 64 (like 0-2,5)");
	case SCHEMA_MAC:
		return memory_copy("a unicast MAC address (like 02:00:00:00:00:01)");
	case SCHEMA_MAP:
		return memory_copy("a mapping");
	case SCHEMA_MAPS:
		return memory_copy("a list of mappings");
	case SCHEMA_TEXTS:
		return memory_copy("a list of texts");
	}
	return memory_copy("");
}

static bool is_name(const char *text, u64 max)
{
	if (!isalnum((unsigned char)*text) || strlen(text) > max)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
			return false;
	return true;
}

/* Printable: a newline in a command line would end up in logs and device trees. */
static bool is_text(const char *text, u64 max)
{
	if (strlen(text) > max)
		return false;
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return false;
	return true;
}

static bool parse_bool(const char *text, u64 *value)
{
	static const char *const words[2][3] = { { "false", "no", "off" }, { "true", "yes", "on" } };

	for (*value = 0; *value < 2; ++*value)
		for (int i = 0; i < 3; i++)
			if (strcasecmp(text, words[*value][i]) == 0)
				return true;
	return false;
}

static bool parse_choice(const struct schema_key *key, const char *text, u64 *value)
{
	for (*value = 0; key->choices[*value]; ++*value)
		if (strcmp(text, key->choices[*value]) == 0)
			return true;
	return false;
}

static char *parse_number(const struct schema_key *key, const char *text, unsigned line,
			  struct field_number *out)
{
	bool in_range = true;
	u64 value = 0;
	bool good = false;

	switch (key->kind) {
	case SCHEMA_NUMBER:
		good = units_parse_number(text, &value);
		in_range = value >= key->min && value <= key->max;
		break;
	case SCHEMA_SIZE:
		good = units_parse_size(text, &value);
		in_range = value >= key->min && value <= key->max && value % step_of(key) == 0;
		break;
	case SCHEMA_DURATION:
		good = units_parse_duration(text, &value);
		in_range = value >= key->min && value <= key->max;
		break;
	case SCHEMA_BOOL:
		good = parse_bool(text, &value);
		break;
	case SCHEMA_CHOICE:
		good = parse_choice(key, text, &value);
		break;
	default:
		good = units_parse_set(text, &value);
		break;
	}
	if (!good)
		return schema_describe(key);
	if (!in_range)
		return describe_range(key);
	*out = (struct field_number){ .value = value, .line = line, .given = true };
	return NULL;
}

char *schema_parse(const struct schema_key *key, const char *text, unsigned line, void *out)
{
	void *field = (u8 *)out + key->offset;
	struct field_text *as_text = field;
	struct field_mac *as_mac = field;
	u8 mac[6];

	switch (key->kind) {
	case SCHEMA_TEXT:
	case SCHEMA_NAME:
	case SCHEMA_FILE:
		if (key->kind == SCHEMA_NAME ? !is_name(text, key->max)
					     : !is_text(text, key->kind == SCHEMA_FILE ? 4000 : key->max))
			return schema_describe(key);
		if (key->kind == SCHEMA_FILE && !*text)
			return schema_describe(key);
		free(as_text->value);
		*as_text = (struct field_text){ .value = memory_copy(text), .line = line };
		return NULL;
	case SCHEMA_MAC:
		if (!units_parse_mac(text, mac))
			return schema_describe(key);
		memcpy(as_mac->mac, mac, sizeof(mac));
		as_mac->line = line;
		as_mac->given = true;
		return NULL;
	case SCHEMA_MAP:
	case SCHEMA_MAPS:
	case SCHEMA_TEXTS:
		return schema_describe(key);
	default:
		return parse_number(key, text, line, field);
	}
}

void schema_defaults(const struct schema *schema, void *out)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];

		if (key->kind == SCHEMA_MAP)
			schema_defaults(key->sub, (u8 *)out + key->offset);
		else if (key->fallback)
			free(schema_parse(key, key->fallback, 0, out));
	}
}

void schema_free(const struct schema *schema, void *out)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];
		void *field = (u8 *)out + key->offset;
		struct field_list *list = field;

		switch (key->kind) {
		case SCHEMA_TEXT:
		case SCHEMA_NAME:
		case SCHEMA_FILE:
			free(((struct field_text *)field)->value);
			break;
		case SCHEMA_MAP:
			schema_free(key->sub, field);
			break;
		case SCHEMA_MAPS:
			for (size_t k = 0; k < list->count; k++)
				schema_free(key->sub, (u8 *)list->items + k * key->sub->size);
			free(list->items);
			break;
		case SCHEMA_TEXTS:
			for (size_t k = 0; k < list->count; k++)
				free(((struct field_text *)list->items)[k].value);
			free(list->items);
			break;
		default:
			break;
		}
	}
}

const struct schema_key *schema_find(const struct schema *schema, const char *key)
{
	for (size_t i = 0; i < schema->count; i++)
		if (strcmp(schema->keys[i].key, key) == 0)
			return &schema->keys[i];
	return NULL;
}

#define GUESS_MAX 32

/* Number of letters to insert, remove or replace to make one word of the other (Levenshtein). Short words only. */
static size_t distance(const char *a, const char *b)
{
	size_t row[GUESS_MAX + 1];
	size_t length = strlen(b);

	for (size_t k = 0; k <= length; k++)
		row[k] = k;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < length; k++) {
			size_t best =
				diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[k]));

			diagonal = row[k + 1];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[k + 1] = best;
		}
	}
	return row[length];
}

const char *schema_guess(const struct schema *schema, const char *key)
{
	const char *best = NULL;
	size_t best_distance = 3;

	if (strlen(key) > GUESS_MAX)
		return NULL;
	for (size_t i = 0; i < schema->count; i++) {
		const char *name = schema->keys[i].key;
		size_t d = distance(key, name);

		/* "mem" for "memory" is further away than two letters but no less clear. */
		if (strlen(key) >= 3 && strncasecmp(key, name, strlen(key)) == 0)
			d = 1;
		if (d < best_distance && d < strlen(name)) {
			best = name;
			best_distance = d;
		}
	}
	return best;
}

static void walk(const struct schema *schema, const char *path,
		 void (*visit)(const struct schema *, const char *, void *), void *arg)
{
	visit(schema, path, arg);
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];
		char *below;

		if (!key->sub)
			continue;
		below = memory_format("%s%s%s%s", path, *path ? "." : "", key->key,
				      key->kind == SCHEMA_MAPS ? "[]" : "");
		walk(key->sub, below, visit, arg);
		free(below);
	}
}

void schema_walk(const struct schema *schema, void (*visit)(const struct schema *, const char *path, void *),
		 void *arg)
{
	walk(schema, "", visit, arg);
}
