/*
 * The host's log: lines with time and hart, into the estate's ring and to the machine's serial line.
 * Any context, any lock held but the log's own.
 */
#ifndef CORE_LIB_LOG_H
#define CORE_LIB_LOG_H

#include "abi/types.h"

struct log_ring;

/* Calls `f` after each line from now on, in the context of whoever logged it; NULL: no more. */
void log_on_line(void (*f)(void));

/* Gives the log its ring; before that lines go to the serial line only. */
void log_open(struct log_ring *ring);

/* One line, without a newline at its end. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Copies what the ring holds from byte offset *from on (raised to the oldest byte still there), at most `size` bytes.
 * Returns the number of bytes; the next offset is *from + that.
 */
size_t log_read(u64 *from, char *to, size_t size);

/* Bytes ever logged. */
u64 log_head(void);

/* This life ends: from now on a line waits only briefly for the log's lock, whose holder may be dead or ourselves. */
void log_last_words(void);

#endif
