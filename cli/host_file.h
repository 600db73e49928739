/* Host files: YAML by the schema (schema.h) into a host_spec. */
#ifndef CLI_HOST_FILE_H
#define CLI_HOST_FILE_H

#include "cli/diagnostics.h"
#include "cli/host_spec.h"

#define HOST_FILE_MAX MIB(1)

/*
 * Parses the text of a host file. Paths in it become relative to `directory` ("" or "."-less prefix without '/' at its
 * end; "" leaves them). Adds to `d` whatever is wrong and fills what is right; host_spec_free in every case.
 */
void host_file_parse(const char *text, size_t bytes, const char *directory, struct host_spec *host,
		     struct diagnostics *d);

/*
 * Reads and parses a file; d->file is set to it. The host's name, if the file gives none, comes from the file's name.
 * Whether files that it names exist, and whether all of it fits, is host_check's business.
 */
void host_file_read(const char *path, struct host_spec *host, struct diagnostics *d);

void host_spec_free(struct host_spec *host);

#endif
