/* A command's connection to a running host, through its broker. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "abi/control.h"
#include "cli/broker_protocol.h"
#include "cli/options.h"
#include "cli/rundir.h"
#include "core/control/frame.h"

struct client_reply {
	s32 status; /* 0 or a negative errno of the host */
	size_t length;
	u8 payload[CTL_PAYLOAD_MAX];
};

struct client {
	struct rundir dir;
	int fd;
	u32 last_tag;
	u64 timeout_ms; /* for one answer */
	struct frame_decoder decoder;
	struct broker_info info; /* as of client_open */
	/* Called for events that come while an answer is awaited, or by client_events. May be NULL. */
	void (*event)(void *arg, const struct ctl_header *header, const u8 *payload);
	void *arg;
};

/*
 * All return exit codes: EXIT_CODE_OK, or another with the error printed. client_close after a successful client_open.
 */

/* Connects to the host that the options mean. */
int client_open(struct client *c, const struct options *o);

/* The same to a run directory that is known; takes it over. */
int client_open_dir(struct client *c, struct rundir *dir, u64 timeout_ms);

void client_close(struct client *c);

/* Sends a request without waiting; its tag, 0 if the broker has gone. */
u32 client_send(struct client *c, u16 type, u32 vm, const void *payload, size_t length);

/* Asks and waits for the answer; the host's refusal is in reply->status, not in the result. */
int client_ask(struct client *c, u16 type, u32 vm, const void *payload, size_t length,
	       struct client_reply *reply);

/* The same, where a refusal is an error too. "already done" is none. `what` begins the message. */
int client_do(struct client *c, u16 type, u32 vm, const void *payload, size_t length,
	      struct client_reply *reply, const char *what);

/* Fresh numbers on the host. */
int client_host(struct client *c, struct ctl_host *host);

/* All VMs, at most MAX_VMS; *count of them. */
int client_vms(struct client *c, struct ctl_vm *vms, size_t *count);

/* The VM of that name, or of that number. */
int client_find_vm(struct client *c, const char *name, struct ctl_vm *vm);

/* All lives in the history, oldest first, at most 64 (LIFE_COUNT). */
int client_lives(struct client *c, struct ctl_life *lives, size_t max, size_t *count);

/* Calls `event` for what has been read already, together with an answer. To be called before waiting for c->fd. */
void client_dispatch(struct client *c);

/* Reads what has come and calls `event`. False when the broker has gone. `fd` is readable or has ended. */
bool client_events(struct client *c);

/* What a negative errno of the host means to a person. */
const char *client_refusal(s32 status);

#endif
