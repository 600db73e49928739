/* `outlive dump --host --list`. */
#ifndef CLI_DUMP_LIST_H
#define CLI_DUMP_LIST_H

#include "cli/dump_file.h"

/* Prints what is in the region. What cannot be read is part of the list, and of the exit code that it returns. */
int dump_list(const struct dump_file *f, bool json);

#endif
