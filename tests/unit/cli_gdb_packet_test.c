/* Packets of gdb's remote protocol, and a stub that behaves in other ways than QEMU's. */
#include "cli/gdb_packet.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What the last byte of a text leads to. */
static enum gdb_decoded decode(struct gdb_decoder *d, const char *bytes)
{
	enum gdb_decoded got = GDB_MORE;

	for (; *bytes; bytes++)
		got = gdb_decode(d, (u8)*bytes);
	return got;
}

static struct gdb_decoder decoder;

static int fresh(void **state)
{
	(void)state;
	decoder = (struct gdb_decoder){ 0 };
	return 0;
}

static void packets_are_decoded(void **state)
{
	(void)state;
	assert_int_equal(decode(&decoder, "+"), GDB_ACK);
	assert_int_equal(decode(&decoder, "-"), GDB_NAK);
	assert_int_equal(decode(&decoder, "$OK#9a"), GDB_PACKET);
	assert_string_equal(decoder.data, "OK");
	assert_int_equal(decode(&decoder, "$#00"), GDB_PACKET);
	assert_string_equal(decoder.data, "");
}

static void noise_between_packets_is_nothing(void **state)
{
	(void)state;
	assert_int_equal(decode(&decoder, "xyz#12"), GDB_MORE);
	assert_int_equal(decode(&decoder, "$OK#9A"), GDB_PACKET);
}

static void escapes_and_repetitions_are_undone(void **state)
{
	(void)state;
	/* "0* " is four zeros: ' ' is 32, three more. */
	assert_int_equal(decode(&decoder, "$0* 1#ab"), GDB_PACKET);
	assert_string_equal(decoder.data, "00001");
	/* "}\x03" is '#'. */
	assert_int_equal(decode(&decoder, "$a}\x03"
					  "b#43"),
			 GDB_PACKET);
	assert_string_equal(decoder.data, "a#b");
	/* Nothing to repeat. */
	assert_int_equal(decode(&decoder, "$*~#a8"), GDB_PACKET);
	assert_string_equal(decoder.data, "");
}

static void a_wrong_sum_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(decode(&decoder, "$OK#9b"), GDB_BROKEN);
	assert_int_equal(decode(&decoder, "$OK#zz"), GDB_BROKEN);
	assert_int_equal(decode(&decoder, "$OK#9a"), GDB_PACKET);
}

static void a_packet_that_is_too_long_is_noticed(void **state)
{
	char byte[2] = "0";
	u8 sum = 0;

	(void)state;
	decode(&decoder, "$");
	for (int i = 0; i < GDB_PACKET_MAX + 1; i++) {
		decode(&decoder, byte);
		sum = (u8)(sum + '0');
	}
	decode(&decoder, "#");
	gdb_decode(&decoder, (u8) "0123456789abcdef"[sum >> 4]);
	assert_int_equal(gdb_decode(&decoder, (u8) "0123456789abcdef"[sum & 15]), GDB_BROKEN);
}

static void requests_are_encoded(void **state)
{
	char to[16];

	(void)state;
	assert_int_equal(gdb_encode(to, sizeof(to), "OK", 2), 6);
	assert_memory_equal(to, "$OK#9a", 6);
	assert_int_equal(gdb_encode(to, 6, "OK", 2), 6);
	assert_int_equal(gdb_encode(to, 5, "OK", 2), 0);
	assert_int_equal(gdb_encode(to, 3, "", 0), 0);
}

static void numbers_and_bytes_are_read(void **state)
{
	const char *text = "1fX", *long_one = "0123456789abcdef01";
	u8 bytes[3] = { 0 };
	char digits[7];

	(void)state;
	assert_int_equal(gdb_number(&text), 0x1f);
	assert_string_equal(text, "X");
	assert_int_equal(gdb_number(&text), 0);
	assert_int_equal(gdb_number(&long_one), 0x0123456789abcdef);
	assert_int_equal(gdb_bytes("01fF80", bytes, 3), 3);
	assert_int_equal(bytes[1], 0xff);
	assert_int_equal(gdb_bytes("01", bytes, 3), 1);
	assert_int_equal(gdb_bytes("010", bytes, 3), -EINVAL);
	assert_int_equal(gdb_bytes("0x", bytes, 3), -EINVAL);
	bytes[0] = 0xa0, bytes[1] = 5, bytes[2] = 0xff;
	gdb_put_bytes(digits, bytes, 3);
	assert_string_equal(digits, "a005ff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(packets_are_decoded, fresh),
		cmocka_unit_test_setup(noise_between_packets_is_nothing, fresh),
		cmocka_unit_test_setup(escapes_and_repetitions_are_undone, fresh),
		cmocka_unit_test_setup(a_wrong_sum_is_noticed, fresh),
		cmocka_unit_test_setup(a_packet_that_is_too_long_is_noticed, fresh),
		cmocka_unit_test_setup(requests_are_encoded, fresh),
		cmocka_unit_test_setup(numbers_and_bytes_are_read, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
