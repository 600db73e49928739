/* What the virtio devices do with an entry of their queues: for each kind in the product's table. */
#include "arch/riscv64/csr.h"
#include "core/devices/vdev.h"
#include "tests/exits/box.h"
#include "tests/exits/crash/exit.h"
#include "tests/exits/devices.h"
#include <stdio.h>
#include <string.h>

#define NOTIFY	    0x50u
#define SECTOR	    3
#define DISK_SLOT   2
#define LONG_TEXT   20000
#define FRAME_BYTES 60

static void fill_rng(struct vm *vm)
{
	exit_fill_queue(vm, 1, 0, (const u32[]){ 64 }, 1, 1);
}

static void fill_disk(struct vm *vm, u32 type, u32 bytes, unsigned writes)
{
	u64 *header = exits_ram(vm, EXIT_BUFFERS);

	exit_fill_queue(vm, DISK_SLOT, 0, (const u32[]){ 16, bytes, 1 }, 3, writes);
	header[0] = type;
	header[1] = SECTOR;
	for (unsigned n = 0; n < DEVICES_DISK_BYTES; n++)
		devices.medium[0][n] = (u8)(n / BLK_SECTOR + n);
	if (type == 1)
		memset((u8 *)header + 16, 0x5a, bytes);
}

static void fill_read(struct vm *vm)
{
	fill_disk(vm, 0, BLK_SECTOR, 6);
}

static void fill_write(struct vm *vm)
{
	fill_disk(vm, 1, BLK_SECTOR, 4);
}

static void fill_flush(struct vm *vm)
{
	u32 *header = exits_ram(vm, EXIT_BUFFERS);

	exit_fill_queue(vm, DISK_SLOT, 0, (const u32[]){ 16, 1 }, 2, 2);
	header[0] = 4;
	header[1] = 0;
	header[2] = header[3] = 0;
}

static void fill_identify(struct vm *vm)
{
	fill_disk(vm, 8, 20, 6);
}

static bool has_written(void)
{
	const u8 *medium = devices.medium[0];

	for (unsigned n = 0; n < DEVICES_DISK_BYTES; n++) {
		if (medium[n] != (n / BLK_SECTOR == SECTOR ? 0x5a : (u8)(n / BLK_SECTOR + n)))
			return false;
	}
	return devices.writes >= 1;
}

static bool has_not_written(void)
{
	return !devices.writes;
}

static bool has_flushed(void)
{
	return devices.flushes >= 1;
}

static void fill_net(struct vm *vm)
{
	u8 *frame = exits_ram(vm, EXIT_BUFFERS + 12);

	exit_fill_queue(vm, 3, 1, (const u32[]){ 12 + FRAME_BYTES }, 1, 0);
	for (unsigned n = 0; n < FRAME_BYTES; n++)
		frame[n] = n < 6 ? 0xff : (u8)(n & 0xfe);
}

static bool has_sent(void)
{
	return devices.frames >= 1 && devices.frame_bytes == FRAME_BYTES && devices.frame[59] == 58;
}

static void fill_console(struct vm *vm)
{
	exit_fill_queue(vm, 0, 1, (const u32[]){ 9 }, 1, 0);
}

/* More than one transaction takes, and than one turn of the device. */
static void fill_long_console(struct vm *vm)
{
	char *text = exits_ram(vm, EXIT_BUFFERS);

	exit_fill_queue(vm, 0, 1, (const u32[]){ LONG_TEXT }, 1, 0);
	for (unsigned n = 0; n < LONG_TEXT; n++)
		text[n] = (char)('a' + n % 23);
}

static void fill_bad_console(struct vm *vm)
{
	/* It leads behind the end of RAM. */
	exit_fill_queue(vm, 0, 1, (const u32[]){ ~0u }, 1, 0);
}

static void fill_pmsg(struct vm *vm)
{
	char *text = exits_ram(vm, EXIT_BUFFERS);

	exit_fill_queue(vm, 4, 1, (const u32[]){ 7 }, 1, 0);
	memcpy(text, "a line\n", sizeof("a line\n"));
}

static bool has_line(void)
{
	return strstr(box_lines(), "a line\n");
}

static const struct queue_case {
	enum vm_device_kind kind;
	const char *name;
	unsigned slot, queue;
	void (*prepare)(struct vm *vm);
	bool (*outside)(void);
} cases[] = {
	{ VM_DEV_CONSOLE, "console, output", 0, 1, fill_console, NULL },
	{ VM_DEV_CONSOLE, "console, much output", 0, 1, fill_long_console, NULL },
	{ VM_DEV_CONSOLE, "console, a buffer that is none", 0, 1, fill_bad_console, NULL },
	{ VM_DEV_RNG, "entropy", 1, 0, fill_rng, NULL },
	{ VM_DEV_BLK, "disk, read", DISK_SLOT, 0, fill_read, has_not_written },
	{ VM_DEV_BLK, "disk, write", DISK_SLOT, 0, fill_write, has_written },
	{ VM_DEV_BLK, "disk, flush", DISK_SLOT, 0, fill_flush, has_flushed },
	{ VM_DEV_BLK, "disk, its name", DISK_SLOT, 0, fill_identify, has_not_written },
	{ VM_DEV_NET, "network, a frame leaves", 3, 1, fill_net, has_sent },
	{ VM_DEV_PMSG, "line for the black box", 4, 1, fill_pmsg, has_line },
};

static bool has_case(unsigned kind)
{
	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
		if (cases[n].kind == kind)
			return true;
	}
	return false;
}

static void try_queue(const struct queue_case *q)
{
	const u64 at = GUEST_VIRTIO_BASE + q->slot * GUEST_VIRTIO_STRIDE + NOTIFY;
	struct scene_exit e = { .cause = CAUSE_STORE_GUEST_PAGE,
				.stval = at,
				.htval = at >> 2,
				.instruction = STORE(2),
				.devices = true,
				.prepare = q->prepare,
				.outside = q->outside };

	(void)snprintf(e.name, sizeof(e.name), "queue: %s", q->name);
	crash_exit(&e);
}

void crash_queues(void)
{
	for (unsigned kind = 0; kind < vdev_kind_count; kind++) {
		if (vdev_kinds[kind] && !has_case(kind)) {
			(void)printf("queues.c has no case for devices of kind %u\n", kind);
			crash_totals.failures++;
		}
	}
	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++)
		try_queue(&cases[n]);
}
