/*
 * virtio drivers that break every rule: rings outside of RAM, descriptors in loops, lengths that wrap, indices that jump,
 * registers in the wrong order (virtio 1.2, chapters 2.7 and 4.2).
 */
#include "guests/hostile/hostile.h"
#include "guests/lib/guest.h"
#include "guests/lib/virtio_mmio.h"

#define STATUS_ALL 0x0fu /* ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK */
#define QUEUES	   3
#define QUEUE_SIZE 16

struct descriptor {
	u64 at;
	u32 bytes;
	u16 flags; /* 1: next, 2: device writes, 4: indirect */
	u16 next;
};

/* A queue's rings in scratch, all in one page, each at its own. */
struct rings {
	struct descriptor descriptor[QUEUE_SIZE];
	struct {
		u16 flags;
		u16 index;
		u16 ring[QUEUE_SIZE];
		u16 event;
	} available;
	u8 pad[64];
	u32 used[2 * QUEUE_SIZE + 2];
};

static void put(u64 device, u32 offset, u32 value)
{
	*(volatile u32 *)(device + offset) = value;
}

static u32 get(u64 device, u32 offset)
{
	return *(volatile u32 *)(device + offset);
}

static void put64(u64 device, u32 offset, u64 value)
{
	put(device, offset, (u32)value);
	put(device, offset + 4, (u32)(value >> 32));
}

static struct rings *rings_of(u64 slot, u64 queue)
{
	return (struct rings *)(scratch() + (slot * QUEUES + queue) * PAGE_SIZE);
}

static void queue_setup(u64 device, u64 slot, u64 queue)
{
	u64 rings = (u64)rings_of(slot, queue);
	bool sane = !rnd_one_in(4);

	put(device, QUEUE_SEL, (u32)queue);
	put(device, QUEUE_NUM, sane ? QUEUE_SIZE : (u32)rnd_value());
	put64(device, QUEUE_DESC, sane ? rings : rnd_value());
	put64(device, QUEUE_DRIVER,
	      sane || rnd_one_in(2) ? rings + offsetof(struct rings, available) : rnd_value());
	put64(device, QUEUE_DEVICE,
	      sane || rnd_one_in(2) ? rings + offsetof(struct rings, used) : rnd_value());
	put(device, QUEUE_READY, 1);
}

/* Resets the device and brings it up as a driver would; some steps are left out. */
static void device_setup(u64 device, u64 slot)
{
	put(device, STATUS, 0);
	put(device, STATUS, 3);
	for (u32 word = 0; word < 2; word++) {
		put(device, DRIVER_FEATURES_SEL, word);
		/* VERSION_1 is bit 32; sometimes everything is claimed. */
		put(device, DRIVER_FEATURES, rnd_one_in(4) ? (u32)rnd() : word);
	}
	if (!rnd_one_in(8))
		put(device, STATUS, 11);
	for (u64 queue = 0; queue < QUEUES; queue++)
		if (!rnd_one_in(8))
			queue_setup(device, slot, queue);
	put(device, STATUS, rnd_one_in(8) ? (u32)rnd() : STATUS_ALL);
}

/* Chains with headers that look like those of blk and net, or like nothing. */
static void rings_fill(struct rings *r)
{
	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		volatile struct descriptor *d = &r->descriptor[i];

		d->at = rnd_one_in(8) ? rnd_value() : scratch() + MIB(1) + rnd_below(MIB(2));
		d->bytes = rnd_one_in(8) ? (u32)rnd() : (u32[]){ 16, 1, 512, 4096, 12, 0 }[rnd_below(6)];
		d->flags = (u16)(rnd_one_in(16) ? rnd() : rnd_below(4));
		d->next = (u16)(rnd_one_in(8) ? rnd() : rnd_below(QUEUE_SIZE));
		if (d->at >= scratch() && d->at < scratch() + SCRATCH_SIZE - 16 && rnd_one_in(2)) {
			/* blk: type, reserved, sector. Reads, mostly: the disk is for other tests as well. */
			((volatile u32 *)(d->at & ~7ull))[0] = rnd_one_in(4) ? (u32)rnd_value() : 0;
			((volatile u64 *)(d->at & ~7ull))[1] = rnd_one_in(2) ? rnd_below(256) : rnd_value();
		}
		r->available.ring[i] = (u16)(rnd_one_in(8) ? rnd() : rnd_below(QUEUE_SIZE));
	}
	r->available.flags = (u16)rnd_below(2);
}

static void kick(u64 device, u64 slot)
{
	for (unsigned i = 0; i < 8; i++) {
		u64 queue = rnd_below(QUEUES);
		struct rings *r = rings_of(slot, queue);

		rings_fill(r);
		*(volatile u16 *)&r->available.index =
			(u16)(rnd_one_in(8) ? rnd() : r->available.index + rnd_below(QUEUE_SIZE + 2));
		__asm__ volatile("fence" ::: "memory");
		put(device, QUEUE_NOTIFY, rnd_one_in(8) ? (u32)rnd() : (u32)queue);
		/* While the device works: its rings change under it. */
		if (rnd_one_in(2))
			rings_fill(r);
		if (rnd_one_in(4))
			put(device, INTERRUPT_ACK, 3);
		if (rnd_one_in(16))
			put(device, rnd_one_in(2) ? STATUS : QUEUE_READY, 0);
	}
}

void attack_virtio(u64 unused)
{
	u64 slot = rnd_below(VIRTIO_SLOTS);
	u64 device = VIRTIO_BASE + slot * VIRTIO_STRIDE;

	(void)unused;
	if (get(device, MAGIC) != MAGIC_VALUE || !get(device, DEVICE_ID))
		return;
	if (rnd_one_in(2))
		device_setup(device, slot);
	kick(device, slot);
}
