/*
 * The output of a VM's consoles as the broker keeps it: put together from pieces that may come twice, out of order, or
 * not at all, because the hypervisor may die while it sends them.
 *
 * Two counts run beside each other: the host's offset of a byte, which starts again when the machine is reset, and its
 * position in the log, which never does. Readers know positions only.
 */
#ifndef CLI_CONSOLE_LOG_H
#define CLI_CONSOLE_LOG_H

#include "abi/types.h"

struct console_piece;

struct console_log {
	int directory;
	char *file; /* name in the directory; what is older than its beginning is in FILE.1 */
	int fd;
	u64 expected;		     /* host's offset of the next byte */
	u64 start;		     /* position of the file's first byte */
	u64 end;		     /* position behind its last */
	u64 file_max;		     /* bytes after which the file is put aside */
	struct console_piece *early; /* pieces behind a gap, by offset */
	size_t early_bytes;
	u64 gap_since; /* ms, when the gap was seen first */
};

/* How long a gap may stay before what is missing is given up, ms: the heir sends it again within that. */
#define CONSOLE_GAP_MS 1500

/* Opens (and empties) "console-VM.log". 0 or a negative errno. */
int console_log_open(struct console_log *log, int directory, const char *vm);

void console_log_close(struct console_log *log);

/* Takes `count` bytes with the host's offset of the first of them. `now` in ms. */
void console_log_put(struct console_log *log, u64 offset, const void *bytes, size_t count, u64 now);

/* Gives up a gap that has lasted too long; a line in the log says how many bytes are missing. */
void console_log_tick(struct console_log *log, u64 now);

/* The machine has been reset: its offsets start from 0 again. */
void console_log_restart(struct console_log *log);

/* Copies at most `size` bytes from *position on (raised to the oldest there is). Returns their number. */
size_t console_log_read(struct console_log *log, u64 *position, void *to, size_t size);

#endif
