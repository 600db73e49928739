/*
 * A file that a command makes: whole under its name, or not there at all. Sparse: what is never written is a hole and
 * reads as zeros.
 */
#ifndef CLI_OUTPUT_FILE_H
#define CLI_OUTPUT_FILE_H

#include "abi/types.h"

struct output_file {
	const char *path;
	char *temporary; /* what it is called until it is whole */
	int fd;
	int error; /* the first one: a negative errno */
};

/*
 * All return 0, or a negative errno with the error printed, which names the file. Without `overwrite` a file of that name
 * is -EEXIST. "-" is refused: a pipe has no holes.
 */
int output_begin(struct output_file *f, const char *path, bool overwrite);

/* The file's size. */
int output_size(struct output_file *f, u64 bytes);

int output_write(struct output_file *f, u64 at, const void *bytes, size_t count);

/* Gives it its name if all went well so far and `keep`, else removes it. */
int output_end(struct output_file *f, bool keep);

#endif
