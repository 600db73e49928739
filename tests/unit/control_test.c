/* The control server: requests and events, ends of lives and of the machine. The stream itself: control_stream_test.c. */
#include "core/private/private.h"
#include "tests/unit/control_line.h"

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

static u8 asked_nonce[PRIVATE_NONCE_SIZE];
static u32 busy;

static int fake_warden(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value)
{
	const struct private_request *request = (const struct private_request *)a1;
	struct private_report *report = (struct private_report *)a2;

	(void)a3, (void)a4, (void)value;
	assert_int_equal(call, PRIVATE_REPORT);
	assert_int_equal(a0, 5);
	if (busy && busy--)
		return -EAGAIN;
	memcpy(asked_nonce, request->nonce, sizeof(asked_nonce));
	*report = (struct private_report){ .magic = PRIVATE_REPORT_MAGIC, .size = sizeof(*report) };
	return 0;
}

static void make_confidential(struct vm *vm)
{
	vm->config.flags |= VM_CONFIDENTIAL;
	vm->config.private_number = 5;
	vm->config.kept.size = BLOCK_SIZE;
	assert_int_equal(private_create(vm), 0);
}

static void test_attest(void **state)
{
	struct private_request request = { { 1, 2, 3 } };
	struct private_report report;

	(void)state;
	assert_int_equal(ask(CTL_ATTEST, 1, &request, sizeof(request)), -EOPNOTSUPP);
	make_confidential(vms[1]);
	assert_int_equal(ask(CTL_ATTEST, 1, &request, sizeof(request)), -ENXIO);
	vms[1]->s->run_state = VM_RUNNING;
	assert_int_equal(ask(CTL_ATTEST, 1, &request, sizeof(request)), -ENOSYS);
	host->on_private = fake_warden;
	busy = 3;
	assert_int_equal(ask(CTL_ATTEST, 1, &request, sizeof(request)), 0);
	assert_int_equal(got.length, sizeof(report));
	memcpy(&report, payload, sizeof(report));
	assert_int_equal(report.magic, PRIVATE_REPORT_MAGIC);
	assert_memory_equal(asked_nonce, request.nonce, sizeof(asked_nonce));
	busy = ~0u;
	assert_int_equal(ask(CTL_ATTEST, 1, &request, sizeof(request)), -EAGAIN);
	assert_int_equal(ask(CTL_ATTEST, 1, &request, sizeof(request) - 1), -EINVAL);
	assert_int_equal(ask(CTL_ATTEST, 7, &request, sizeof(request)), -ENOENT);
}

/* Nobody reads its memory for a dump. */
static void test_confidential_dump(void **state)
{
	const struct ctl_dump_begin begin = { .id = 1 };

	(void)state;
	make_confidential(vms[1]);
	vms[1]->s->run_state = VM_RUNNING;
	assert_int_equal(ask(CTL_DUMP_BEGIN, 1, &begin, sizeof(begin)), -EPERM);
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

/* ---- What is no request ---- */

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
	header.version = CTL_VERSION + 1;
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
		cmocka_unit_test_setup(test_attest, set_up),
		cmocka_unit_test_setup(test_confidential_dump, set_up),
		cmocka_unit_test_setup(test_operations, set_up),
		cmocka_unit_test_setup(test_input, set_up),
		cmocka_unit_test_setup(test_unknown, set_up),
		cmocka_unit_test_setup(test_version, set_up),
		cmocka_unit_test_setup(test_crash, set_up),
		cmocka_unit_test_setup(test_poweroff, set_up),
		cmocka_unit_test_setup(test_poweroff_unread, set_up),
		cmocka_unit_test_setup(test_no_stream, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
