/*
 * For the fuzzers of devices: a VM with one of each, and a host whose devices always answer, late or at once.
 *
 * A fuzzer has one life only, so each input begins with the devices reset instead of with a new machine.
 */
#ifndef TESTS_FUZZ_DEVICE_WORLD_H
#define TESTS_FUZZ_DEVICE_WORLD_H

#include "core/devices/net_switch.h"
#include "tests/unit/devices.h"

#define WORLD_RNG     0
#define WORLD_BLK     1
#define WORLD_NET     2
#define WORLD_CONSOLE 3
#define WORLD_NET_TOO 4
#define WORLD_SLOTS   5

#define WORLD_SECTORS 2048
#define WORLD_PENDING 32

static u8 world_disk[WORLD_SECTORS * 512];
static struct blk_request *world_pending[WORLD_PENDING];
static unsigned world_pending_count;

static int world_submit(struct blk_backend *b, struct blk_request *r)
{
	(void)b;
	if (world_pending_count == WORLD_PENDING)
		return -EAGAIN;
	world_pending[world_pending_count++] = r;
	return 0;
}

/* Moves the data of one request, every byte of which must be RAM of the guest. */
static void world_transfer(const struct blk_request *r)
{
	u64 at = r->sector * 512;

	MUST(r->segments && r->segments <= BLK_SEGMENTS_MAX);
	for (unsigned i = 0; i < r->segments; i++) {
		u64 from = r->segment[i].at.a, bytes = r->segment[i].bytes;
		bool inside = false;

		for (unsigned e = 0; e < vms[0]->config.extent_count; e++)
			inside |= from >= vms[0]->config.extents[e].hpa &&
				  from + bytes <=
					  vms[0]->config.extents[e].hpa + vms[0]->config.extents[e].size;
		MUST(inside && bytes && at + bytes <= sizeof(world_disk));
		if (r->op == BLK_READ)
			memcpy((void *)(uintptr_t)from, world_disk + at, bytes);
		else
			memcpy(world_disk + at, (void *)(uintptr_t)from, bytes);
		at += bytes;
	}
	MUST(at % 512 == 0);
}

static struct blk_backend world_blk = { .sectors = WORLD_SECTORS, .submit = world_submit };
struct blk_backend *blk_backends[BLK_BACKENDS_MAX] = { &world_blk };

void entropy_read(void *to, size_t bytes)
{
	memset(to, 0x5a, bytes);
}

void drivers_poll(void)
{
	while (world_pending_count) {
		struct blk_request *r = world_pending[--world_pending_count];

		if (r->op != BLK_FLUSH)
			world_transfer(r);
		r->done(r, 0);
	}
}

/* The first call makes the world, each puts it back to how it began. */
static inline void world_reset(void)
{
	static const struct vm_device_config devices[VM_MAX_DEVICES] = {
		[WORLD_RNG] = { .kind = VM_DEV_RNG },
		[WORLD_BLK] = { .kind = VM_DEV_BLK },
		[WORLD_NET] = { .kind = VM_DEV_NET, .mac = { 2, 0, 0, 0, 0, 1 } },
		[WORLD_CONSOLE] = { .kind = VM_DEV_CONSOLE },
		[WORLD_NET_TOO] = { .kind = VM_DEV_NET, .mac = { 2, 0, 0, 0, 0, 2 } },
	};

	if (!vms[0]) {
		devices_start();
		devices_vm(2, devices);
	}
	drivers_poll();
	for (unsigned slot = 0; slot < WORLD_SLOTS; slot++)
		virtio_reset(vms[0], slot);
	plic_reset(vms[0]);
	uart_reset(vms[0]);
	plic_update(vms[0]);
	memset(guest_ram(0, GUEST_RAM_BASE), 0, KIB(256));
}

/* Some rounds of the harts' loops. A hostile guest can have work for ever, but each round ends. */
static inline void world_loop(void)
{
	for (unsigned rounds = 0; rounds < 20; rounds++) {
		drivers_poll();
		virtio_work(vms[0], arch_txn());
	}
}

/* What must hold whatever a guest does. */
static inline void world_check(void)
{
	MUST(plic_valid(vms[0]));
	MUST(uart_valid(vms[0]));
	for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
		const struct vdev_state *s = &vms[0]->s->dev[slot];

		MUST(virtio_valid(vms[0], slot));
		MUST((s->interrupt_status != 0) == (vms[0]->s->plic.line >> GUEST_VIRTIO_IRQ(slot) & 1));
	}
	MUST(estate.harts[0].redo.count == 0);
}

#endif
