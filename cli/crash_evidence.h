/*
 * What there is to look at of a life that ended: the record of the crash, and memory. Both from its dump if there is one,
 * else from what the estate of the running host has kept.
 */
#ifndef CLI_CRASH_EVIDENCE_H
#define CLI_CRASH_EVIDENCE_H

#include "cli/client.h"
#include "cli/dump_file.h"
#include "cli/unwind.h"

struct crash_evidence {
	struct crash_record *record; /* NULL: none */
	struct dump_life dump;	     /* if has_dump */
	bool has_dump;
	char build[32]; /* of the life */
	struct host_symbols symbols;
	bool has_symbols; /* and they fit */
	char *no_symbols; /* why not; a hint */
	/* What the vCPUs of its harts are called, "name/0", as record->harts. */
	char **vcpus;
};

/* From a running host. */
void crash_evidence_find(struct crash_evidence *e, struct client *c, const struct ctl_life *life,
			 const struct ctl_host *host);

/* From a dump. False with the error printed. */
bool crash_evidence_read(struct crash_evidence *e, const struct dump_file *f, const struct dump_slot *slot);

/* Opens outlive.elf, which must be of the life's build: `option`, or the one beside this program. */
void crash_evidence_symbols(struct crash_evidence *e, const char *option);

/* How to unwind in it. */
struct unwind crash_evidence_unwind(struct crash_evidence *e);

void crash_evidence_free(struct crash_evidence *e);

/* True if the host's estate has the record of that life. */
bool crash_evidence_has_record(struct client *c, u64 life);

#endif
