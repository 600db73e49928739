/* See schema_print.h. */
#include "cli/schema_print.h"
#include "cli/json_out.h"
#include "cli/mdoc.h"
#include "cli/memory.h"
#include "cli/schema.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What follows the description: whether the key must be there, or what holds without it. */
static char *need(const struct schema_key *key)
{
	if (key->required)
		return memory_copy("required");
	if (key->fallback && !*key->fallback)
		return memory_copy("default: empty");
	if (key->fallback)
		return memory_format("default: %s", key->fallback);
	if (key->otherwise)
		return memory_format("default: %s", key->otherwise);
	return memory_copy("optional");
}

static void text_key(const struct schema_key *key)
{
	char *type = schema_describe(key), *needed = need(key);

	printf("  %s: %s; %s\n      %s\n", key->key, type, needed, key->doc);
	free(type);
	free(needed);
}

static void text_schema(const struct schema *schema, const char *path, void *arg)
{
	(void)arg;
	printf("%s%s%s\n", schema->title, *path ? ": " : "", path);
	for (size_t i = 0; i < schema->count; i++)
		text_key(&schema->keys[i]);
	putchar('\n');
}

static void json_schema(const struct schema *schema, const char *path, void *arg)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];
		char *type = schema_describe(key);

		json_array_append_new(keys, json_pack("{s:s,s:s,s:b,s:s?,s:s}", "key", key->key, "type", type,
						      "required", key->required, "default", key->fallback,
						      "description", key->doc));
		free(type);
	}
	json_array_append_new(arg,
			      json_pack("{s:s,s:s,s:o}", "path", path, "title", schema->title, "keys", keys));
}

void schema_print_text(bool json)
{
	json_t *all = json_array();

	schema_walk(&schema_host, json ? json_schema : text_schema, all);
	if (json)
		json_out(all, false);
	else
		json_decref(all);
}

static void markdown_schema(const struct schema *schema, const char *path, void *arg)
{
	(void)arg;
	printf("### %s%s%s%s\n\n| key | value | | meaning |\n| --- | --- | --- | --- |\n", schema->title,
	       *path ? ": `" : "", path, *path ? "`" : "");
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];
		char *type = schema_describe(key), *needed = need(key);

		printf("| `%s` | %s | %s | %s |\n", key->key, type, needed, key->doc);
		free(type);
		free(needed);
	}
	putchar('\n');
}

void schema_print_markdown(void)
{
	schema_walk(&schema_host, markdown_schema, NULL);
}

static void mdoc_schema(const struct schema *schema, const char *path, void *arg)
{
	/* "vms[].disks": at the end of a heading the brackets would count as punctuation. */
	int length = (int)strlen(path) - (*path && path[strlen(path) - 1] == ']' ? 2 : 0);

	printf(".Ss %s%s%.*s\n.Bl -tag -width Ds\n", schema->title, *path ? ": " : "", length, path);
	(void)arg;
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];
		char *type = schema_describe(key), *needed = need(key);

		printf(".It Ic %s : No %s ; %s\n", key->key, type, needed);
		mdoc_text(key->doc, strlen(key->doc));
		free(type);
		free(needed);
	}
	puts(".El");
}

void schema_print_mdoc(void)
{
	schema_walk(&schema_host, mdoc_schema, NULL);
}
