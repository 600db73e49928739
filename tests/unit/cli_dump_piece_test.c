/* Answers to CTL_DUMP_READ and CTL_DUMP_VCPU, taken apart: what is right arrives, what is not is refused. */
#include "cli/dump_piece.h"
#include "core/control/frame.h"
#include <lz4.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define RAM 0x80000000ull
#define END (RAM + MIB(64))

static struct dump_piece piece;
static struct dump_known known;
static u8 answer[CTL_PAYLOAD_MAX], page[4 * PAGE_SIZE];
static size_t length;

static int set_up(void **state)
{
	(void)state;
	known = (struct dump_known){ 0 };
	dump_piece_begin(&piece, RAM, RAM + PIECE_SIZE);
	memset(piece.kind, 0xff, sizeof(piece.kind));
	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (u8)(i / 97);
	memcpy(answer, &(struct ctl_dump_data){ .at = RAM }, length = sizeof(struct ctl_dump_data));
	return 0;
}

static void put_run(u32 pages, u16 kind, const void *bytes, u16 count)
{
	struct ctl_dump_run run = { .pages = pages, .kind = kind, .bytes = count };

	assert_true(length + sizeof(run) + count <= sizeof(answer));
	memcpy(answer + length, &run, sizeof(run));
	if (count)
		memcpy(answer + length + sizeof(run), bytes, count);
	length += sizeof(run) + count;
}

static void put_lz4(u32 pages, u32 claimed)
{
	char packed[CTL_PAYLOAD_MAX];
	int size = LZ4_compress_default((const char *)page, packed, (int)(pages * PAGE_SIZE), sizeof(packed));

	assert_true(size > 0);
	put_run(claimed, CTL_DUMP_LZ4, packed, (u16)size);
}

static bool take(u64 next, u32 mask)
{
	struct ctl_dump_data head = { .at = RAM, .next = next, .mask = mask };

	memcpy(answer, &head, sizeof(head));
	frame_unmask(answer + sizeof(head), length - sizeof(head), mask);
	return dump_piece_take(&piece, answer, length, END, &known);
}

static void test_kinds(void **state)
{
	(void)state;
	put_lz4(4, 4);
	put_run(1, CTL_DUMP_RAW, page + PAGE_SIZE, PAGE_SIZE);
	put_run(2, CTL_DUMP_ZERO, NULL, 0);
	put_run(3, CTL_DUMP_UNTOUCHED, NULL, 0);
	assert_true(take(RAM + 10 * PAGE_SIZE, 0xdeadbeef));
	assert_int_equal(piece.next, RAM + 10 * PAGE_SIZE);
	assert_memory_equal(piece.bytes, page, 4 * PAGE_SIZE);
	assert_memory_equal(piece.bytes + 4 * PAGE_SIZE, page + PAGE_SIZE, PAGE_SIZE);
	assert_memory_equal(piece.kind, "\2\2\2\2\2\0\0\1\1\1", 10);
	assert_int_equal(known.to, 0);
}

/* What lies behind the piece is dropped, but a long run of nothing saves asking for it. */
static void test_beyond(void **state)
{
	(void)state;
	put_run(1, CTL_DUMP_RAW, page, PAGE_SIZE);
	put_run(1000, CTL_DUMP_UNTOUCHED, NULL, 0);
	assert_true(take(RAM + 1001 * PAGE_SIZE, 0));
	assert_int_equal(piece.next, piece.end);
	assert_int_equal(known.from, RAM + PAGE_SIZE);
	assert_int_equal(known.to, RAM + 1001 * PAGE_SIZE);
	dump_piece_begin(&piece, RAM + 15 * PIECE_SIZE, RAM + 16 * PIECE_SIZE);
	dump_piece_fill(&piece, &known);
	assert_int_equal(piece.next, RAM + 1001 * PAGE_SIZE);
	assert_int_equal(piece.kind[0], CTL_DUMP_UNTOUCHED);
	dump_piece_begin(&piece, RAM + 16 * PIECE_SIZE, RAM + 17 * PIECE_SIZE);
	dump_piece_fill(&piece, &known);
	assert_int_equal(piece.next, RAM + 16 * PIECE_SIZE);
}

static void test_last_pages(void **state)
{
	(void)state;
	/* A piece that ends with the range, in the middle of an LZ4 block of another's. */
	dump_piece_begin(&piece, RAM, RAM + 2 * PAGE_SIZE);
	put_lz4(4, 4);
	assert_true(take(RAM + 4 * PAGE_SIZE, 0));
	assert_memory_equal(piece.bytes, page, 2 * PAGE_SIZE);
	assert_int_equal(piece.next, piece.end);
}

static void refused(u64 next)
{
	assert_false(take(next, 0));
	assert_int_equal(piece.next, RAM);
	assert_int_equal(known.to, 0);
	set_up(NULL);
}

static void test_nonsense(void **state)
{
	(void)state;
	refused(RAM + PAGE_SIZE); /* nothing in it */
	refused(RAM);
	length = 10;
	refused(RAM + PAGE_SIZE);
	put_run(1, CTL_DUMP_ZERO, NULL, 0);
	refused(RAM + 2 * PAGE_SIZE);
	put_run(2, CTL_DUMP_ZERO, NULL, 0);
	refused(RAM + PAGE_SIZE);
	put_run(0, CTL_DUMP_ZERO, NULL, 0);
	refused(RAM + PAGE_SIZE);
	put_run(1, CTL_DUMP_ZERO, page, 8);
	refused(RAM + PAGE_SIZE);
	put_run(1, CTL_DUMP_RAW, page, 4095);
	refused(RAM + PAGE_SIZE);
	put_run(2, CTL_DUMP_RAW, page, 4096);
	refused(RAM + 2 * PAGE_SIZE);
	put_run(1, 7, NULL, 0);
	refused(RAM + PAGE_SIZE);
	put_lz4(2, 3);
	refused(RAM + 3 * PAGE_SIZE);
	put_lz4(3, 2);
	refused(RAM + 2 * PAGE_SIZE);
	put_run(1000000, CTL_DUMP_LZ4, page, 100);
	refused(RAM + MIB(32));
	put_run(1, CTL_DUMP_RAW, page, PAGE_SIZE);
	length -= 1;
	refused(RAM + PAGE_SIZE);
	put_run((u32)((END - RAM) / PAGE_SIZE) + 1, CTL_DUMP_ZERO, NULL, 0);
	refused(END + PAGE_SIZE);
	put_run(1, CTL_DUMP_ZERO, NULL, 0);
	refused(RAM + 100);
	put_run(1, CTL_DUMP_ZERO, NULL, 0);
	memcpy(answer, &(struct ctl_dump_data){ .at = RAM + PAGE_SIZE, .next = RAM + 2 * PAGE_SIZE }, 16);
	assert_false(dump_piece_take(&piece, answer, length, END, &known));
}

/* An answer of `count` vCPUs from the at-th on that says it goes on at `next`. */
static size_t take_vcpus(struct ctl_dump_vcpu *to, u64 at, u64 next, size_t bytes, u64 most)
{
	struct ctl_dump_data head = { .at = 5, .next = next, .mask = 0x12345678 };

	memset(answer, 0x77, sizeof(answer));
	memcpy(answer, &head, sizeof(head));
	frame_unmask(answer + sizeof(head), sizeof(answer) - sizeof(head), head.mask);
	return dump_vcpus_take(to, at, most, answer, sizeof(head) + bytes);
}

static void test_vcpus(void **state)
{
	const size_t size = sizeof(struct ctl_dump_vcpu);
	struct ctl_dump_vcpu vcpus[4] = { 0 };

	(void)state;
	assert_int_equal(take_vcpus(vcpus, 5, 8, 3 * size, 3), 3);
	assert_int_equal(vcpus[2].pc, 0x7777777777777777);
	assert_int_equal(vcpus[3].pc, 0);
	assert_int_equal(take_vcpus(vcpus, 5, 8, 3 * size, 2), 0);
	assert_int_equal(take_vcpus(vcpus, 5, 8, 3 * size - 1, 3), 0);
	assert_int_equal(take_vcpus(vcpus, 5, 8, 3 * size + 1, 4), 0);
	assert_int_equal(take_vcpus(vcpus, 5, 9, 3 * size, 4), 0);
	assert_int_equal(take_vcpus(vcpus, 4, 8, 3 * size, 4), 0);
	assert_int_equal(take_vcpus(vcpus, 5, 5, 0, 4), 0);
	assert_int_equal(dump_vcpus_take(vcpus, 5, 4, answer, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kinds, set_up),
		cmocka_unit_test_setup(test_beyond, set_up),
		cmocka_unit_test_setup(test_last_pages, set_up),
		cmocka_unit_test_setup(test_nonsense, set_up),
		cmocka_unit_test_setup(test_vcpus, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
