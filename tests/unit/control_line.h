/*
 * A host with two VMs whose control server is on a fake stream, and the command's end of that stream.
 */
#ifndef TESTS_UNIT_CONTROL_LINE_H
#define TESTS_UNIT_CONTROL_LINE_H

#include "arch/host/host.h"
#include "core/arch.h"
#include "core/control/control.h"
#include "core/control/frame.h"
#include "core/devices/backend.h"
#include "core/devices/console.h"
#include "core/estate/estate.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/memory/pages.h"
#include "core/survive/life.h"
#include "core/vm/vm.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RAM	MIB(256)
#define PACK_AT MIB(128) /* in it */
#define SECOND	10000000ull

/* ---- The stream ---- */

#define STREAM_SIZE (4u << 20)

static struct {
	u8 in[STREAM_SIZE], out[STREAM_SIZE]; /* towards the host, and from it */
	size_t in_from, in_to, out_from, out_to;
	size_t out_room; /* bytes that the stream still takes */
} line;

static inline size_t line_write(struct stream_backend *s, const void *bytes, size_t count)
{
	(void)s;
	if (count > line.out_room)
		count = line.out_room;
	assert_true(count <= STREAM_SIZE - line.out_to);
	memcpy(line.out + line.out_to, bytes, count);
	line.out_to += count;
	line.out_room -= count;
	return count;
}

static inline size_t line_read(struct stream_backend *s, void *to, size_t size)
{
	size_t have = line.in_to - line.in_from;

	(void)s;
	if (size > have)
		size = have;
	memcpy(to, line.in + line.in_from, size);
	line.in_from += size;
	return size;
}

static struct stream_backend stream = { .write = line_write, .read = line_read };
struct stream_backend *control_stream;

/* ---- The host ---- */

/* A pack of two VMs whose kernel is a page of nothing; the second has a virtio-console. */
static inline void make_pack(void)
{
	struct {
		struct pack_header header;
		struct pack_item item;
		struct vm_config vm[2];
	} *p = (void *)(uintptr_t)(host->ram + PACK_AT);
	size_t tables = sizeof(*p);

	p->header = (struct pack_header){ .magic = PACK_MAGIC,
					  .version = PACK_VERSION,
					  .header_size = sizeof(p->header),
					  .total_size = ALIGN_UP(tables, PAGE_SIZE) + PAGE_SIZE,
					  .item_count = 1,
					  .vm_count = 2 };
	p->item = (struct pack_item){ .offset = ALIGN_UP(tables, PAGE_SIZE),
				      .size = PAGE_SIZE,
				      .name = "kernel" };
	for (unsigned i = 0; i < 2; i++) {
		p->vm[i] = (struct vm_config){
			.memory = MIB(16), .vcpus = i + 1, .kernel_item = 0, .initrd_item = VM_NO_ITEM
		};
		strcpy(p->vm[i].name, i ? "two" : "one");
	}
	p->vm[1].devices[0].kind = VM_DEV_CONSOLE;
	p->header.crc = crc32c(0, p, tables);
}

static inline void make_machine(struct machine_record *m)
{
	*m = (struct machine_record){ .timebase = SECOND, .hart_count = 2, .ram_count = 1 };
	m->hart_ids[1] = 1;
	m->ram[0] = (struct machine_range){ host->ram, RAM };
	m->pack = (struct machine_range){ host->ram + PACK_AT, MIB(1) };
}

static inline int set_up(void **state)
{
	struct machine_record machine;

	(void)state;
	host_start(RAM, 2);
	make_pack();
	make_machine(&machine);
	pages_init((void *)(uintptr_t)(host_slot(1) + MIB(1)), MIB(6));
	assert_int_equal(estate_create(host->ram + LAYOUT_ESTATE_OFFSET, &machine), 0);
	log_open(estate.log);
	life_begin(false, host_slot(1), 0, arch_time(), NULL);
	assert_int_equal(vm_open_pack(), 0);
	vm_create_all();
	assert_non_null(vms[0]);
	assert_non_null(vms[1]);
	memset(&line, 0, sizeof(line));
	line.out_room = STREAM_SIZE;
	control_stream = &stream;
	strcpy(control_build, "0123456789abcdef");
	control_init();
	return 0;
}

static inline void poll(void)
{
	struct txn t;

	txn_begin(&t, &estate.harts[0].redo);
	control_poll(&t);
}

/* ---- The other end ---- */

static struct frame_decoder decoder;
static struct ctl_header got; /* the frame received last */
static u8 payload[CTL_PAYLOAD_MAX];
static u32 tag;

/* The next frame from the host; false: none. */
static inline bool receive(void)
{
	const u8 *at;

	for (;;) {
		size_t n;

		if (frame_next(&decoder, &got, &at)) {
			memcpy(payload, at, got.length);
			return true;
		}
		if (line.out_from == line.out_to)
			return false;
		n = frame_put(&decoder, line.out + line.out_from, line.out_to - line.out_from);
		line.out_from += n;
	}
}

static inline void put_bytes(const void *bytes, size_t count)
{
	assert_true(count <= STREAM_SIZE - line.in_to);
	memcpy(line.in + line.in_to, bytes, count);
	line.in_to += count;
}

static inline void send(struct ctl_header header, const void *bytes, size_t count)
{
	static u8 frame[FRAME_MAX];

	put_bytes(frame, frame_encode(frame, sizeof(frame), &header, bytes, count));
}

/* Events that came before a reply are forgotten. */
static inline s32 ask(u16 type, u32 vm, const void *bytes, size_t count)
{
	tag++;
	send((struct ctl_header){ .type = type, .vm = vm, .tag = tag }, bytes, count);
	poll();
	while (receive())
		if (got.type == (type | CTL_REPLY) && got.tag == tag) {
			assert_int_equal(got.vm, vm);
			return got.status;
		}
	fail_msg("no reply to a request of type %u", type);
	return 0;
}

static inline s32 ask32(u16 type, u32 value)
{
	return ask(type, 0, &value, sizeof(value));
}

static inline s32 ask64(u16 type, u64 value)
{
	return ask(type, 0, &value, sizeof(value));
}

/* The next event of this type; others are skipped. */
static inline bool event(u16 type)
{
	poll();
	while (receive())
		if (got.type == type) {
			assert_int_equal(got.tag, 0);
			return true;
		}
	return false;
}

static inline u32 state_told(void)
{
	struct ctl_vm vm;

	assert_int_equal(got.length, sizeof(vm));
	memcpy(&vm, payload, sizeof(vm));
	assert_int_equal(vm.index, got.vm);
	return vm.run_state;
}

static inline u64 offset_told(void)
{
	u64 offset;

	memcpy(&offset, payload, sizeof(offset));
	return offset;
}

static inline size_t console_bytes(void)
{
	return got.length - sizeof(u64);
}

/* ---- Console output ---- */

static inline void print(unsigned vm, const void *bytes, size_t count)
{
	struct txn t;

	for (size_t done = 0; done < count;) {
		size_t part = count - done < 1000 ? count - done : 1000;

		txn_begin(&t, &estate.harts[0].redo);
		lock_take(&vms[vm]->dev_lock);
		console_stage(vms[vm], &t, (const u8 *)bytes + done, part);
		txn_commit(&t);
		lock_release(&vms[vm]->dev_lock);
		done += part;
	}
}

static inline void acknowledge(u32 vm, u64 offset)
{
	send((struct ctl_header){ .type = CTL_CONSOLE_ACK, .vm = vm }, &offset, sizeof(offset));
	poll();
}

#endif
