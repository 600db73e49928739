/*
 * A disk for the dying: one request at a time, polled, with memory of its own. The device is reset first, so that nothing of what
 * its driver had under way gets in between. No lock, no interrupt, nothing allocated.
 */
#include "core/arch.h"
#include "core/blackbox/device.h"
#include "core/devices/backend.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/recorder/recorder.h"
#include "drivers/io.h"
#include "drivers/virtio_drivers.h"
#include "drivers/virtio_mmio.h"

/* virtio 1.2, sections 5.2.3, 5.2.4 and 5.2.6. */
#define F_FLUSH		9
#define CONFIG_CAPACITY 0
#define TYPE_IN		0u
#define TYPE_OUT	1u
#define TYPE_FLUSH	4u
#define STATUS_OK	0
#define STATUS_UNSET	0xff

/* Section 2.7. */
#define DESC_NEXT  1u
#define DESC_WRITE 2u
#define NO_NOTICE  1u
#define ENTRIES	   4u

/* The dying have a second before the watchdog takes them for hung, if there is one; they show life while they wait. */
#define RESET_MS   100
#define REQUEST_MS 2000

static struct {
	struct {
		u64 at;
		u32 bytes;
		u16 flags, next;
	} desc[ENTRIES] __attribute__((aligned(16)));
	struct {
		u16 flags, index, ring[ENTRIES], event;
	} avail;
	struct {
		u16 flags, index;
		struct {
			u32 id, bytes;
		} ring[ENTRIES];
		u16 event;
	} used __attribute__((aligned(4)));
	struct {
		u32 type, reserved;
		u64 sector;
	} header;
	u8 status;
} memory __attribute__((aligned(PAGE_SIZE)));

static struct virtio_device disk;

static void describe(unsigned n, const void *at, u32 bytes, u16 flags)
{
	memory.desc[n].at = (u64)(uintptr_t)at;
	memory.desc[n].bytes = bytes;
	memory.desc[n].flags = flags;
	memory.desc[n].next = (u16)(n + 1);
}

static int wait(u16 index)
{
	u64 end = arch_time() + estate.machine.timebase / 1000 * REQUEST_MS;

	while (SHARED_READ(memory.used.index) != index) {
		if (arch_time() > end)
			return -EIO;
		arch_beat();
	}
	io_fence();
	return SHARED_READ(memory.status) == STATUS_OK ? 0 : -EIO;
}

static int request(u32 type, u64 at, const void *data, u32 bytes)
{
	u16 index = (u16)(memory.avail.index + 1);
	unsigned n = 0;

	memory.header.type = type;
	memory.header.sector = at / BLK_SECTOR;
	memory.status = STATUS_UNSET;
	describe(n++, &memory.header, sizeof(memory.header), DESC_NEXT);
	if (bytes)
		describe(n++, data, bytes, (u16)(DESC_NEXT | (type == TYPE_IN ? DESC_WRITE : 0)));
	describe(n, &memory.status, 1, DESC_WRITE);
	memory.avail.ring[(index - 1) % ENTRIES] = 0;
	io_fence();
	SHARED_WRITE(memory.avail.index, index);
	io_fence();
	virtio_mmio_notify(&disk, 0);
	return wait(index);
}

static int polled_read(struct blackbox_device *d, u64 at, void *to, u32 bytes)
{
	(void)d;
	return request(TYPE_IN, at, to, bytes);
}

static int polled_write(struct blackbox_device *d, u64 at, const void *from, u32 bytes)
{
	(void)d;
	return request(TYPE_OUT, at, from, bytes);
}

static int polled_flush(struct blackbox_device *d)
{
	(void)d;
	/* One without the feature has no cache (section 5.2.5). */
	return virtio_mmio_has(&disk, F_FLUSH) ? request(TYPE_FLUSH, 0, NULL, 0) : 0;
}

int disk_polled(unsigned unit, struct blackbox_device *d)
{
	const struct virtio_device *device = host_blk_device(unit);
	int error;

	if (!device)
		return -ENODEV;
	disk = (struct virtio_device){ .base = device->base, .kind = VIRTIO_KIND_BLK };
	memset(&memory, 0, sizeof(memory));
	memory.avail.flags = NO_NOTICE;
	error = virtio_mmio_reset(&disk, RESET_MS);
	if (!error)
		error = virtio_mmio_negotiate(&disk, 1ull << F_FLUSH);
	if (error)
		return error;
	if (virtio_mmio_queue_max(&disk, 0) < ENTRIES)
		return -ENODEV;
	virtio_mmio_queue_start(&disk, 0, ENTRIES, (u64)(uintptr_t)memory.desc, (u64)(uintptr_t)&memory.avail,
				(u64)(uintptr_t)&memory.used);
	virtio_mmio_ready_polled(&disk);
	*d = (struct blackbox_device){
		.bytes =
			ALIGN_DOWN(virtio_mmio_config64(&disk, CONFIG_CAPACITY) * BLK_SECTOR, (u64)PAGE_SIZE),
		.sector = BLK_SECTOR,
		.read = polled_read,
		.write = polled_write,
		.flush = polled_flush,
	};
	return 0;
}
