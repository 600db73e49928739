/* A host whose VMs come from a boot pack; see packed.h. */
#include "tests/exits/packed.h"
#include "arch/riscv64/hart.h"
#include "core/control/frame.h"
#include "core/lib/crc32c.h"
#include "tests/exits/box.h"
#include "tests/exits/devices.h"
#include <string.h>

#define RAM	  MIB(64)
#define GUEST_RAM MIB(8)
#define PACK_SIZE KIB(64)

/* ---- The pack ---- */

struct tables {
	struct pack_header header;
	struct pack_item item;
	struct vm_config vm[2];
};

HOST_KEEP static enum packed_extra extra;

static void write_pack(struct machine_record *m)
{
	struct tables *p = (void *)(uintptr_t)(host->ram + RAM - MIB(2));
	u8 *kernel = (u8 *)p + ALIGN_UP(sizeof(*p), PAGE_SIZE);

	memset(p, 0, sizeof(*p));
	p->header = (struct pack_header){ .magic = PACK_MAGIC,
					  .version = PACK_VERSION,
					  .header_size = sizeof(p->header),
					  .total_size = ALIGN_UP(sizeof(*p), PAGE_SIZE) + PAGE_SIZE,
					  .item_count = 1,
					  .vm_count = 2 };
	p->item = (struct pack_item){ .offset = ALIGN_UP(sizeof(*p), PAGE_SIZE),
				      .size = PAGE_SIZE,
				      .name = "kernel" };
	for (unsigned n = 0; n < 2; n++) {
		p->vm[n] = (struct vm_config){ .memory = GUEST_RAM,
					       .vcpus = n ? 1 : 3,
					       .initrd_item = VM_NO_ITEM,
					       .autostart = 1,
					       .on_reboot = VM_ACTION_RESTART,
					       .on_crash = VM_ACTION_RESTART };
		strcpy(p->vm[n].name, n ? "other" : "first");
	}
	p->vm[0].devices[0].kind = VM_DEV_CONSOLE;
	p->vm[0].devices[1].kind = VM_DEV_RNG;
	if (extra == PACKED_LACKING)
		p->vm[1].devices[0].kind = VM_DEV_BLK;
	if (extra == PACKED_BOX)
		box_make(m);
	for (unsigned n = 0; n < PAGE_SIZE; n++)
		kernel[n] = (u8)(n * 7 + 1);
	p->header.crc = crc32c(0, p, sizeof(*p));
	m->pack = (struct machine_range){ (u64)(uintptr_t)p, PACK_SIZE };
}

void packed_power_on(enum packed_extra with)
{
	extra = with;
	devices.with_disks = with == PACKED_BOX;
	devices.with_network = false;
	devices.with_stream = true;
	exits_power_on(RAM, PACKED_HARTS, write_pack);
}

void packed_start(void)
{
	packed_power_on(PACKED_PLAIN);
	exits_first_life();
	exits_schedule();
}

void packed_settle(void)
{
	for (unsigned n = 0; n < 20; n++)
		exits_schedule();
}

/* ---- The command ---- */

#define ROUNDS 10

HOST_KEEP static struct {
	struct ctl_header header;
	u8 payload[256];
	size_t bytes;
	bool answered;
	s32 status;
} request;
HOST_KEEP static struct frame_decoder decoder;
HOST_KEEP static u8 reply[CTL_PAYLOAD_MAX];
HOST_KEEP static size_t reply_bytes;

static void receive(void)
{
	struct ctl_header got;
	const u8 *at;

	for (;;) {
		while (frame_next(&decoder, &got, &at)) {
			if (got.tag != request.header.tag || got.type != (request.header.type | CTL_REPLY))
				continue;
			request.answered = true;
			request.status = got.status;
			reply_bytes = got.length;
			memcpy(reply, at, got.length);
		}
		if (devices.out_from == devices.out_to)
			return;
		devices.out_from += frame_put(&decoder, devices.out + devices.out_from,
					      devices.out_to - devices.out_from);
	}
}

void packed_ask_again(void)
{
	static u8 frame[FRAME_MAX];
	size_t bytes = frame_encode(frame, sizeof(frame), &request.header, request.payload, request.bytes);

	if (bytes > DEVICES_LINE_BYTES - devices.in_to)
		host_fail("too much for the line");
	memcpy(devices.in + devices.in_to, frame, bytes);
	devices.in_to += bytes;
	for (unsigned n = 0; n < ROUNDS; n++) {
		exits_schedule();
		receive();
		if (request.answered)
			break;
		exits_advance(estate.machine.timebase / 1000);
	}
}

void packed_ask(u16 type, u32 vm, const void *payload, size_t bytes)
{
	static u32 tag;

	if (bytes > sizeof(request.payload))
		host_fail("too long a request");
	memset(&request, 0, sizeof(request));
	tag++;
	request.header = (struct ctl_header){ .type = type, .vm = vm, .tag = tag };
	request.bytes = bytes;
	if (bytes)
		memcpy(request.payload, payload, bytes);
	packed_ask_again();
}

bool packed_answered(s32 *status)
{
	receive();
	*status = request.status;
	return request.answered;
}

const u8 *packed_payload(size_t *bytes)
{
	*bytes = reply_bytes;
	return reply;
}
