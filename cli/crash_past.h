/* Crashes from before the machine was started, out of the black box, for `outlive crash list`. */
#ifndef CLI_CRASH_PAST_H
#define CLI_CRASH_PAST_H

#include "cli/client.h"
#include <jansson.h>

/* An array of objects {record, count, time, text}, the oldest first; empty if there is nothing to tell, or no black box. */
json_t *crash_past(struct client *c);

/* The same as lines behind the table. */
void crash_past_print(struct client *c);

#endif
