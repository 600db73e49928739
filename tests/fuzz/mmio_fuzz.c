/*
 * A guest that accesses its devices in any order, with any value.
 *
 * Input: records of 8 bytes: what to do, width, register (2), value (4).
 */
#include "tests/fuzz/device_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
	u8 what;
	u8 width;
	u16 reg;
	u32 value;
};

/* Base of the device that a record means, and how far its registers reach. */
static u64 device_base(unsigned n, u64 *reach)
{
	switch (n % 8) {
	case 0:
		*reach = 16;
		return GUEST_UART_BASE;
	case 1:
		*reach = 0x3000;
		return GUEST_PLIC_BASE;
	case 2:
		*reach = 0x4000;
		return GUEST_PLIC_BASE + 0x200000;
	default:
		*reach = 0x140;
		return GUEST_VIRTIO_BASE + (n % 8 - 3) * GUEST_VIRTIO_STRIDE;
	}
}

static void do_record(const struct record *r)
{
	const u8 bytes[3] = { (u8)r->value, 'a', 'b' };
	u64 reach, value = r->value;
	u64 at = device_base(r->what, &reach);
	unsigned width = 1u << (r->width & 3);

	/* Small values as addresses in RAM, so that queues can be where memory is. */
	if (r->width & 4)
		value = GUEST_RAM_BASE + (r->value & 0x3fff0);
	switch (r->width >> 5) {
	case 0:
		world_loop();
		break;
	case 1:
		uart_input(vms[0], arch_txn(), bytes, sizeof(bytes));
		break;
	case 2:
		virtio_console_input(vms[0], arch_txn(), bytes, sizeof(bytes));
		break;
	case 3:
		MUST(!guest_write(vms[0], GPA(GUEST_RAM_BASE + (u64)r->reg * 4), &r->value, 4));
		break;
	default:
		at += r->reg % reach;
		guest_access(0, r->what >> 7, r->width & 8 ? at : ALIGN_DOWN(at, 4ull),
			     r->width & 16 ? width : 4, r->width >> 6 & 1, &value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world_reset();
	for (; size >= sizeof(struct record); size -= sizeof(struct record), data += sizeof(struct record)) {
		struct record r;

		memcpy(&r, data, sizeof(r));
		do_record(&r);
	}
	world_loop();
	world_check();
	return 0;
}
