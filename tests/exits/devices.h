/*
 * Devices of the machine of fake harts: two disks, a network, the stream of the control channel. What they keep is the
 * world's; requests under way are lost with the life, because an heir resets all devices first.
 */
#ifndef TESTS_EXITS_DEVICES_H
#define TESTS_EXITS_DEVICES_H

#include "core/devices/backend.h"

#define DEVICES_DISKS	   2
#define DEVICES_DISK_BYTES KIB(512)
#define DEVICES_LINE_BYTES KIB(256)

struct devices {
	/* What there is, for the next exits_power_on. */
	bool with_disks, with_network, with_stream;
	u8 *medium[DEVICES_DISKS];  /* DEVICES_DISK_BYTES each */
	u64 reads, writes, flushes; /* of the first disk, so far */
	u64 frames;
	u8 frame[NET_FRAME_MAX]; /* the last one that left */
	size_t frame_bytes;
	/* The control channel: towards the host, and from it. */
	u8 in[DEVICES_LINE_BYTES], out[DEVICES_LINE_BYTES];
	size_t in_from, in_to, out_from, out_to;
};

extern struct devices devices;

/* exits_power_on and each life call these. Disks and line are empty, everything is counted from 0. */
void devices_power_on(void);
void devices_init(void);

/* A frame comes from outside. */
void devices_receive(const void *frame, size_t bytes);

#endif
