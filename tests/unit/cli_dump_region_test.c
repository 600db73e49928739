/* Dump regions, whole, damaged and made up, and the core files that come of them. */
#include "tests/unit/dump_writer.h"
/* cmocka needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/dump_core.h"
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define COUNT 3u

/* A dump of memory with a pattern: a raw chunk, a compressed one, zeros; the estate is zero. */
struct scene {
	struct dump_writer w;
	struct dump_head head;
	u8 *pattern; /* of the slot */
	u64 at[5];   /* of the chunks: raw, compressed, zero, estate, record */
	struct dump_region_view view;
	struct dump_life life;
};

static void write_dump(struct scene *s, u64 number, u64 life)
{
	size_t bytes;
	struct crash_record *record = writer_record(life, &bytes);

	s->head = writer_begin(&s->w, number, life, COUNT);
	s->at[0] = writer_raw(&s->w, DUMP_CHUNK_MEMORY, WRITER_SLOT, s->pattern, KIB(32));
	s->at[1] = writer_lz4(&s->w, WRITER_SLOT + KIB(32), s->pattern + KIB(32), KIB(64));
	s->at[2] = writer_zero(&s->w, WRITER_SLOT + KIB(96), KIB(32));
	s->at[3] = writer_zero(&s->w, WRITER_ESTATE, WRITER_LIFE_SIZE);
	s->at[4] = writer_raw(&s->w, DUMP_CHUNK_CRASH, 0, record, (u32)bytes);
	writer_end(&s->w, &s->head, DUMP_COMPLETE);
	free(record);
}

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	writer_make(&s->w, COUNT);
	s->pattern = calloc(1, WRITER_LIFE_SIZE);
	for (size_t i = 0; i < KIB(96); i++)
		s->pattern[i] = (u8)(i < KIB(32) ? i * 7 + i / 251 : i / 512 + 1);
	write_dump(s, 4, 9);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	dump_life_free(&s->life);
	writer_free(&s->w);
	free(s->pattern);
	free(s);
	return 0;
}

static int open_region(struct scene *s)
{
	struct region_source source = writer_source(&s->w);

	return dump_region_open(&s->view, &source);
}

/* Reads the dump with that number. */
static void load(struct scene *s, u64 number)
{
	const struct dump_slot *slot;

	dump_life_free(&s->life);
	assert_int_equal(open_region(s), 0);
	slot = &s->view.slots[number % COUNT];
	assert_int_equal(slot->state, DUMP_SLOT_GOOD);
	assert_int_equal(dump_life_read(&s->view, slot, &s->life), 0);
}

static u64 missing(const struct scene *s)
{
	return s->life.parts[DUMP_PART_SLOT].missing + s->life.parts[DUMP_PART_ESTATE].missing;
}

static void a_whole_dump(void **state)
{
	struct scene *s = *state;
	u8 bytes[16];

	load(s, 4);
	assert_true(s->life.is_whole);
	assert_int_equal(s->life.chunks, 5);
	assert_int_equal(missing(s), 0);
	assert_memory_equal(s->life.parts[DUMP_PART_SLOT].bytes, s->pattern, WRITER_LIFE_SIZE);
	assert_int_equal(s->life.crash->harts[1].found.x[5], 0x1005);
	assert_true(dump_life_memory(&s->life, WRITER_SLOT + KIB(32) - 8, bytes, sizeof(bytes)));
	assert_memory_equal(bytes, s->pattern + KIB(32) - 8, sizeof(bytes));
	assert_false(dump_life_memory(&s->life, WRITER_SLOT + WRITER_LIFE_SIZE - 8, bytes, sizeof(bytes)));
	assert_false(dump_life_memory(&s->life, ~0ull - 3, bytes, sizeof(bytes)));
	assert_int_equal(s->view.slots[0].state, DUMP_SLOT_EMPTY);
}

static void what_is_no_region(void **state)
{
	struct scene *s = *state;
	struct dump_region *r = (struct dump_region *)s->w.region;
	struct dump_region good = *r;
	const struct dump_region bad[] = {
		{ good.magic, good.version, 0, good.slot_size, 0, 0 },
		{ good.magic, good.version, DUMP_KEEP_MAX + 1, good.slot_size, 0, 0 },
		{ good.magic, good.version, 1, DUMP_BLOCK, 0, 0 },
		{ good.magic, good.version, 1, DUMP_BLOCK * 2 + 8, 0, 0 },
		{ good.magic, good.version, DUMP_KEEP_MAX, 1ull << 62, 0, 0 },
		{ good.magic, good.version + 1, 1, good.slot_size, 0, 0 },
		{ good.magic + 1, good.version, 1, good.slot_size, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		*r = bad[i];
		r->crc = crc32c(0, r, offsetof(struct dump_region, crc));
		assert_int_equal(open_region(s), -EINVAL);
	}
	*r = good;
	r->crc ^= 1;
	assert_int_equal(open_region(s), -EINVAL);
	memset(r, 0, sizeof(*r));
	assert_int_equal(open_region(s), -ENODATA);
	s->w.bytes = 100;
	assert_int_equal(open_region(s), -EINVAL);
}

static void a_torn_head(void **state)
{
	struct scene *s = *state;

	write_dump(s, 5, 10);
	s->w.region[s->w.slot + offsetof(struct dump_head, life)] ^= 1;
	assert_int_equal(open_region(s), 0);
	assert_int_equal(s->view.slots[5 % COUNT].state, DUMP_SLOT_DAMAGED);
	load(s, 4);
	assert_true(s->life.is_whole);
}

/* Numbers that no reader can use, with a checksum that is right. */
static void a_head_that_lies(void **state)
{
	struct scene *s = *state;
	struct dump_head bad[] = { s->head, s->head, s->head, s->head, s->head, s->head, s->head };

	bad[0].slot_size = 1ull << 40;
	bad[1].estate_size = ~0ull & ~(PAGE_SIZE - 1);
	bad[2].slot_base = ~0ull & ~(PAGE_SIZE - 1);
	bad[3].estate_base = bad[3].slot_base + PAGE_SIZE;
	bad[4].bytes = WRITER_SLOT_SIZE;
	bad[5].hart_count = MAX_HARTS + 1;
	bad[6].state = 77;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		writer_head(&s->w, &bad[i]);
		assert_int_equal(open_region(s), 0);
		assert_int_equal(s->view.slots[4 % COUNT].state, DUMP_SLOT_DAMAGED);
	}
}

static void a_file_that_ends_early(void **state)
{
	struct scene *s = *state;

	/* In the compressed chunk. */
	s->w.bytes = s->at[1] + 100;
	load(s, 4);
	assert_int_equal(s->view.slots[2].state, DUMP_SLOT_MISSING);
	assert_false(s->life.is_whole);
	assert_int_equal(s->life.chunks, 1);
	assert_int_equal(missing(s), 2 * WRITER_LIFE_SIZE - KIB(32));
	assert_null(s->life.crash);
	assert_memory_equal(s->life.parts[DUMP_PART_SLOT].bytes, s->pattern, KIB(32));
	assert_int_equal(s->view.slots[4 % COUNT].at + s->life.first_damage, s->at[1]);
}

/* One flipped bit costs one chunk, wherever it is. */
static void a_flipped_bit(void **state)
{
	static const u64 places[] = { 0, 4, 8, 16, 24, 28, sizeof(struct dump_chunk) + 1000 };
	struct scene *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		u8 *byte = s->w.region + s->at[0] + places[i];

		*byte ^= 4;
		load(s, 4);
		assert_false(s->life.is_whole);
		assert_int_equal(s->life.damaged, 1);
		assert_int_equal(s->life.chunks, 4);
		assert_int_equal(missing(s), KIB(32));
		assert_int_equal(s->view.slots[4 % COUNT].at + s->life.first_damage, s->at[0]);
		assert_memory_equal(s->life.parts[DUMP_PART_SLOT].bytes + KIB(32), s->pattern + KIB(32),
				    KIB(96));
		*byte ^= 4;
	}
}

static void a_dump_that_was_cut_short(void **state)
{
	struct scene *s = *state;

	/* The new dump ends inside the old one of that slot, whose chunks go on behind it. */
	writer_begin(&s->w, 4 + COUNT, 12, COUNT);
	writer_raw(&s->w, DUMP_CHUNK_MEMORY, WRITER_SLOT, s->pattern, KIB(32));
	assert_int_equal(s->w.at, s->at[1]);
	load(s, 4);
	assert_int_equal(s->life.head.life, 12);
	assert_false(s->life.is_whole);
	assert_int_equal(s->life.chunks, 1);
	assert_int_equal(missing(s), 2 * WRITER_LIFE_SIZE - KIB(32));
}

static void chunks_that_lie(void **state)
{
	struct scene *s = *state;
	const struct dump_chunk bad[] = {
		{ .kind = DUMP_CHUNK_ZERO, .address = WRITER_SLOT - PAGE_SIZE, .raw_bytes = 2 * PAGE_SIZE },
		{ .kind = DUMP_CHUNK_ZERO, .address = WRITER_SLOT, .raw_bytes = ~0ull & ~(PAGE_SIZE - 1) },
		{ .kind = DUMP_CHUNK_ZERO, .address = ~0ull & ~(PAGE_SIZE - 1), .raw_bytes = PAGE_SIZE * 2 },
		{ .kind = DUMP_CHUNK_ZERO, .address = WRITER_SLOT + 8, .raw_bytes = PAGE_SIZE },
		{ .kind = DUMP_CHUNK_ZERO, .address = WRITER_SLOT },
		{ .kind = DUMP_CHUNK_MEMORY, .address = WRITER_SLOT, .raw_bytes = 100, .stored_bytes = 100 },
		{ .kind = DUMP_CHUNK_MEMORY,
		  .address = WRITER_SLOT,
		  .raw_bytes = PAGE_SIZE,
		  .stored_bytes = 8 },
		{ .kind = DUMP_CHUNK_MEMORY,
		  .flags = DUMP_CHUNK_LZ4,
		  .address = WRITER_SLOT,
		  .raw_bytes = DUMP_CHUNK_MAX,
		  .stored_bytes = 64 },
		{ .kind = DUMP_CHUNK_MEMORY,
		  .flags = 0x80,
		  .address = WRITER_SLOT,
		  .raw_bytes = PAGE_SIZE,
		  .stored_bytes = PAGE_SIZE },
		{ .kind = DUMP_CHUNK_CRASH, .address = 8, .raw_bytes = 64, .stored_bytes = 64 },
		{ .kind = 99, .address = WRITER_SLOT, .raw_bytes = PAGE_SIZE, .stored_bytes = PAGE_SIZE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dump_head h = writer_begin(&s->w, 4, 9, COUNT);

		writer_put(&s->w, bad[i], s->pattern);
		writer_raw(&s->w, DUMP_CHUNK_MEMORY, WRITER_SLOT, s->pattern, PAGE_SIZE);
		writer_end(&s->w, &h, DUMP_COMPLETE);
		load(s, 4);
		assert_int_equal(s->life.damaged, 1);
		assert_int_equal(s->life.chunks, 1);
		assert_int_equal(missing(s), 2 * WRITER_LIFE_SIZE - PAGE_SIZE);
	}
}

static void records_that_lie(void **state)
{
	size_t bytes;
	struct crash_record *r = writer_record(3, &bytes);

	(void)state;
	assert_true(crash_record_check(r, bytes));
	assert_false(crash_record_check(r, bytes - 1));
	r->hart_count = ~0ull;
	assert_false(crash_record_check(r, bytes));
	r->hart_count = WRITER_HART_COUNT;
	r->log_bytes = CRASH_LOG_BYTES + 1;
	assert_false(crash_record_check(r, bytes));
	r->log_bytes = 0;
	r->harts[1].stack_bytes = CRASH_STACK_BYTES + 1;
	assert_false(crash_record_check(r, bytes));
	r->harts[1].stack_bytes = CRASH_STACK_BYTES;
	r->harts[1].stack_at = ~0ull;
	assert_false(crash_record_check(r, bytes));
	r->harts[1].stack_at = 0;
	r->valid = 0;
	assert_false(crash_record_check(r, bytes));
	free(r);
}

/* ---- Core files ---- */

static char *core_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/outlive-core-test.%d", (int)getpid());
	return path;
}

static u8 *read_core(size_t *bytes)
{
	int fd = open(core_path(), O_RDONLY);
	u8 *core = calloc(1, MIB(1));
	ssize_t got = read(fd, core, MIB(1));

	assert_true(got > 0);
	close(fd);
	unlink(core_path());
	*bytes = (size_t)got;
	return core;
}

static void the_core_of_a_dump(void **state)
{
	struct scene *s = *state;
	struct dump_core_summary summary;
	struct output_file f;
	const Elf64_Phdr *p;
	const Elf64_Nhdr *note;
	const Elf64_Ehdr *e;
	u64 registers[3];
	size_t bytes;
	u32 pid;
	u8 *core;

	/* The compressed chunk is lost: there is a gap. */
	s->w.region[s->at[1] + sizeof(struct dump_chunk)] ^= 1;
	load(s, 4);
	assert_int_equal(output_begin(&f, core_path(), false), 0);
	assert_int_equal(dump_core_write(&s->life, &f, &summary), 0);
	assert_int_equal(output_end(&f, true), 0);
	assert_int_equal(summary.harts, 2);
	core = read_core(&bytes);
	assert_int_equal(bytes, summary.bytes);

	e = (const Elf64_Ehdr *)core;
	assert_int_equal(e->e_type, ET_CORE);
	assert_int_equal(e->e_phoff, 64);
	assert_int_equal(e->e_phnum, 4);
	p = (const Elf64_Phdr *)(core + e->e_phoff);
	assert_int_equal(p[0].p_type, PT_NOTE);
	assert_int_equal(p[1].p_vaddr, WRITER_SLOT);
	assert_int_equal(p[1].p_memsz, KIB(32));
	assert_int_equal(p[1].p_align, 0);
	assert_memory_equal(core + p[1].p_offset, s->pattern, KIB(32));
	assert_int_equal(p[2].p_vaddr, WRITER_SLOT + KIB(96));
	assert_int_equal(p[3].p_paddr, WRITER_ESTATE);
	/* The hart that crashed is the first thread. */
	note = (const Elf64_Nhdr *)(core + p[0].p_offset);
	assert_int_equal(note->n_type, NT_PRSTATUS);
	assert_int_equal(note->n_descsz, 376);
	memcpy(&pid, (const u8 *)note + 20 + 32, sizeof(pid));
	assert_int_equal(pid, 2);
	memcpy(registers, (const u8 *)note + 20 + 112, sizeof(registers));
	assert_int_equal(registers[0], WRITER_SLOT + 0x101);
	assert_int_equal(registers[2], 0x1002);
	assert_non_null(memmem(core, bytes, "LIFE number=9 dump=4 cause=panic hart=1", 39));
	free(core);
}

static void a_full_disk(void **state)
{
	struct scene *s = *state;
	struct dump_core_summary summary;
	struct rlimit before, limit;
	struct output_file f;
	char *temporary;

	load(s, 4);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = KIB(16);
	assert_int_equal(output_begin(&f, core_path(), false), 0);
	temporary = strdup(f.temporary);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(dump_core_write(&s->life, &f, &summary), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(output_end(&f, true), -EFBIG);
	assert_int_equal(access(core_path(), F_OK), -1);
	assert_int_equal(access(temporary, F_OK), -1);
	free(temporary);
}

static void a_file_that_is_there(void **state)
{
	struct output_file f;

	(void)state;
	close(open(core_path(), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(output_begin(&f, core_path(), false), -EEXIST);
	assert_int_equal(output_end(&f, true), -EEXIST);
	assert_int_equal(access(core_path(), F_OK), 0);
	assert_int_equal(output_begin(&f, core_path(), true), 0);
	assert_int_equal(output_end(&f, true), 0);
	assert_int_equal(output_begin(&f, "-", true), -EINVAL);
	assert_int_equal(output_end(&f, true), -EINVAL);
	unlink(core_path());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_dump, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_region, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_head, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_head_that_lies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_ends_early, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_flipped_bit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dump_that_was_cut_short, set_up, tear_down),
		cmocka_unit_test_setup_teardown(chunks_that_lie, set_up, tear_down),
		cmocka_unit_test(records_that_lie),
		cmocka_unit_test_setup_teardown(the_core_of_a_dump, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk, set_up, tear_down),
		cmocka_unit_test(a_file_that_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
