/* The text of a record, as Linux writes it: "Panic#1 Part1", then lines that begin with their level, "<6>". */
#ifndef CORE_BLACKBOX_TEXT_H
#define CORE_BLACKBOX_TEXT_H

#include "abi/pstore.h"

/* A log that is read by the offset of its bytes, as core/lib/log.h does it. */
struct blackbox_log {
	/* Bytes ever logged. */
	u64 (*head)(void);
	/* Copies from byte *from on, which is raised to the oldest one still there; returns how many. */
	size_t (*read)(u64 *from, char *to, size_t size);
};

/*
 * Fills `to` with the first line, as many of the log's latest lines as fit, and `last`, a line without its end that says
 * why there is a record (NULL: none), with the level of an emergency. `size` is at least 64. Returns the bytes used.
 * Nothing but `to` is needed: the dying have no other memory.
 */
u32 text_compose(char *to, u32 size, u32 reason, u32 counter, const struct blackbox_log *log,
		 const char *last);

#endif
