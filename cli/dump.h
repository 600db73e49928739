/* `outlive dump`: what its two kinds share. Each returns an exit code. */
#ifndef CLI_DUMP_H
#define CLI_DUMP_H

#include "cli/options.h"

/* `dump --host [LIFE]`: the options say which, and what is to be done with it. */
int dump_host(const struct options *o);

/* `dump VM` */
int dump_vm(const struct options *o);

#endif
