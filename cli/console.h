/* A VM's console on this terminal, or on a pipe. */
#ifndef CLI_CONSOLE_H
#define CLI_CONSOLE_H

#include "cli/rundir.h"

/* Result of console_attach_first when the person has left and the host still runs. Not an exit code. */
#define CONSOLE_LEFT (-1)

/*
 * Connects to the first VM of a host with all its output so far, until the host ends (0) or the person leaves with
 * Ctrl-A x (CONSOLE_LEFT). Takes `dir` over.
 */
int console_attach_first(struct rundir *dir, bool json);

#endif
