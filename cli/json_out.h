/* Results for programs: JSON on standard output. */
#ifndef CLI_JSON_OUT_H
#define CLI_JSON_OUT_H

#include "abi/control.h"
#include <jansson.h>

/* Prints the value on lines of its own (one line if `compact`) and drops it. */
void json_out(json_t *value, bool compact);

/* An unsigned number; values beyond 2^63-1, which are addresses, become strings of hexadecimal digits. */
json_t *json_number(u64 value);

/* A text that need not be UTF-8: what is not becomes '?'. */
json_t *json_text(const char *bytes, size_t count);

json_t *json_of_host(const struct ctl_host *host);
json_t *json_of_vm(const struct ctl_vm *vm, u64 timebase);
json_t *json_of_life(const struct ctl_life *life, u64 timebase);

#endif
