/*
 * A campaign's directory and the file of results in it, DIR/results.jsonl. A result is appended whole and is on the disk
 * before the next: whatever ends the campaign, only the runs that were under way are lost. What a writer that was killed
 * left of a line is cut off when the campaign goes on.
 */
#ifndef CLI_CAMPAIGN_FILE_H
#define CLI_CAMPAIGN_FILE_H

#include "cli/campaign_lines.h"
#include <stdio.h>

struct campaign_file {
	char *path;
	int fd;	 /* locked, at `end`; -1 if nothing will be written */
	u64 end; /* of the last whole line */
	struct campaign_head head;
	u8 *done; /* bit n: there is a result of run n */
	u64 count;
};

/* What a result is shown to that has been read. */
typedef void campaign_visit(void *arg, const struct campaign_result *result);

/*
 * Reads all lines of a stream that `name` names in errors: fills head, done, count and end. `visit` may be NULL. True if there
 * is a torn last line behind `end` in *is_torn. 0; -ENODATA if there is not even a whole head; -EINVAL with the error printed
 * for anything that no campaign wrote, or with another errno if it cannot be read.
 */
int campaign_file_read(struct campaign_file *file, FILE *from, const char *name, bool *is_torn,
		       campaign_visit *visit, void *arg);

/*
 * Opens the results in `directory` to report on them. 0, or a negative errno with the error printed. In every case
 * campaign_file_close afterwards; so with the others.
 */
int campaign_file_open(struct campaign_file *file, const char *directory, campaign_visit *visit, void *arg);

/*
 * Opens them to go on, or begins them under `head`; the directory is made if it is not there. What is there must be of a
 * campaign with the same head, else each difference is printed, as an option or a program that is another: -EEXIST. -EBUSY
 * if another campaign writes there.
 */
int campaign_file_begin(struct campaign_file *file, const char *directory, const struct campaign_head *head,
			campaign_visit *visit, void *arg);

/* Appends a result and waits until it is on the disk. 0, or a negative errno with the error printed; what was there stays. */
int campaign_file_append(struct campaign_file *file, const struct campaign_result *result);

bool campaign_file_has(const struct campaign_file *file, u64 run);

void campaign_file_close(struct campaign_file *file);

#endif
