/* The dump region of a host, running or off: what `outlive dump --host` and `outlive crash` share. */
#ifndef CLI_DUMP_FILE_H
#define CLI_DUMP_FILE_H

#include "cli/blackbox.h"
#include "cli/dump_region.h"
#include "cli/rundir.h"

struct dump_file {
	char *path;
	struct blackbox_image image;
	struct dump_region_view view;
	int error; /* a negative errno if the region cannot be read; the view is empty then */
};

/*
 * Opens that file or device, and takes the path over. An exit code, with the error printed; the region's own errors are in
 * f->error, and dump_file_complain tells of them. With 0 call dump_file_close.
 */
int dump_file_open(struct dump_file *f, char *path);

/* Opens the region of that running host. EXIT_CODE_NOT_FOUND without a message if it has none. */
int dump_file_open_host(struct dump_file *f, const struct rundir *dir);

/* Reads the heads again, which a running host may have changed. 0, or f->error, with the error printed. */
int dump_file_again(struct dump_file *f);

/* Prints what f->error means; returns EXIT_CODE_FAILED. */
int dump_file_complain(const struct dump_file *f);

void dump_file_close(struct dump_file *f);

/* True if it is the number of a life, "3", or of a dump, "@7". */
bool dump_file_names_one(const char *which);

/*
 * The dump that `which` means: "3": the newest of life 3; "@7": the one with number 7; NULL: the newest that is complete,
 * or else the newest. NULL with the error printed.
 */
const struct dump_slot *dump_file_select(const struct dump_file *f, const char *which);

/* The newest dump of a life that ended at that time, or NULL. */
const struct dump_slot *dump_file_of_life(const struct dump_file *f, u64 life, u64 t_fault);

/* "complete", "being written or cut short", "damaged" and so on. */
const char *dump_slot_text(const struct dump_slot *slot);

#endif
