/* `outlive run --kernel`: one VM from options, as if a host file had said it. */
#ifndef CLI_RUN_KERNEL_H
#define CLI_RUN_KERNEL_H

#include "cli/host_plan.h"
#include "cli/options.h"

/* Like run_load, from options. */
int run_kernel_load(const struct options *o, struct host_spec *spec, struct host_plan *plan);

/* True, with the error printed, if there are options that go with --kernel only. */
bool run_kernel_has_options(const struct options *o);

/* --name. EXIT_CODE_USAGE with the error printed if it is no name. */
int run_kernel_rename(struct host_spec *spec, const char *name);

#endif
