/* The machine of one run of the campaign: its files, its processes, what it answers. */
#ifndef CLI_CAMPAIGN_HOST_H
#define CLI_CAMPAIGN_HOST_H

#include "cli/campaign_guest.h"
#include "cli/client.h"
#include "cli/gdb_remote.h"
#include <sys/types.h>

#define CAMPAIGN_GUESTS 2

struct campaign_host {
	char *path; /* directory of the run */
	int fd;	    /* of it */
	int run_fd; /* of the host's run directory in it */
	u32 harts;
	pid_t pid; /* `outlive run`; 0: ended */
	struct campaign_guest guests[CAMPAIGN_GUESTS];
	struct client client;
	bool is_connected;
	struct ctl_host hello; /* as of the last campaign_host_ask */
};

/*
 * Makes the directory anew and starts the machine in it. 0 when its guests have been at work for some time; or a negative errno
 * with the error printed. campaign_host_end in any case.
 */
int campaign_host_start(struct campaign_host *h, const struct campaign_settings *settings, u64 run);

/* False when `outlive run` has ended, and with it QEMU. */
bool campaign_host_is_there(struct campaign_host *h);

void campaign_host_read_guests(struct campaign_host *h);

/* Asks the host how it is; false if it does not answer within `ms`. The broker asks again meanwhile. */
bool campaign_host_ask(struct campaign_host *h, u64 ms);

/* All VMs and all lives; false if it does not answer. */
bool campaign_host_vms(struct campaign_host *h, struct ctl_vm *vms, size_t *count);
bool campaign_host_lives(struct campaign_host *h, struct ctl_life *lives, size_t *count);

/* Ends the machine. */
void campaign_host_end(struct campaign_host *h);

/* Removes a run's directory with all that is in it. */
void campaign_host_remove(const char *path);

void campaign_host_free(struct campaign_host *h);

#endif
