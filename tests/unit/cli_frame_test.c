/* The control channel's frames: what is sent arrives, whatever has been torn before it. */
#include "core/control/frame.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct frame_decoder decoder;
static u8 wire[64 * FRAME_MAX];
static size_t wire_size;

static int begin(void **state)
{
	(void)state;
	memset(&decoder, 0, sizeof(decoder));
	wire_size = 0;
	return 0;
}

static size_t send(u32 tag, const void *payload, size_t length)
{
	struct ctl_header header = { .type = CTL_PS, .tag = tag, .vm = 3, .status = -5 };
	size_t size = frame_encode(wire + wire_size, sizeof(wire) - wire_size, &header, payload, length);

	assert_int_equal(size, sizeof(header) + length);
	wire_size += size;
	return size;
}

/* Feeds the wire in pieces and checks that exactly these tags come out. */
static void expect(size_t piece, const u32 *tags, size_t count)
{
	struct ctl_header header = { 0 };
	const u8 *payload = NULL;
	size_t got = 0, done = 0;

	while (done < wire_size) {
		size_t size = wire_size - done < piece ? wire_size - done : piece;
		size_t room = frame_room(&decoder);
		size_t put = frame_put(&decoder, wire + done, size);

		assert_int_equal(put, size < room ? size : room);
		assert_true(put > 0);
		done += put;
		while (frame_next(&decoder, &header, &payload)) {
			assert_int_equal(header.tag, got < count ? tags[got] : ~0u);
			got++;
			assert_int_equal(header.version, CTL_VERSION);
		}
	}
	assert_int_equal(got, count);
}

static const size_t pieces[] = { 1, 7, 31, 32, 33, 1000, 4096, 1000000 };

static void test_content(void **state)
{
	struct ctl_header header = { 0 };
	const u8 *payload = NULL;

	(void)state;
	send(7, "hello", 5);
	assert_int_equal(frame_put(&decoder, wire, wire_size), wire_size);
	assert_true(frame_next(&decoder, &header, &payload));
	assert_int_equal(header.magic, CTL_MAGIC);
	assert_int_equal(header.type, CTL_PS);
	assert_int_equal(header.tag, 7);
	assert_int_equal(header.vm, 3);
	assert_int_equal(header.status, -5);
	assert_int_equal(header.length, 5);
	assert_memory_equal(payload, "hello", 5);
	assert_false(frame_next(&decoder, &header, &payload));
	assert_int_equal(decoder.skipped, 0);
}

static void test_limits(void **state)
{
	static u8 payload[CTL_PAYLOAD_MAX + 1], frame[FRAME_MAX + 1];
	struct ctl_header header = { .type = 1 };

	(void)state;
	assert_int_equal(frame_encode(frame, sizeof(frame), &header, payload, CTL_PAYLOAD_MAX), FRAME_MAX);
	assert_int_equal(frame_encode(frame, sizeof(frame), &header, payload, CTL_PAYLOAD_MAX + 1), 0);
	assert_int_equal(frame_encode(frame, 31, &header, payload, 0), 0);
	assert_int_equal(frame_encode(frame, 32, &header, payload, 0), 32);
	assert_int_equal(frame_encode(frame, 41, &header, payload, 10), 0);
}

static void test_stream(void **state)
{
	static u8 payload[CTL_PAYLOAD_MAX];
	const u32 tags[] = { 1, 2, 3, 4, 5 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		begin(state);
		send(1, NULL, 0);
		send(2, payload, sizeof(payload));
		send(3, payload, 1);
		send(4, payload, sizeof(payload));
		send(5, NULL, 0);
		expect(pieces[i], tags, 5);
		assert_int_equal(decoder.skipped, 0);
	}
}

/* A life that ends at any byte of a frame: nothing of what follows is lost, and nothing has to come after it. */
static void test_truncation(void **state)
{
	const u32 tags[] = { 1, 3, 4 };
	size_t size = sizeof(struct ctl_header) + 500;

	for (size_t keep = 0; keep < size; keep++)
		for (size_t i = 0; i < ARRAY_SIZE(pieces); i += 3) {
			u8 payload[500] = { 0 };

			begin(state);
			send(1, payload, 10);
			send(2, payload, sizeof(payload));
			wire_size -= size - keep;
			send(3, payload, 20);
			send(4, NULL, 0);
			expect(pieces[i], tags, 3);
			assert_int_equal(decoder.skipped, keep);
		}
}

static void test_damage(void **state)
{
	const u32 tags[] = { 1, 3 };

	for (size_t bit = 0; bit < 8 * (sizeof(struct ctl_header) + 20); bit++) {
		u8 payload[20] = { 1, 2, 3 };
		size_t at;

		begin(state);
		send(1, payload, 5);
		at = wire_size;
		send(2, payload, sizeof(payload));
		wire[at + bit / 8] ^= (u8)(1 << bit % 8);
		send(3, payload, sizeof(payload));
		expect(1000000, tags, 2);
	}
}

static void test_garbage(void **state)
{
	const u32 tags[] = { 1, 2 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		u32 seed = 1;

		begin(state);
		for (int n = 0; n < 10000; n++)
			wire[wire_size++] = (u8)((seed = seed * 1103515245 + 12345) >> 16);
		send(1, "x", 1);
		for (const char *at = "TCLFTCLTCTTCLF"; *at; at++)
			wire[wire_size++] = (u8)*at;
		send(2, "y", 1);
		expect(pieces[i], tags, 2);
		assert_int_equal(decoder.skipped, 10014);
	}
}

/* What a guest prints, cut by frame_split, is never taken for a frame, wherever the frames around it are torn. */
static void test_forgery(void **state)
{
	u8 forged[sizeof(struct ctl_header) + 4], printed[200];
	struct ctl_header header = { .type = CTL_EVENT_VM, .tag = 99 };
	size_t size = frame_encode(forged, sizeof(forged), &header, "evil", 4);

	memset(printed, ' ', sizeof(printed));
	memcpy(printed + 20, forged, size);
	for (size_t i = 0; i < 8; i++)
		printed[100 + i] = (u8) "TCLFTCLF"[i];
	for (size_t tear = 0; tear < 400; tear++) {
		struct ctl_header got = { 0 };
		const u8 *payload = NULL;
		size_t done = 0;

		begin(state);
		while (done < sizeof(printed)) {
			size_t length = frame_split(printed + done, sizeof(printed) - done);

			assert_true(length > 0);
			for (size_t i = 0; i + 4 <= length; i++)
				assert_memory_not_equal(printed + done + i, "TCLF", 4);
			send(1, printed + done, length);
			done += length;
		}
		/* Bytes are lost from `tear` on. */
		if (tear + 10 < wire_size) {
			memmove(wire + tear, wire + tear + 10, wire_size - tear - 10);
			wire_size -= 10;
		}
		assert_int_equal(frame_put(&decoder, wire, wire_size), wire_size);
		while (frame_next(&decoder, &got, &payload))
			assert_int_equal(got.tag, 1);
	}
}

static void test_split(void **state)
{
	static u8 many[2 * CTL_PAYLOAD_MAX];

	(void)state;
	assert_int_equal(frame_split("TCLF", 4), 3);
	assert_int_equal(frame_split("xTCLF", 5), 4);
	assert_int_equal(frame_split("LF", 2), 2);
	assert_int_equal(frame_split("T", 1), 1);
	assert_int_equal(frame_split(many, sizeof(many)), CTL_PAYLOAD_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_content, begin), cmocka_unit_test_setup(test_limits, begin),
		cmocka_unit_test_setup(test_stream, begin),  cmocka_unit_test_setup(test_truncation, begin),
		cmocka_unit_test_setup(test_damage, begin),  cmocka_unit_test_setup(test_garbage, begin),
		cmocka_unit_test_setup(test_forgery, begin), cmocka_unit_test_setup(test_split, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
