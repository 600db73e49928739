/*
 * What is wrong with a host file (or with the options that stand for one): everything is collected, then printed in
 * the order of the lines, so that one run shows all there is to mend.
 */
#ifndef CLI_DIAGNOSTICS_H
#define CLI_DIAGNOSTICS_H

#include "abi/types.h"
#include <jansson.h>
#include <stdio.h>

struct diagnostic {
	unsigned line; /* from 1; 0: the file as a whole */
	char *field;   /* "vms[1].memory", or "" */
	char *text;
};

struct diagnostics {
	const char *file; /* NULL: no file, fields are options ("--memory") */
	struct diagnostic *items;
	size_t count;
};

/* Adds one. `field` is copied. */
void diagnostics_add(struct diagnostics *d, unsigned line, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* All of them, by line: "FILE:LINE: field: text". */
void diagnostics_print(struct diagnostics *d, FILE *to);

/* The same as an array of objects {file, line, field, message}. */
json_t *diagnostics_json(struct diagnostics *d);

void diagnostics_free(struct diagnostics *d);

#endif
