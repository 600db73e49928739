/* The black box of a running host, over its control channel. */
#ifndef CLI_BOX_CLIENT_H
#define CLI_BOX_CLIENT_H

#include "abi/pstore.h"
#include "cli/client.h"

/* All return exit codes, with the error printed. */

/* What there is. EXIT_CODE_NOT_FOUND, and says why, if the host has none that can be read. */
int box_status(struct client *c, struct ctl_box *box);

/* True if the host has one that can be read now; says nothing if not. */
bool box_is_open(struct client *c, struct ctl_box *box);

/* Its records; free(*records). */
int box_records(struct client *c, struct ctl_box_record **records, size_t *count);

/* The text of a ring or a record from byte `from` on, terminated, inflated if need be; free(*text). */
int box_text(struct client *c, enum pstore_type type, const struct ctl_box_record *record, u64 from,
	     char **text, size_t *bytes);

/* The line that says why there is a record: its last one, without its level, terminated; free(*line). */
int box_reason(struct client *c, const struct ctl_box_record *record, char **line);

/* One run of the machine in the text of a ring. */
struct box_run {
	const char *text;
	size_t bytes;
	bool has_mark; /* what follows is known */
	double ticks;  /* seconds of the machine's time, at which */
	double clock;  /* the clock said this, seconds since 1970 */
};

/* The last run in a ring's text, or with `previous` the one before it. False if it is not there. */
bool box_find_run(const char *text, size_t bytes, bool previous, struct box_run *run);

#endif
