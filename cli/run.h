/* What the commands that read a host file share with `outlive run`. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/host_check.h"
#include "cli/host_plan.h"

/*
 * Reads, checks and plans a host file. EXIT_CODE_OK, or EXIT_CODE_INVALID with all errors printed (as JSON if
 * `json`). In every case host_plan_free and host_spec_free afterwards.
 */
int run_load(const char *file, enum host_check_scope scope, struct host_spec *spec, struct host_plan *plan,
	     bool json);

#endif
