/* Writes boot packs (abi/pack.h). core/vm/pack.h reads them. */
#ifndef CLI_PACK_WRITER_H
#define CLI_PACK_WRITER_H

#include "cli/host_plan.h"

/*
 * Writes the pack of a plan to `path` in `directory` (AT_FDCWD for a path of its own), through a temporary file beside
 * it, so that it is there whole or not at all. Files are copied piece by piece and never held in memory. 0, or a
 * negative errno; the error has been printed.
 */
int pack_write(const struct host_plan *plan, int directory, const char *path);

#endif
