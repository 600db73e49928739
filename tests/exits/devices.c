/* Devices of the machine of fake harts; see devices.h. */
#include "tests/exits/devices.h"
#include "arch/host/host.h"
#include "core/lib/errno.h"
#include "core/recorder/recorder.h"
#include <stdlib.h>
#include <string.h>

HOST_KEEP struct devices devices;

struct blk_backend *blk_backends[BLK_BACKENDS_MAX];
struct net_backend *net_backend;
struct stream_backend *control_stream;

/* ---- Disks: each request ends at the next poll ---- */

#define UNDER_WAY_MAX 64

static struct disk {
	struct blk_backend backend;
	unsigned unit;
} disks[DEVICES_DISKS];

static struct {
	struct disk *disk;
	struct blk_request *request;
} under_way[UNDER_WAY_MAX];
static unsigned under_way_count;

static int submit(struct blk_backend *b, struct blk_request *request)
{
	if (under_way_count == UNDER_WAY_MAX)
		return -EAGAIN;
	under_way[under_way_count].disk = (struct disk *)(void *)b;
	under_way[under_way_count++].request = request;
	return 0;
}

static int carry_out(const struct disk *d, const struct blk_request *r)
{
	u64 at = r->sector * BLK_SECTOR;

	for (unsigned n = 0; n < r->segments; n++) {
		u8 *memory = (u8 *)(uintptr_t)r->segment[n].at.a;
		u64 bytes = r->segment[n].bytes;

		if (at > DEVICES_DISK_BYTES || bytes > DEVICES_DISK_BYTES - at)
			return -EIO;
		if (r->op == BLK_READ)
			memcpy(memory, devices.medium[d->unit] + at, bytes);
		else
			memcpy(devices.medium[d->unit] + at, memory, bytes);
		at += bytes;
	}
	if (d->unit)
		return 0;
	devices.reads += r->op == BLK_READ;
	devices.writes += r->op == BLK_WRITE;
	devices.flushes += r->op == BLK_FLUSH;
	return 0;
}

void drivers_poll(void)
{
	while (under_way_count) {
		struct disk *d = under_way[0].disk;
		struct blk_request *r = under_way[0].request;

		memmove(under_way, under_way + 1, --under_way_count * sizeof(under_way[0]));
		r->done(r, carry_out(d, r));
	}
}

/* ---- Network ---- */

static int transmit(struct net_backend *b, const void *frame, size_t bytes)
{
	(void)b;
	if (bytes > sizeof(devices.frame))
		host_fail("a frame that is too long");
	memcpy(devices.frame, frame, bytes);
	devices.frame_bytes = bytes;
	devices.frames++;
	return 0;
}

static struct net_backend network = { .transmit = transmit };

void devices_receive(const void *frame, size_t bytes)
{
	network.receive(&network, frame, bytes);
}

/* ---- The control channel ---- */

static size_t line_write(struct stream_backend *s, const void *bytes, size_t count)
{
	size_t room = DEVICES_LINE_BYTES - devices.out_to;

	(void)s;
	if (count > room)
		count = room;
	memcpy(devices.out + devices.out_to, bytes, count);
	devices.out_to += count;
	return count;
}

static size_t line_read(struct stream_backend *s, void *to, size_t size)
{
	size_t have = devices.in_to - devices.in_from;

	(void)s;
	if (size > have)
		size = have;
	memcpy(to, devices.in + devices.in_from, size);
	devices.in_from += size;
	return size;
}

static struct stream_backend line = { line_write, line_read };

/* ---- All of them ---- */

void devices_power_on(void)
{
	for (unsigned n = 0; n < DEVICES_DISKS && devices.with_disks; n++) {
		if (!devices.medium[n])
			devices.medium[n] = malloc(DEVICES_DISK_BYTES);
		if (!devices.medium[n])
			host_fail("no memory for a disk");
		memset(devices.medium[n], 0, DEVICES_DISK_BYTES);
	}
	devices.reads = devices.writes = devices.flushes = devices.frames = 0;
	devices.frame_bytes = 0;
	devices.in_from = devices.in_to = devices.out_from = devices.out_to = 0;
}

void devices_init(void)
{
	for (unsigned n = 0; n < DEVICES_DISKS && devices.with_disks; n++) {
		disks[n].backend.sectors = DEVICES_DISK_BYTES / BLK_SECTOR;
		disks[n].backend.submit = submit;
		disks[n].unit = n;
		blk_backends[n] = &disks[n].backend;
	}
	/* What the life before has not read is lost: drivers reset their devices. */
	devices.in_from = devices.in_to;
	net_backend = devices.with_network ? &network : NULL;
	control_stream = devices.with_stream ? &line : NULL;
}
