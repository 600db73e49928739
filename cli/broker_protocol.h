/*
 * Between the broker (`outlive run`) and its clients (the other commands): the frames of the control channel
 * (abi/control.h) on the unix socket RUNDIR/control.
 *
 * Requests with a type of the control channel go through to the host, and its reply comes back with the client's tag.
 * The broker answers those below itself, and sends console output only to who asked for it.
 */
#ifndef CLI_BROKER_PROTOCOL_H
#define CLI_BROKER_PROTOCOL_H

#include "abi/control.h"

enum broker_type {
	BROKER_INFO = 0x2001,  /* -> struct broker_info */
	BROKER_WATCH = 0x2002, /* from now on CTL_EVENT_VM and CTL_EVENT_LIFE come too */
	BROKER_CONSOLE =
		0x2003,	     /* vm, payload u64 n -> u64 end: CTL_EVENT_CONSOLE of that VM, beginning with its
				  * last n bytes. Their offset is the position in the broker's log, of which
				  * `end` is the present end. */
	BROKER_END = 0x2004, /* ends QEMU at once */
};

struct broker_info {
	u32 version; /* CTL_VERSION */
	u32 vms;
	s32 pid;
	s32 qemu_pid;
	u32 is_up; /* the host has said hello */
	u32 reserved;
	char name[32];
	struct ctl_host host; /* as of the last life's report */
};

#endif
