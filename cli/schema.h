/*
 * The shape of a host file as data: from these tables come parsing, defaults, errors, `outlive check --schema` and the
 * reference part of docs/host-file.md.
 *
 * A schema describes a mapping of YAML and the structure that it fills. Every such structure begins with
 * `unsigned line`.
 */
#ifndef CLI_SCHEMA_H
#define CLI_SCHEMA_H

#include "abi/types.h"

enum schema_kind {
	SCHEMA_TEXT,	 /* struct field_text; at most `max` bytes */
	SCHEMA_NAME,	 /* struct field_text; letters, digits, '.', '_', '-' */
	SCHEMA_FILE,	 /* struct field_text; made a path that does not depend on the file's place */
	SCHEMA_NUMBER,	 /* struct field_number, min .. max */
	SCHEMA_SIZE,	 /* struct field_number: bytes, a multiple of `step`, min .. max */
	SCHEMA_DURATION, /* struct field_number: milliseconds, min .. max */
	SCHEMA_BOOL,	 /* struct field_number: 0 or 1 */
	SCHEMA_CHOICE,	 /* struct field_number: index of `choices` */
	SCHEMA_SET,	 /* struct field_number: bits */
	SCHEMA_MAC,	 /* struct field_mac */
	SCHEMA_MAP,	 /* a structure in place, described by `sub` */
	SCHEMA_MAPS,	 /* struct field_list of structures described by `sub`, min .. max of them */
	SCHEMA_TEXTS,	 /* struct field_list of struct field_text, at most max */
};

struct schema;

struct schema_key {
	const char *key;
	enum schema_kind kind;
	bool required;
	size_t offset; /* in the structure of the schema */
	u64 min, max;
	u64 step;		    /* of sizes; 0: 2 MiB */
	const char *const *choices; /* ends with NULL */
	const struct schema *sub;
	const char *fallback;  /* as it would be written in the file; NULL: none */
	const char *otherwise; /* documentation: what holds without it, if that is no constant */
	const char *doc;
};

struct schema {
	const char *title; /* documentation */
	size_t size;	   /* of the structure */
	const struct schema_key *keys;
	size_t count;
};

/* The whole file: fills struct host_spec. */
extern const struct schema schema_host;

/*
 * Parses a scalar of the kind of `key` and stores it in the structure at `out`. Returns NULL, or what a right value
 * would be ("a size (like 512MiB)"), to be freed. `line` is 0 for a default.
 */
char *schema_parse(const struct schema_key *key, const char *text, unsigned line, void *out);

/* Sets what has a default and is a scalar. */
void schema_defaults(const struct schema *schema, void *out);

/* Frees all texts and lists that hang on the structure at `out`, not the structure. */
void schema_free(const struct schema *schema, void *out);

/* The key of that name, or NULL. */
const struct schema_key *schema_find(const struct schema *schema, const char *key);

/* The key whose name is so close to a mistyped one that it was probably meant, or NULL. */
const char *schema_guess(const struct schema *schema, const char *key);

/* What a value of the key looks like, for errors and documentation: "a size (like 512MiB)"; free() it. */
char *schema_describe(const struct schema_key *key);

/* Calls visit for each schema that is reachable, the top first; `path` is "", "machine", "vms[]", "vms[].disks[]". */
void schema_walk(const struct schema *schema, void (*visit)(const struct schema *, const char *path, void *),
		 void *arg);

#endif
