/*
 * The broker: what `outlive run` is while its host runs. It owns QEMU and the host's control channel, keeps the
 * consoles' output, and serves the other commands.
 *
 *   broker.c          life of the host: start, signals, end; the loop
 *   broker_link.c     the channel to the host: requests with repetition, replies, events
 *   broker_clients.c  the commands that are connected
 *
 * One thread; nothing blocks but poll().
 */
#ifndef CLI_BROKER_H
#define CLI_BROKER_H

#include "abi/control.h"
#include "cli/buffer.h"
#include "cli/console_log.h"
#include "cli/host_plan.h"
#include "cli/qemu.h"
#include "cli/rundir.h"
#include "core/control/frame.h"

struct broker;
struct broker_client;

/* What whoever runs the broker wants to see. Any of them may be NULL. */
struct broker_view {
	/* Bytes of the serial line: the host's own log. */
	void (*serial)(void *arg, const void *bytes, size_t count);
	/* The host has said hello for the first time. */
	void (*up)(void *arg, const struct ctl_host *host);
	/* A VM has changed its state. */
	void (*vm)(void *arg, const struct ctl_vm *vm);
	/* Another life goes on; `dead` is the record of the last one, NULL if the machine has been reset. */
	void (*life)(void *arg, const struct ctl_host *host, const struct ctl_life *dead);
	void *arg;
};

/* ---- The channel to the host ---- */

/* A request that has not been answered. */
struct link_request {
	struct link_request *next;
	struct broker_client *client; /* NULL: the broker's own */
	u32 tag;		      /* on the channel */
	u32 client_tag;
	u64 due;	  /* ms: to be sent again then */
	bool is_harmless; /* to do it twice is to do it once */
	size_t size;
	u8 frame[];
};

struct link {
	int fd;
	struct frame_decoder decoder;
	struct buffer out;
	struct link_request *requests;
	u32 last_tag;
};

/* Repeat after so many ms without an answer. */
#define LINK_REPEAT_MS 1000
/* The same for requests that do harm if they are done twice (input, reset): a slow host must not get them again. */
#define LINK_REPEAT_HARMFUL_MS 10000
/* Those are asked of an heir after so many ms: it may yet answer what was still on its way to the dead life. */
#define LINK_HEIR_MS 300
/* More than this waiting for the host, and clients have to wait. */
#define LINK_OUT_MAX KIB(64)

/* Sends a request; with `answered` it is repeated until its reply comes. */
void link_send(struct broker *b, struct broker_client *client, struct ctl_header header, const void *payload,
	       bool answered);

/* Reads what has come. False when the channel is closed. */
bool link_read(struct broker *b);

/* True if a request of the broker's own has not been answered. */
bool link_has_own(const struct link *link);

/* Repeats what is due. */
void link_repeat(struct broker *b);

/* A life has ended: what it had been asked is asked of its heir. */
void link_heir(struct broker *b);

/* A client has gone: nobody waits for its replies. */
void link_forget(struct broker *b, const struct broker_client *client);

void link_free(struct link *link);

/* ---- Clients ---- */

struct broker_client {
	struct broker_client *next;
	int fd;
	bool is_watching;
	bool is_dead;
	int console; /* VM whose output it gets, or -1 */
	u64 console_at;
	struct frame_decoder decoder;
	struct buffer out;
};

/* More than this waiting for a client that does not read: it is dropped (events), or waits (console). */
#define CLIENT_OUT_MAX	   MIB(1)
#define CLIENT_CONSOLE_MAX KIB(64)

void clients_accept(struct broker *b);
void clients_read(struct broker *b, struct broker_client *client);
void clients_send(struct broker_client *client, struct ctl_header *header, const void *payload,
		  size_t length);
/* An event for all that watch. */
void clients_event(struct broker *b, struct ctl_header *header, const void *payload, size_t length);
/* Sends console output that is new for them, writes, and forgets the dead. */
void clients_pump(struct broker *b);
/* QEMU has ended: everybody gets what is left, then all connections are closed. Two seconds at most. */
void clients_finish(struct broker *b, bool wait_for_first);

/* ---- All of it ---- */

struct broker {
	const struct host_plan *plan;
	struct rundir *dir;
	struct qemu qemu;
	struct broker_view view;
	struct link link;
	struct broker_client *clients;
	struct console_log consoles[MAX_VMS];
	u64 acknowledged[MAX_VMS]; /* offset of the last CTL_CONSOLE_ACK */
	u64 now;		   /* ms, of this turn of the loop */
	int listener;
	int signals;
	bool is_up;
	bool had_client;
	u16 other_version; /* of the control channel, that the host speaks in place of ours; 0: it has not */
	struct ctl_host host;
	struct ctl_vm vms[MAX_VMS]; /* last known state; name "" if none */
	u64 looks;		    /* at all VMs */
	u64 ps_due;		    /* ms: the next look at all VMs; an event may have been lost */
	u64 up_deadline;	    /* ms, 0: none */
	bool is_ending;		    /* we want the end */
	u64 kill_at;		    /* ms, while it is ending */
	bool was_killed;
	bool has_ended;
	int qemu_status; /* of wait, once it has ended */
};

/*
 * Runs a plan in a run directory: pack written, QEMU started, until QEMU ends. `up_seconds` bounds the time to the first
 * hello (0: no bound). Returns an exit code; what went wrong has been printed.
 */
int broker_run(const struct host_plan *plan, const struct qemu_options *options, struct rundir *dir,
	       const struct broker_view *view, unsigned up_seconds);

/* A frame of the host, from link_read: a reply of the broker's own, or an event. */
void broker_frame(struct broker *b, const struct ctl_header *header, const u8 *payload);

/* The host has sent a frame of another version than ours, of which nothing can be understood. */
void broker_other_version(struct broker *b, u16 version);

/* Begins the end: asks the host to power off, and sees to it that it does. */
void broker_end(struct broker *b, bool at_once);

#endif
