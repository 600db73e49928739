/*
 * The control server on a fake stream, with real VMs behind it: every request, events, a slow reader, and frames that an
 * enemy would send.
 */
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

static size_t line_write(struct stream_backend *s, const void *bytes, size_t count)
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

static size_t line_read(struct stream_backend *s, void *to, size_t size)
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
static void make_pack(void)
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

static void make_machine(struct machine_record *m)
{
	*m = (struct machine_record){ .timebase = SECOND, .hart_count = 2, .ram_count = 1 };
	m->hart_ids[1] = 1;
	m->ram[0] = (struct machine_range){ host->ram, RAM };
	m->pack = (struct machine_range){ host->ram + PACK_AT, MIB(1) };
}

static int set_up(void **state)
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

static void poll(void)
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
static bool receive(void)
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

static void put_bytes(const void *bytes, size_t count)
{
	assert_true(count <= STREAM_SIZE - line.in_to);
	memcpy(line.in + line.in_to, bytes, count);
	line.in_to += count;
}

static void send(struct ctl_header header, const void *bytes, size_t count)
{
	static u8 frame[FRAME_MAX];

	put_bytes(frame, frame_encode(frame, sizeof(frame), &header, bytes, count));
}

/* Events that came before a reply are forgotten. */
static s32 ask(u16 type, u32 vm, const void *bytes, size_t count)
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

static s32 ask32(u16 type, u32 value)
{
	return ask(type, 0, &value, sizeof(value));
}

static s32 ask64(u16 type, u64 value)
{
	return ask(type, 0, &value, sizeof(value));
}

/* The next event of this type; others are skipped. */
static bool event(u16 type)
{
	poll();
	while (receive())
		if (got.type == type) {
			assert_int_equal(got.tag, 0);
			return true;
		}
	return false;
}

static u32 state_told(void)
{
	struct ctl_vm vm;

	assert_int_equal(got.length, sizeof(vm));
	memcpy(&vm, payload, sizeof(vm));
	assert_int_equal(vm.index, got.vm);
	return vm.run_state;
}

static u64 offset_told(void)
{
	u64 offset;

	memcpy(&offset, payload, sizeof(offset));
	return offset;
}

static size_t console_bytes(void)
{
	return got.length - sizeof(u64);
}

/* ---- Questions ---- */

static void test_hello(void **state)
{
	struct ctl_host h;

	(void)state;
	assert_true(event(CTL_EVENT_LIFE));
	assert_int_equal(got.length, sizeof(h));
	assert_int_equal(ask(CTL_HELLO, 0, NULL, 0), 0);
	assert_int_equal(got.length, sizeof(h));
	memcpy(&h, payload, sizeof(h));
	assert_int_equal(h.protocol, CTL_VERSION);
	assert_int_equal(h.estate_version, ESTATE_VERSION);
	assert_int_equal(h.life, 1);
	assert_int_equal(h.timebase, SECOND);
	assert_int_equal(h.memory, RAM);
	assert_true(h.memory_free < RAM);
	assert_int_equal(h.harts, 2);
	assert_int_equal(h.vms, 2);
	assert_int_equal(h.vcpus, 3);
	assert_string_equal(h.build, "0123456789abcdef");
	/* Told once. */
	assert_false(event(CTL_EVENT_LIFE));
}

static void test_ps(void **state)
{
	struct ctl_vm vm[2];

	(void)state;
	assert_int_equal(ask32(CTL_PS, 0), 0);
	assert_int_equal(got.length, sizeof(vm));
	memcpy(vm, payload, sizeof(vm));
	assert_string_equal(vm[0].name, "one");
	assert_string_equal(vm[1].name, "two");
	assert_int_equal(vm[1].index, 1);
	assert_int_equal(vm[1].vcpus, 2);
	assert_int_equal(vm[0].run_state, VM_STOPPED);
	assert_int_equal(vm[0].memory, MIB(16));
	assert_int_equal(vm[0].touched, 0);
	assert_int_equal(vm[0].flags, 0);

	assert_int_equal(ask32(CTL_PS, 1), 0);
	assert_int_equal(got.length, sizeof(vm[0]));
	assert_int_equal(ask32(CTL_PS, 2), 0);
	assert_int_equal(got.length, 0);
	assert_int_equal(ask32(CTL_PS, ~0u), 0);
	assert_int_equal(got.length, 0);
	assert_int_equal(ask64(CTL_PS, 0), -EINVAL);
	assert_int_equal(ask(CTL_PS, 0, NULL, 0), -EINVAL);

	assert_int_equal(ask(CTL_VM_START, 0, NULL, 0), 0);
	assert_int_equal(ask32(CTL_PS, 0), 0);
	memcpy(vm, payload, sizeof(vm));
	assert_int_equal(vm[0].run_state, VM_RUNNING);
	assert_true(vm[0].touched >= BLOCK_SIZE && vm[0].touched <= MIB(16));
}

static void test_top(void **state)
{
	struct ctl_vcpu v[3];

	(void)state;
	assert_int_equal(ask(CTL_VM_START, 1, NULL, 0), 0);
	assert_int_equal(ask32(CTL_TOP, 0), 0);
	assert_int_equal(got.length, sizeof(v));
	memcpy(v, payload, sizeof(v));
	assert_int_equal(v[0].vm, 0);
	assert_int_equal(v[2].vm, 1);
	assert_int_equal(v[2].id, 1);
	assert_int_equal(v[1].state, VCPU_RUNNABLE);
	assert_int_equal(v[2].state, VCPU_STOPPED);
	assert_int_equal(ask32(CTL_TOP, 2), 0);
	assert_int_equal(got.length, sizeof(v[0]));
	assert_int_equal(ask32(CTL_TOP, ~0u), 0);
	assert_int_equal(got.length, 0);
}

/* The record of a crash comes in pieces, cut before what looks like a frame. */
static void test_crash_record(void **state)
{
	static u8 whole[CRASH_RECORD_STRIDE];
	struct ctl_crash_at at = { 0 };
	struct ctl_crash_data head;
	struct crash_record *c = estate_crash(5);
	const size_t size = sizeof(*c) + 2 * sizeof(struct crash_hart);

	(void)state;
	assert_int_equal(ask(CTL_CRASH_RECORD, 0, &at, sizeof(at)), -ENOENT);
	memset(c, 0x5a, size);
	c->life = 5;
	c->valid = 6;
	c->hart_count = 2;
	c->log_bytes = 0;
	memcpy(c->harts[1].stack + 8, "TCLF", 4);
	do {
		assert_int_equal(ask(CTL_CRASH_RECORD, 0, &at, sizeof(at)), 0);
		memcpy(&head, payload, sizeof(head));
		assert_int_equal(head.life, 5);
		assert_int_equal(head.size, size);
		assert_int_equal(head.offset, at.offset);
		assert_true(got.length > sizeof(head));
		memcpy(whole + at.offset, payload + sizeof(head), got.length - sizeof(head));
		at.offset += got.length - sizeof(head);
		assert_true(at.offset <= size);
	} while (at.offset < size);
	assert_memory_equal(whole, c, size);
	assert_int_equal(ask(CTL_CRASH_RECORD, 0, &at, sizeof(at)), 0);
	at.offset++;
	assert_int_equal(ask(CTL_CRASH_RECORD, 0, &at, sizeof(at)), -EINVAL);
	at = (struct ctl_crash_at){ .life = 4 };
	assert_int_equal(ask(CTL_CRASH_RECORD, 0, &at, sizeof(at)), -ENOENT);
	at.life = 5;
	assert_int_equal(ask(CTL_CRASH_RECORD, 0, &at, sizeof(at) - 1), -EINVAL);
}

static void test_log_and_lives(void **state)
{
	struct ctl_log head;
	struct ctl_life life;
	u64 from = 0;
	bool found = false;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		log_line("line %u, and the frame's magic: TCLF", i);
	do {
		assert_int_equal(ask64(CTL_LOG, from), 0);
		memcpy(&head, payload, sizeof(head));
		assert_true(head.offset >= from && head.head == log_head());
		from = head.offset + got.length - sizeof(head);
		found = found || memmem(payload, got.length, "line 499, ", 10);
		assert_null(memmem(payload, got.length, "TCLF", 4));
	} while (got.length > sizeof(head));
	assert_true(found);
	assert_int_equal(from, log_head());
	assert_int_equal(ask64(CTL_LOG, ~0ull), 0);
	assert_int_equal(got.length, sizeof(head));

	assert_int_equal(ask64(CTL_LIVES, 0), 0);
	assert_int_equal(got.length, sizeof(life));
	memcpy(&life, payload, sizeof(life));
	assert_int_equal(life.number, 1);
	assert_int_equal(ask64(CTL_LIVES, 2), 0);
	assert_int_equal(got.length, 0);
	assert_int_equal(ask64(CTL_LIVES, ~0ull), 0);
	assert_int_equal(got.length, 0);

	/* A long history: the newest 64 are there, a reply has those that fit. */
	for (u64 n = 2; n <= 100; n++)
		*estate_life(n) = (struct life_record){ .number = n };
	assert_int_equal(ask64(CTL_LIVES, 0), 0);
	memcpy(&life, payload, sizeof(life));
	assert_int_equal(life.number, 100 - LIFE_COUNT + 1);
	assert_int_equal(got.length, CTL_PAYLOAD_MAX / sizeof(life) * sizeof(life));
	assert_int_equal(ask64(CTL_LIVES, 98), 0);
	assert_int_equal(got.length, 3 * sizeof(life));
	/* A number that an enemy wrote. */
	estate_life(100)->number = ~0ull;
	assert_int_equal(ask64(CTL_LIVES, 0), 0);
	assert_int_equal(ask64(CTL_LIVES, ~0ull), 0);
}

/* ---- Operations on VMs ---- */

static void test_operations(void **state)
{
	(void)state;
	assert_int_equal(ask(CTL_VM_START, 0, NULL, 0), 0);
	assert_true(event(CTL_EVENT_VM));
	assert_int_equal(state_told(), VM_RUNNING);
	assert_int_equal(ask(CTL_VM_START, 0, NULL, 0), -EBUSY);
	assert_false(event(CTL_EVENT_VM));
	assert_int_equal(ask(CTL_VM_PAUSE, 0, NULL, 0), 0);
	assert_true(event(CTL_EVENT_VM));
	assert_int_equal(state_told(), VM_PAUSED);
	assert_int_equal(ask(CTL_VM_RESUME, 0, NULL, 0), 0);
	assert_true(event(CTL_EVENT_VM));
	assert_int_equal(state_told(), VM_RUNNING);
	/* The state is the same afterwards, but it is another boot. */
	assert_int_equal(ask(CTL_VM_RESET, 0, NULL, 0), 0);
	assert_true(event(CTL_EVENT_VM));
	assert_int_equal(state_told(), VM_RUNNING);
	assert_int_equal(ask(CTL_VM_STOP, 0, NULL, 0), 0);
	assert_true(event(CTL_EVENT_VM));
	assert_int_equal(state_told(), VM_STOPPED);
	assert_int_equal(ask(CTL_VM_STOP, 0, NULL, 0), 0);
	assert_int_equal(ask(CTL_VM_PAUSE, 0, NULL, 0), -EBUSY);

	for (unsigned n = CTL_VM_START; n <= CTL_CONSOLE_INPUT; n++) {
		u16 type = (u16)n;

		assert_int_equal(ask(type, 2, NULL, 0), -ENOENT);
		assert_int_equal(ask(type, MAX_VMS, NULL, 0), -ENOENT);
		assert_int_equal(ask(type, ~0u, NULL, 0), -ENOENT);
		if (type != CTL_CONSOLE_INPUT)
			assert_int_equal(ask(type, 0, "x", 1), -EINVAL);
	}
}

static void test_input(void **state)
{
	static u8 text[1000];
	u32 taken, more;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(ask(CTL_CONSOLE_INPUT, 0, text, 10), -ENXIO);
	assert_int_equal(ask(CTL_VM_START, 0, NULL, 0), 0);
	assert_int_equal(ask(CTL_CONSOLE_INPUT, 0, text, 10), 0);
	assert_int_equal(got.length, sizeof(taken));
	memcpy(&taken, payload, sizeof(taken));
	assert_int_equal(taken, 10);
	assert_int_equal(vms[0]->s->uart.rx_head - vms[0]->s->uart.rx_tail, 10);
	/* As much as fits. */
	assert_int_equal(ask(CTL_CONSOLE_INPUT, 0, text, sizeof(text)), 0);
	memcpy(&more, payload, sizeof(more));
	assert_true(more < sizeof(text));
	assert_int_equal(vms[0]->s->uart.rx_head - vms[0]->s->uart.rx_tail, 10 + more);
	/* A virtio-console without a driver: to the UART. */
	assert_int_equal(ask(CTL_VM_START, 1, NULL, 0), 0);
	assert_int_equal(ask(CTL_CONSOLE_INPUT, 1, text, 7), 0);
	assert_int_equal(vms[1]->s->uart.rx_head - vms[1]->s->uart.rx_tail, 7);
	/* With one, but no buffers: not lost, not to the UART. */
	vms[1]->s->dev[0].status = 15;
	assert_int_equal(ask(CTL_CONSOLE_INPUT, 1, text, 7), 0);
	memcpy(&taken, payload, sizeof(taken));
	assert_int_equal(taken, 0);
	assert_int_equal(vms[1]->s->uart.rx_head - vms[1]->s->uart.rx_tail, 7);
}

/* ---- Console output ---- */

static void print(unsigned vm, const void *bytes, size_t count)
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

static void acknowledge(u32 vm, u64 offset)
{
	send((struct ctl_header){ .type = CTL_CONSOLE_ACK, .vm = vm }, &offset, sizeof(offset));
	poll();
}

static void test_console(void **state)
{
	(void)state;
	print(0, "hello", 5);
	assert_true(event(CTL_EVENT_CONSOLE));
	assert_int_equal(got.vm, 0);
	assert_int_equal(offset_told(), 0);
	assert_int_equal(console_bytes(), 5);
	assert_memory_equal(payload + 8, "hello", 5);

	/* Little waits for the acknowledgement of what is on its way. */
	print(0, " world", 6);
	assert_false(event(CTL_EVENT_CONSOLE));
	assert_int_equal(control_next(), host->now + SECOND);
	acknowledge(0, 5);
	assert_int_equal(vms[0]->console->sent, 5);
	assert_true(event(CTL_EVENT_CONSOLE));
	assert_int_equal(offset_told(), 5);
	assert_memory_equal(payload + 8, " world", 6);

	/* Not acknowledged: sent again after a second, with what has come since; and after a greeting at once. */
	print(0, "!", 1);
	host->now += SECOND / 2;
	assert_false(event(CTL_EVENT_CONSOLE));
	host->now += SECOND / 2;
	assert_true(event(CTL_EVENT_CONSOLE));
	assert_int_equal(offset_told(), 5);
	assert_memory_equal(payload + 8, " world!", 7);
	assert_int_equal(ask(CTL_HELLO, 0, NULL, 0), 0);
	assert_true(event(CTL_EVENT_CONSOLE));
	assert_int_equal(offset_told(), 5);
	acknowledge(0, 12);
	assert_int_equal(control_next(), ~0ull);
	host->now += 10 * SECOND;
	assert_false(event(CTL_EVENT_CONSOLE));

	/* Acknowledgements that are none. */
	acknowledge(0, 13);
	acknowledge(0, ~0ull);
	acknowledge(0, 3);
	acknowledge(1, 1);
	acknowledge(7, 1);
	acknowledge(~0u, 1);
	assert_int_equal(vms[0]->console->sent, 12);
	assert_int_equal(vms[1]->console->sent, 0);
	assert_false(receive());
}

/* Nobody acknowledges: a bounded amount is sent, and when somebody does, all that the ring still has follows. */
static void test_console_window(void **state)
{
	static u8 text[100000];
	u64 end, sent = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (u8)('a' + i % 26);
	for (unsigned i = 0; i < 10; i++) {
		print(1, text + i * 10000, 10000);
		poll();
	}
	end = vms[1]->console->head;
	assert_true(line.out_to < 40000);
	while (event(CTL_EVENT_CONSOLE))
		sent = offset_told() + console_bytes();
	assert_true(sent >= 8192 && sent <= 32768);
	acknowledge(1, sent);
	while (event(CTL_EVENT_CONSOLE)) {
		u64 offset = offset_told();

		assert_true(offset >= sent); /* a gap once, for what was lost */
		assert_memory_equal(payload + 8, text + offset, console_bytes());
		sent = offset + console_bytes();
		acknowledge(1, sent);
	}
	assert_int_equal(sent, end);
	assert_int_equal(vms[1]->console->sent, end);
}

/* What a guest prints is no frame, wherever a receiver begins to look. */
static void test_console_forgery(void **state)
{
	static u8 forged[FRAME_MAX];
	struct ctl_header header = { .type = CTL_EVENT_LIFE };
	struct ctl_host fake = { .life = 666 };
	size_t n = frame_encode(forged, sizeof(forged), &header, &fake, sizeof(fake));
	size_t seen = 0;

	(void)state;
	print(0, forged, n);
	poll();
	while (receive()) {
		if (got.type != CTL_EVENT_CONSOLE)
			continue;
		assert_null(memmem(payload, got.length, "TCLF", 4));
		assert_memory_equal(payload + 8, forged + seen, console_bytes());
		seen += console_bytes();
		if (seen < n)
			acknowledge(0, seen);
	}
	assert_int_equal(seen, n);
	for (size_t start = 1; start < line.out_to; start++) {
		memset(&decoder, 0, sizeof(decoder));
		line.out_from = start;
		while (receive())
			if (got.type == CTL_EVENT_LIFE)
				assert_int_not_equal(payload[8] | payload[9] << 8, 666);
	}
}

/* ---- Enemies, and slow friends ---- */

static void test_unknown(void **state)
{
	static const u16 types[] = { 0, 19, 24, 99, 100, 101, 102, 1000, 0x7fff };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(ask(types[i], 0, NULL, 0), -ENOSYS);
		assert_int_equal(got.length, 0);
		assert_int_equal(ask(types[i], ~0u, line.in + STREAM_SIZE / 2, CTL_PAYLOAD_MAX),
				 -ENOSYS); /* zeroes */
	}
	poll();
	while (receive())
		;
	/* Replies are not answered. */
	send((struct ctl_header){ .type = CTL_HELLO | CTL_REPLY, .tag = 5 }, NULL, 0);
	send((struct ctl_header){ .type = 0xffff, .tag = 6 }, NULL, 0);
	poll();
	assert_false(receive());
}

static void test_version(void **state)
{
	u8 frame[FRAME_MAX];
	struct ctl_header header = { .type = CTL_VM_STOP, .tag = 77 };
	size_t n = frame_encode(frame, sizeof(frame), &header, NULL, 0);

	(void)state;
	header.version = 2;
	header.crc = 0;
	header.crc = crc32c(0, &header, sizeof(header));
	memcpy(frame, &header, sizeof(header));
	put_bytes(frame, n);
	poll();
	do
		assert_true(receive());
	while (got.tag != 77);
	assert_int_equal(got.status, -EPROTO);
}

/* A reader that takes little: requests wait, no reply is lost, nothing is queued without bound. */
static void test_slow_reader(void **state)
{
	static u8 text[5000];
	unsigned answered = 0, polls = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	line.out_room = 0;
	for (u32 i = 1; i <= 3000; i++)
		send((struct ctl_header){ .type = CTL_LOG, .tag = i }, &(u64){ 0 }, sizeof(u64));
	print(0, text, sizeof(text));
	for (unsigned i = 0; i < 100; i++)
		poll();
	assert_int_equal(line.out_to, 0);
	assert_true(line.in_to - line.in_from > 100 * 40); /* they wait in the stream */
	while (answered < 3000) {
		line.out_room = 100 + polls % 1000;
		poll();
		assert_true(++polls < 100000);
		while (receive()) {
			if (got.type == CTL_EVENT_CONSOLE)
				acknowledge(got.vm, offset_told() + console_bytes());
			if (!(got.type & CTL_REPLY))
				continue;
			assert_int_equal(got.tag, ++answered);
			assert_int_equal(got.status, 0);
		}
	}
	line.out_room = STREAM_SIZE;
	poll();
	assert_int_equal(vms[0]->console->head, sizeof(text));
}

static u64 seed = 88172645463325252ull;

/* xorshift64 (Marsaglia) */
static u64 dice(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* Frames with good checksums and bad contents, broken frames, noise. The server goes on, and answers at the end. */
static void test_hostile(void **state)
{
	static u8 bytes[CTL_PAYLOAD_MAX];

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct ctl_header header = { .type = (u16)dice(20),
					     .vm = (u32)dice(4),
					     .tag = (u32)dice(~0u) };
		size_t n = dice(3) ? dice(24) : dice(sizeof(bytes) + 1);
		size_t before = line.in_to;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (u8)(dice(2) ? 0 : dice(256));
		/* These end the life, as they should. */
		if (header.type == CTL_CRASH && n == 4)
			memset(bytes, 0x55, 4);
		if (header.type == CTL_POWEROFF)
			header.type = CTL_TOP;
		if (!dice(10))
			header.vm = (u32)dice(~0u);
		send(header, bytes, n);
		if (!dice(3))
			line.in[before + dice(line.in_to - before)] ^= (u8)(1 + dice(255));
		if (!dice(5))
			line.in_to -= dice(line.in_to - before);
		if (!dice(2))
			poll();
		while (receive())
			;
		if (line.in_from == line.in_to)
			line.in_from = line.in_to = 0;
		if (line.out_from == line.out_to)
			line.out_from = line.out_to = 0;
		line.out_room = STREAM_SIZE - line.out_to;
		host->now += dice(SECOND);
	}
	for (unsigned i = 0; i < 100; i++)
		poll();
	/* What looks like the start of a long frame takes what follows with it: a request is repeated then. */
	memset(bytes, 0, sizeof(bytes));
	put_bytes(bytes, sizeof(bytes));
	for (unsigned i = 0; i < 100; i++)
		poll();
	assert_int_equal(ask(CTL_HELLO, 0, NULL, 0), 0);
}

/* A life ended while it read a frame, and another while it wrote one: both ends find the next frame. */
static void test_cut_frames(void **state)
{
	u8 frame[FRAME_MAX];
	struct ctl_header header = { .type = CTL_PS };
	size_t n = frame_encode(frame, sizeof(frame), &header, &(u32){ 0 }, 4);

	(void)state;
	put_bytes(frame + 10, n - 10);
	assert_int_equal(ask(CTL_HELLO, 0, NULL, 0), 0);
	put_bytes(frame, n - 10);
	assert_int_equal(ask(CTL_HELLO, 0, NULL, 0), 0);
}

/* ---- Ends ---- */

static void poll_once(void *unused)
{
	(void)unused;
	poll();
}

static void test_crash(void **state)
{
	(void)state;
	assert_int_equal(ask32(CTL_CRASH, 5), -EINVAL);
	assert_int_equal(ask32(CTL_CRASH, ~0u), -EINVAL);
	assert_int_equal(ask64(CTL_CRASH, 0), -EINVAL);
	send((struct ctl_header){ .type = CTL_CRASH, .tag = 9 }, &(u32){ CTL_CRASH_PANIC }, sizeof(u32));
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_ENDED);
	assert_int_equal(host->cause, LIFE_PANIC);
	assert_false(receive());
}

static void test_heir(void **state)
{
	(void)state;
	print(0, "before", 6);
	assert_true(event(CTL_EVENT_CONSOLE));
	/* The server of the heir: what was not acknowledged comes again, and an acknowledgement of it counts. */
	print(0, "!", 1);
	control_init();
	assert_true(event(CTL_EVENT_LIFE));
	assert_true(event(CTL_EVENT_CONSOLE) || got.type == CTL_EVENT_CONSOLE);
	assert_int_equal(offset_told(), 0);
	assert_memory_equal(payload + 8, "before!", 7);
	acknowledge(0, 6);
	control_init();
	acknowledge(0, 7);
	assert_int_equal(vms[0]->console->sent, 7);
	assert_false(event(CTL_EVENT_CONSOLE));
}

static void test_poweroff(void **state)
{
	(void)state;
	assert_int_equal(ask(CTL_VM_START, 0, NULL, 0), 0);
	send((struct ctl_header){ .type = CTL_POWEROFF, .tag = 9 }, NULL, 0);
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_OFF);
	do
		assert_true(receive());
	while (got.type != (CTL_POWEROFF | CTL_REPLY));
	assert_int_equal(got.status, 0);
	assert_int_equal(vms[0]->s->run_state, VM_STOPPED);
}

/* Nobody reads: the machine goes off nevertheless. */
static void test_poweroff_unread(void **state)
{
	(void)state;
	poll();
	line.out_room = 0;
	send((struct ctl_header){ .type = CTL_POWEROFF, .tag = 9 }, NULL, 0);
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_RETURNED);
	host->now += SECOND;
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_OFF);
}

static void test_no_stream(void **state)
{
	(void)state;
	control_stream = NULL;
	poll();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_hello, set_up),
		cmocka_unit_test_setup(test_ps, set_up),
		cmocka_unit_test_setup(test_top, set_up),
		cmocka_unit_test_setup(test_log_and_lives, set_up),
		cmocka_unit_test_setup(test_crash_record, set_up),
		cmocka_unit_test_setup(test_operations, set_up),
		cmocka_unit_test_setup(test_input, set_up),
		cmocka_unit_test_setup(test_console, set_up),
		cmocka_unit_test_setup(test_console_window, set_up),
		cmocka_unit_test_setup(test_console_forgery, set_up),
		cmocka_unit_test_setup(test_unknown, set_up),
		cmocka_unit_test_setup(test_version, set_up),
		cmocka_unit_test_setup(test_slow_reader, set_up),
		cmocka_unit_test_setup(test_hostile, set_up),
		cmocka_unit_test_setup(test_cut_frames, set_up),
		cmocka_unit_test_setup(test_crash, set_up),
		cmocka_unit_test_setup(test_heir, set_up),
		cmocka_unit_test_setup(test_poweroff, set_up),
		cmocka_unit_test_setup(test_poweroff_unread, set_up),
		cmocka_unit_test_setup(test_no_stream, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
