/*
 * A driver with nonsense in its rings: devices are set up as they should be, then descriptors, rings and data are what
 * the input says, and change between kicks.
 *
 * Input: the device, the size of its queues, then records of 8 bytes: where to write (2), flags (2), what (4).
 */
#include "tests/fuzz/device_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RINGS(n) (GUEST_RAM_BASE + (n)*0x10000ull)

struct record {
	u16 where;
	u16 how;
	u32 what;
};

static unsigned slot;

static void start(u16 num)
{
	unsigned queues = vms[0]->dev[slot]->kind->queues;

	/* A reset waits for what is under way. */
	drivers_poll();
	driver_begin(0, slot);
	for (unsigned n = 0; n < queues; n++) {
		struct driver_queue q = { .slot = slot, .number = n, .base = RINGS(n), .num = num };

		driver_queue_start(&q);
	}
	driver_ok(0, slot);
}

static void set_descriptor(const struct driver_queue *q, const struct record *r)
{
	/* Mostly in RAM and of sizes that mean something, so that chains get somewhere. */
	static const u32 sizes[8] = { 0, 1, 12, 16, 32, 72, 512, 4096 };

	*driver_desc(q, r->where & 7) = (struct driver_desc){
		.at = GUEST_RAM_BASE + (r->how & 8 ? (u64)r->what << 8 : r->what & 0x3ffff),
		.bytes = r->how & 0x80 ? r->what : sizes[r->how >> 8 & 7],
		.flags = (u16)(r->how >> 12 & 7),
		.next = (u16)(r->where >> 3 & 15),
	};
}

/* A request that may be right: three buffers, the first for the device to read, with a block request's header in it. */
static void whole_request(struct driver_queue *q, const struct record *r)
{
	const u64 at = GUEST_RAM_BASE + MIB(1) + (r->where & 0xff0);
	const u32 header[4] = { r->what & 0xf, 0, r->what >> 4 & 0xfff };
	const struct driver_desc buffers[3] = {
		{ .at = at, .bytes = r->how & 0x100 ? 16 : 80 },
		{ .at = at + 0x1000, .bytes = (r->what >> 16) * 64, .flags = r->what & 1 ? 0 : DRIVER_WRITE },
		{ .at = at + 0x800, .bytes = r->how & 0x200 ? 0 : 1, .flags = DRIVER_WRITE },
	};

	memcpy(guest_ram(0, at), header, sizeof(header));
	driver_add(q, buffers, r->how & 0x400 ? 1 : 3);
}

static void do_record(const struct record *r, u16 num)
{
	struct driver_queue q = {
		.slot = slot, .number = r->how >> 4 & 1, .base = RINGS(r->how >> 4 & 1), .num = num
	};
	static const u8 text[100];

	switch (r->how & 7) {
	case 0:
	case 1:
		set_descriptor(&q, r);
		break;
	case 2:
		driver_offer(&q, r->where & 15);
		break;
	case 3:
		driver_kick(&q);
		break;
	case 4:
		world_loop();
		break;
	case 5:
		q.next_desc = r->where & 0xff;
		whole_request(&q, r);
		virtio_console_input(vms[0], arch_txn(), text, r->where % sizeof(text));
		break;
	case 6:
		/* Anything anywhere: rings, headers, indirect tables. */
		memcpy(guest_ram(0, GUEST_RAM_BASE + (r->where & ~3u)), &r->what, 4);
		break;
	default:
		driver_avail(&q)[r->where & 15] = (u16)r->what;
	}
	if (driver_broken(0, slot))
		start(num);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u16 num;

	if (size < 2)
		return 0;
	world_reset();
	slot = data[0] % WORLD_SLOTS;
	num = (u16)(1u << data[1] % 9);
	start(num);
	data += 2;
	size -= 2;
	for (; size >= sizeof(struct record); size -= sizeof(struct record), data += sizeof(struct record)) {
		struct record r;

		memcpy(&r, data, sizeof(r));
		do_record(&r, num);
	}
	world_loop();
	world_check();
	return 0;
}
