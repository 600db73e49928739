/* A terminal in raw mode: every key goes to the guest. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "abi/types.h"

/* Makes standard input raw, if it is a terminal, until terminal_restore or the end of the process. */
void terminal_raw(void);
void terminal_restore(void);

/* Keys come singly and unseen, but Ctrl-C works as ever. */
void terminal_keys(void);

/* How a person leaves. */
enum terminal_escape {
	TERMINAL_BRACKET, /* Ctrl-] */
	TERMINAL_PREFIX,  /* Ctrl-A x; Ctrl-A Ctrl-A is one Ctrl-A */
};

/*
 * Takes the escape's keys out of what was typed, in place; *count is what remains. True: the person leaves.
 * *pending carries a Ctrl-A from one call to the next.
 */
bool terminal_filter(enum terminal_escape escape, u8 *bytes, size_t *count, bool *pending);

#endif
