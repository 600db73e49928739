/* A black box on the second disk of the machine of fake harts: empty at first, and what is on it. */
#ifndef TESTS_EXITS_BOX_H
#define TESTS_EXITS_BOX_H

#include "abi/estate.h"

/* For exits_power_on: the host keeps its black box on that disk, where an empty one is made. */
void box_make(struct machine_record *m);

/* The host's log, guests' lines; valid until the next call. */
const char *box_log(void);
const char *box_lines(void);

/* True if one of the records on it contains this. */
bool box_has_record(const char *what);

#endif
