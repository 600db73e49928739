/* The options of all commands: one table, from which parsing, --help and the manual pages come. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "abi/types.h"

#define OPTIONS_DISKS_MAX     8
#define OPTIONS_ARGUMENTS_MAX 4

/* What a command line says. Texts point into argv; NULL is not given. */
struct options {
	bool help, json, quiet;
	const char *host;
	/* run */
	bool detach, icount, vector, flat, confidential;
	const char *name, *qemu, *dir, *firmware, *gdb, *attestation_key;
	const char *kernel, *initrd, *append, *vcpus, *memory, *harts;
	const char *disks[OPTIONS_DISKS_MAX];
	size_t disk_count;
	/* others */
	bool follow, previous, backlog, force, schema, vcpu_rows;
	const char *until, *output;
	bool overwrite;
	const char *layout, *size;
	const char *since, *vm, *note;
	/* dump, crash */
	bool dump_host, list, live;
	bool check; /* update */
	const char *region, *symbols, *format, *exclude;
	/* attest */
	const char *nonce, *key, *expect, *warden, *from;
	/* campaign */
	bool resume;
	const char *seed, *runs, *faults, *jobs, *out, *keep, *replay, *report;
	bool has_timeout;
	u64 timeout; /* seconds */
	const char *arguments[OPTIONS_ARGUMENTS_MAX];
	size_t argument_count;
};

enum option_id {
	OPTION_HELP,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_HOST,
	OPTION_DETACH,
	OPTION_NAME,
	OPTION_DIR,
	OPTION_QEMU,
	OPTION_FIRMWARE,
	OPTION_GDB,
	OPTION_ICOUNT,
	OPTION_ATTESTATION_KEY,
	OPTION_TIMEOUT,
	OPTION_KERNEL,
	OPTION_INITRD,
	OPTION_APPEND,
	OPTION_VCPUS,
	OPTION_MEMORY,
	OPTION_DISK,
	OPTION_HARTS,
	OPTION_FLAT,
	OPTION_VECTOR,
	OPTION_CONFIDENTIAL,
	OPTION_FOLLOW,
	OPTION_PREVIOUS,
	OPTION_NOTE,
	OPTION_SINCE,
	OPTION_VM,
	OPTION_BACKLOG,
	OPTION_UNTIL,
	OPTION_FORCE,
	OPTION_SCHEMA,
	OPTION_ROWS,
	OPTION_OUTPUT,
	OPTION_LAYOUT,
	OPTION_SIZE,
	OPTION_OVERWRITE,
	OPTION_DUMP_HOST,
	OPTION_ON,
	OPTION_REGION,
	OPTION_LIST,
	OPTION_SYMBOLS,
	OPTION_LIVE,
	OPTION_FORMAT,
	OPTION_EXCLUDE,
	OPTION_SEED,
	OPTION_RUNS,
	OPTION_FAULTS,
	OPTION_MACHINE_HARTS,
	OPTION_JOBS,
	OPTION_OUT,
	OPTION_RESUME,
	OPTION_KEEP,
	OPTION_REPLAY,
	OPTION_REPORT,
	OPTION_CHECK,
	OPTION_NONCE,
	OPTION_KEY,
	OPTION_EXPECT,
	OPTION_WARDEN,
	OPTION_FROM,
	OPTION_COUNT,
};

enum option_kind {
	OPTION_KIND_FLAG,    /* bool */
	OPTION_KIND_TEXT,    /* const char * */
	OPTION_KIND_SECONDS, /* options.timeout */
	OPTION_KIND_DISK,    /* one more of options.disks */
};

struct option_entry {
	const char *name;   /* without the dashes */
	const char *letter; /* short form, or NULL */
	const char *value;  /* what it is called in help, NULL for flags */
	enum option_kind kind;
	size_t offset;
	const char *help;
};

extern const struct option_entry option_table[OPTION_COUNT];

/*
 * Parses the words of argv behind the command's name; `allowed` has bit n for option n. "--name=value" and "--name value"
 * mean the same; "--" ends options. False with the error printed.
 */
bool options_parse(struct options *o, int argc, char **argv, u64 allowed);

#endif
