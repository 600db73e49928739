/* Walks a YAML document by the schema: see host_file.h. */
#include "cli/host_file.h"
#include "cli/memory.h"
#include "cli/schema.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FIELD_MAX 128

struct reader {
	yaml_document_t *document;
	struct diagnostics *d;
	const char *directory;
};

static unsigned line_of(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

/* What stands at a node, for messages. */
static const char *shown(const yaml_node_t *node, char *to, size_t size)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type == YAML_MAPPING_NODE)
		return "a mapping";
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	snprintf(to, size, "\"%.60s%s\"", text, strlen(text) > 60 ? "..." : "");
	for (char *at = to; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
	return to;
}

static void not_right(const struct reader *r, const yaml_node_t *node, const char *field, char *wanted)
{
	char text[80];

	diagnostics_add(r->d, line_of(node), field, "%s is not %s", shown(node, text, sizeof(text)), wanted);
	free(wanted);
}

/* A key without a value ("initrd:"), which YAML calls null. */
static bool is_empty(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
	       node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void read_map(const struct reader *r, const yaml_node_t *node, const struct schema *schema,
		     const char *field, void *out);

static void make_absolute(const struct reader *r, struct field_text *file)
{
	char *path;

	if (file->value[0] == '/' || !*r->directory)
		return;
	path = memory_format("%s/%s", r->directory, file->value);
	free(file->value);
	file->value = path;
}

static void read_scalar(const struct reader *r, const yaml_node_t *node, const struct schema_key *key,
			const char *field, void *out)
{
	const char *text = (const char *)node->data.scalar.value;
	char *wanted;

	if (node->type != YAML_SCALAR_NODE || strlen(text) != node->data.scalar.length) {
		not_right(r, node, field, schema_describe(key));
		return;
	}
	wanted = schema_parse(key, text, line_of(node), out);
	if (wanted)
		not_right(r, node, field, wanted);
	else if (key->kind == SCHEMA_FILE)
		make_absolute(r, (struct field_text *)((u8 *)out + key->offset));
}

/* A set may also be written as a list of numbers: its items are joined. */
static void read_set(const struct reader *r, const yaml_node_t *node, const struct schema_key *key,
		     const char *field, void *out)
{
	struct field_number *set = (struct field_number *)((u8 *)out + key->offset);
	u64 mask = 0;

	if (node->type != YAML_SEQUENCE_NODE) {
		read_scalar(r, node, key, field, out);
		return;
	}
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
		read_scalar(r, yaml_document_get_node(r->document, *i), key, field, out);
		mask |= set->value;
	}
	*set = (struct field_number){ .value = mask, .line = line_of(node), .given = true };
}

static void read_list(const struct reader *r, const yaml_node_t *node, const struct schema_key *key,
		      const char *field, void *out)
{
	struct field_list *list = (struct field_list *)((u8 *)out + key->offset);
	size_t item_size = key->kind == SCHEMA_MAPS ? key->sub->size : sizeof(struct field_text);
	const struct schema_key text_key = { key->key, SCHEMA_TEXT, .max = 256 };
	size_t count;

	if (node->type != YAML_SEQUENCE_NODE) {
		not_right(r, node, field, schema_describe(key));
		return;
	}
	count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	list->line = line_of(node);
	if (count < key->min || count > key->max) {
		diagnostics_add(r->d, list->line, field, "has %zu entries, but may have %llu to %llu", count,
				(unsigned long long)key->min, (unsigned long long)key->max);
		if (count > key->max)
			count = (size_t)key->max;
	}
	list->items = memory_new(count, item_size);
	list->count = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item =
			yaml_document_get_node(r->document, node->data.sequence.items.start[i]);
		void *at = (u8 *)list->items + i * item_size;
		char below[FIELD_MAX];

		snprintf(below, sizeof(below), "%.100s[%zu]", field, i);
		if (key->kind == SCHEMA_MAPS)
			read_map(r, item, key->sub, below, at);
		else
			read_scalar(r, item, &text_key, below, at);
	}
}

static void read_value(const struct reader *r, const yaml_node_t *node, const struct schema_key *key,
		       const char *field, void *out)
{
	if (is_empty(node)) {
		char *wanted = schema_describe(key);

		diagnostics_add(r->d, line_of(node), field, "has no value; give it %s, or leave it out",
				wanted);
		free(wanted);
		return;
	}
	switch (key->kind) {
	case SCHEMA_MAP:
		read_map(r, node, key->sub, field, (u8 *)out + key->offset);
		break;
	case SCHEMA_MAPS:
	case SCHEMA_TEXTS:
		read_list(r, node, key, field, out);
		break;
	case SCHEMA_SET:
		read_set(r, node, key, field, out);
		break;
	default:
		read_scalar(r, node, key, field, out);
		break;
	}
}

static void unknown_key(const struct reader *r, const yaml_node_t *node, const struct schema *schema,
			const char *field)
{
	const char *guess = node->type == YAML_SCALAR_NODE
				    ? schema_guess(schema, (const char *)node->data.scalar.value)
				    : NULL;

	if (guess)
		diagnostics_add(r->d, line_of(node), field, "unknown key; did you mean \"%s\"?", guess);
	else
		diagnostics_add(r->d, line_of(node), field,
				"unknown key; \"outlive check --schema\" lists all");
}

static void read_map(const struct reader *r, const yaml_node_t *node, const struct schema *schema,
		     const char *field, void *out)
{
	u64 seen = 0;

	schema_defaults(schema, out);
	*(unsigned *)out = line_of(node);
	if (node->type != YAML_MAPPING_NODE) {
		not_right(r, node, field, memory_copy("a mapping (key: value)"));
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
	     pair++) {
		const yaml_node_t *name = yaml_document_get_node(r->document, pair->key);
		const struct schema_key *key = NULL;
		char shown_name[80], below[FIELD_MAX];
		u64 bit;

		snprintf(below, sizeof(below), "%s%s%.40s", field, *field ? "." : "",
			 name->type == YAML_SCALAR_NODE ? (const char *)name->data.scalar.value
							: shown(name, shown_name, sizeof(shown_name)));
		if (name->type == YAML_SCALAR_NODE)
			key = schema_find(schema, (const char *)name->data.scalar.value);
		if (!key) {
			unknown_key(r, name, schema, below);
			continue;
		}
		bit = 1ull << (key - schema->keys);
		if (seen & bit)
			diagnostics_add(r->d, line_of(name), below, "is given twice");
		else
			read_value(r, yaml_document_get_node(r->document, pair->value), key, below, out);
		seen |= bit;
	}
	for (size_t i = 0; i < schema->count; i++)
		if (schema->keys[i].required && !(seen & 1ull << i))
			diagnostics_add(r->d, line_of(node), field, "\"%s\" is missing", schema->keys[i].key);
}

static void report_yaml(const yaml_parser_t *parser, struct diagnostics *d)
{
	unsigned line = (unsigned)parser->problem_mark.line + 1;

	if (parser->error == YAML_READER_ERROR)
		diagnostics_add(d, 0, "", "not a text: %s at byte %zu", parser->problem,
				parser->problem_offset);
	else
		diagnostics_add(d, line, "", "not YAML: %s%s%s",
				parser->problem ? parser->problem : "out of memory",
				parser->context ? ", " : "", parser->context ? parser->context : "");
}

void host_file_parse(const char *text, size_t bytes, const char *directory, struct host_spec *host,
		     struct diagnostics *d)
{
	yaml_document_t document, more;
	yaml_parser_t parser;
	yaml_node_t *root;

	memset(host, 0, sizeof(*host));
	schema_defaults(&schema_host, host);
	if (!yaml_parser_initialize(&parser)) {
		diagnostics_add(d, 0, "", "out of memory");
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
	if (!yaml_parser_load(&parser, &document)) {
		report_yaml(&parser, d);
		yaml_parser_delete(&parser);
		return;
	}
	root = yaml_document_get_root_node(&document);
	if (root)
		read_map(&(struct reader){ &document, d, directory }, root, &schema_host, "", host);
	else
		diagnostics_add(d, 0, "", "is empty: a host file has at least \"vms\"");
	yaml_document_delete(&document);
	if (root && yaml_parser_load(&parser, &more)) {
		if (yaml_document_get_root_node(&more))
			diagnostics_add(d, (unsigned)more.start_mark.line + 1, "",
					"a second document; a host file has one");
		yaml_document_delete(&more);
	} else if (root) {
		report_yaml(&parser, d);
	}
	yaml_parser_delete(&parser);
}

/* The whole file, or NULL with the reason in `d`. */
static char *read_all(const char *path, size_t *bytes, struct diagnostics *d)
{
	FILE *file = fopen(path, "re");
	char *text;

	if (!file) {
		diagnostics_add(d, 0, "", "%s", strerror(errno));
		return NULL;
	}
	text = memory_new(1, HOST_FILE_MAX + 1);
	*bytes = fread(text, 1, HOST_FILE_MAX + 1, file);
	if (ferror(file)) {
		diagnostics_add(d, 0, "", "%s", strerror(errno));
		free(text);
		text = NULL;
	} else if (*bytes > HOST_FILE_MAX) {
		diagnostics_add(d, 0, "", "is larger than 1 MiB: not a host file");
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

/* "examples/two-vms.yaml" -> "two-vms", with what is not allowed in a name replaced. */
static char *name_of_file(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name = memory_copy(base ? base + 1 : path);
	char *end = strrchr(name, '.');

	if (end && end != name)
		*end = '\0';
	if (strlen(name) > 31)
		name[31] = '\0';
	for (char *at = name; *at; at++)
		if (!isalnum((unsigned char)*at) && (at == name || !strchr("._-", *at)))
			*at = at == name ? 'h' : '-';
	return name;
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory, *real;

	directory = slash ? memory_format("%.*s", (int)(slash - path + 1), path) : memory_copy(".");
	real = realpath(directory, NULL);
	free(directory);
	return real ? real : memory_copy("");
}

void host_file_read(const char *path, struct host_spec *host, struct diagnostics *d)
{
	size_t bytes = 0;
	char *text, *directory;

	memset(host, 0, sizeof(*host));
	d->file = path;
	text = read_all(path, &bytes, d);
	if (!text)
		return;
	directory = directory_of(path);
	host_file_parse(text, bytes, directory, host, d);
	if (!host->name.value)
		host->name.value = name_of_file(path);
	free(directory);
	free(text);
}

void host_spec_free(struct host_spec *host)
{
	schema_free(&schema_host, host);
	memset(host, 0, sizeof(*host));
}
