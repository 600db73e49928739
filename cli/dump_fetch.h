/* Fetches memory and registers of a VM from a running host: CTL_DUMP_* of abi/control.h. */
#ifndef CLI_DUMP_FETCH_H
#define CLI_DUMP_FETCH_H

#include "cli/client.h"
#include "cli/dump_piece.h"

struct dump_fetch {
	struct client *client;
	const char *name; /* of the VM, for messages */
	u32 vm;
	struct ctl_dump info;
	/* Takes pages in ascending order; nonzero stops. `bytes` are NULL for those without. */
	int (*take)(void *arg, u64 at, u64 count, enum ctl_dump_kind kind, const u8 *bytes);
	/* Called a few times a second, with the bytes of memory that have been taken. True stops. May be NULL. */
	bool (*tick)(void *arg, u64 done);
	void *arg;
	/* Of memory, all below. */
	struct dump_piece *pieces;
	struct dump_known known;
	u32 first, count; /* pieces that are under way, in a ring */
	u32 range;	  /* the next piece's */
	u64 at;
	u64 done;
	u64 heard; /* ms: the last answer */
	u64 requests;
	bool is_lost, is_broken, is_gone;
};

/* What ended a fetch; the others are exit codes with the error printed. */
#define DUMP_FETCH_LOST	   (-1) /* the life ended, or the VM: begin again. Nothing is printed. */
#define DUMP_FETCH_STOPPED (-2) /* `take` or `tick` did not want any more. Nothing is printed. */

/*
 * Begins a dump; the caller has set client, name, vm and the functions. A guest that is not dumped live stands still until
 * dump_fetch_end, which is to be called however it goes on.
 */
int dump_fetch_begin(struct dump_fetch *f, bool live);

/* The vCPUs, by id; *vcpus is to be freed. */
int dump_fetch_vcpus(struct dump_fetch *f, struct ctl_dump_vcpu **vcpus, size_t *count);

/* All memory, in order. */
int dump_fetch_memory(struct dump_fetch *f);

/* Lets the guest go on, and the host forget. A host that has gone does not matter. */
void dump_fetch_end(struct dump_fetch *f);

#endif
