/*
 * What goes over the control server's stream: the output of consoles until it is acknowledged, also by the heir's
 * server; a reader that is slow; bytes that an enemy would send.
 */
#include "tests/unit/control_line.h"

/* ---- Console output ---- */

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

/* ---- Enemies, and slow friends ---- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_console, set_up),
		cmocka_unit_test_setup(test_console_window, set_up),
		cmocka_unit_test_setup(test_console_forgery, set_up),
		cmocka_unit_test_setup(test_slow_reader, set_up),
		cmocka_unit_test_setup(test_hostile, set_up),
		cmocka_unit_test_setup(test_cut_frames, set_up),
		cmocka_unit_test_setup(test_heir, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
