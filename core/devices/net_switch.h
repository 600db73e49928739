/*
 * Named networks inside the host: learning switches that carry frames between VMs and, for one of them, to the outside.
 *
 * Nothing of a switch survives a life: frames get lost as on any network, addresses are learned again.
 *
 * A VM's device never waits for another VM: what it sends is queued at the ports that shall get it, each of which is
 * emptied by its own device under its own VM's lock. A full queue drops.
 */
#ifndef CORE_DEVICES_NET_SWITCH_H
#define CORE_DEVICES_NET_SWITCH_H

#include "core/devices/backend.h"
#include "core/lib/lock.h"

struct vdev;
struct net_switch;

#define NET_SWITCHES 64
#define NET_PORTS    64 /* a switch */

/* Frames that wait at a port: a power of two. MAX_VMS ports of that many take half of the heap. */
#define NET_QUEUE 32

#define NET_FRAME_MIN 14u /* an Ethernet header */

struct net_frame {
	u32 bytes;
	u8 data[NET_FRAME_MAX];
};

struct net_port {
	struct net_switch *net;
	struct vdev *owner; /* is marked when frames have come */
	u64 address;	    /* its own, as net_switch.c packs them */
	u32 index;	    /* in the switch */
	u32 open;	    /* atomic: somebody takes frames out */
	u32 head;	    /* atomic: frames put in, under the switch's lock */
	u32 tail;	    /* atomic: frames taken out, by the owner */
	u64 dropped;	    /* for a full queue; under the switch's lock */
	struct net_frame *queue;
};

/*
 * Adds a port with address `mac` to switch `number`, and the uplink if wanted. While a life starts. -ENODEV: no such
 * switch, no uplink in this host, or another switch has it; -EEXIST: another port has that address; -ENOSPC: no port
 * left; -ENOMEM.
 */
int net_port_create(struct net_port *port, struct vdev *owner, unsigned number, const u8 mac[6], bool uplink);

/* Frames are queued at an open port only. Closing it forgets what waits there. Called by the owner, as all below. */
void net_port_open(struct net_port *port, bool open);

/* The frame that waits longest, or NULL; it stays until net_port_next. */
const struct net_frame *net_port_peek(const struct net_port *port);
void net_port_next(struct net_port *port);

/* Sends a frame of NET_FRAME_MIN to NET_FRAME_MAX bytes into the switch. */
void net_port_send(struct net_port *port, const void *frame, size_t bytes);

#endif
