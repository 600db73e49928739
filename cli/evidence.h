/*
 * The disks that a host keeps evidence on: its black box (machine.blackbox) and the dumps of its hypervisor
 * (machine.dumps). What is in such a file is never overwritten by starting a host.
 */
#ifndef CLI_EVIDENCE_H
#define CLI_EVIDENCE_H

#include "cli/host_check.h"
#include "cli/host_plan.h"

/*
 * Adds to `d` what is wrong with the two: sizes that no layout fits; with HOST_CHECK_RUN also files that cannot be used, that are
 * another disk of the host as well, or bear something else.
 */
void evidence_check(const struct host_spec *host, enum host_check_scope scope, struct diagnostics *d);

/*
 * Makes the files that are not there, of the sizes that the keys say, and an empty black box in its own. Says so, and
 * also where a file that is there has another size than its key. 0, or an exit code with the error printed.
 */
int evidence_prepare(const struct host_plan *plan);

#endif
