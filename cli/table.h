/* Tables for people: columns as wide as what is in them. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "abi/types.h"
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table {
	size_t columns;
	bool is_left[TABLE_COLUMNS_MAX];
	char **cells; /* row by row, the heads first */
	size_t count;
};

/* A head that begins with '<' is aligned to the left, as the first column is; the others to the right. */
void table_begin(struct table *t, const char *const *heads, size_t columns);

/* The next cell; rows follow each other. */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the table and frees it. */
void table_end(struct table *t);

/* The same, to somewhere else than standard output. */
void table_print(struct table *t, FILE *to);

#endif
