/*
 * A dump region as an enemy leaves it, whose checksums are right. The input is a program that writes heads, chunks, an
 * estate and a record of a crash; whatever it makes, reading it stays inside, and a core file comes of it.
 */
#include "abi/estate.h"
#include "cli/dump_notes.h"
#include "tests/unit/dump_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const u8 *at;
	size_t left;
};

static u8 take(struct input *i)
{
	if (!i->left)
		return 0;
	i->left--;
	return *i->at++;
}

/* Mostly numbers at the borders of what can be. */
static u64 take_number(struct input *i)
{
	static const u64 borders[] = { 0,
				       1,
				       8,
				       PAGE_SIZE,
				       2 * PAGE_SIZE,
				       KIB(64),
				       WRITER_LIFE_SIZE,
				       WRITER_SLOT,
				       WRITER_ESTATE,
				       WRITER_SLOT + WRITER_LIFE_SIZE,
				       WRITER_ESTATE + WRITER_LIFE_SIZE - PAGE_SIZE,
				       1ull << 32,
				       1ull << 63,
				       ~0ull,
				       ~0ull & ~(PAGE_SIZE - 1) };
	u8 kind = take(i);

	if (kind < 128)
		return borders[kind % ARRAY_SIZE(borders)];
	return (u64)take(i) << (kind & 63) | take(i);
}

static void take_bytes(struct input *i, void *to, size_t count)
{
	size_t n = count < i->left ? count : i->left;

	memset(to, 0, count);
	memcpy(to, i->at, n);
	i->at += n;
	i->left -= n;
}

static void put_cold(u8 *at, u32 magic, const void *body, u32 size)
{
	struct cold_head head = { .magic = magic, .size = size, .sequence = 1 };

	head.crc = crc32c(crc32c(0, &head, offsetof(struct cold_head, crc)), body, size);
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), body, size);
}

/* An estate whose header leads wherever the input wants. It is larger than the other dumps' estates. */
static void put_estate(struct input *i, struct dump_writer *w, struct dump_head *h)
{
	struct estate_header header = { .magic = ESTATE_MAGIC,
					.version = ESTATE_VERSION,
					.base = h->estate_base,
					.size = h->estate_size,
					.vms = KIB(64),
					.vcpus = KIB(128),
					.vcpu_count = 4 };
	struct vm_config config = { .vcpus = (u32)take_number(i), .extent_count = (u32)take_number(i) };
	struct vm_record *vm = calloc(1, VM_RECORD_SIZE);
	u8 page[KIB(32)] = { 0 };
	u8 what = take(i);

	if (what & 1)
		header.vms = take_number(i);
	if (what & 2)
		header.vcpus = take_number(i);
	if (what & 4)
		header.vcpu_count = take_number(i);
	put_cold(page, COLD_HEADER, &header, sizeof(header));
	writer_raw(w, DUMP_CHUNK_MEMORY, h->estate_base, page, sizeof(page));
	take_bytes(i, config.name, sizeof(config.name));
	put_cold(vm->config[0], COLD_VM, &config, sizeof(config));
	vm->state.run_state = take(i);
	vm->state.first_vcpu = take_number(i);
	writer_lz4(w, h->estate_base + KIB(64), vm, VM_RECORD_SIZE);
	free(vm);
}

static void put_record(struct input *i, struct dump_writer *w)
{
	size_t bytes;
	struct crash_record *r = writer_record(take(i), &bytes);

	r->hart_count = take_number(i);
	r->hart = take(i) % 3;
	take_bytes(i, &r->harts[0], 200);
	writer_raw(w, DUMP_CHUNK_CRASH, take(i) & 1 ? 8 : 0, r, (u32)bytes);
	free(r);
}

static void put_chunk(struct input *i, struct dump_writer *w)
{
	u8 bytes[256];
	struct dump_chunk k = { .kind = take(i) % 6,
				.flags = take(i) % 3,
				.address = take_number(i),
				.raw_bytes = take_number(i),
				.stored_bytes = take(i) };

	take_bytes(i, bytes, k.stored_bytes);
	writer_put(w, k, bytes);
}

static void put_dump(struct input *i, struct dump_writer *w)
{
	struct dump_head h = writer_begin(w, take(i) % 4 + 1, 3, 2);
	u8 what = take(i);

	if (what & 1)
		h.slot_base = take_number(i);
	if (what & 2)
		h.slot_size = take_number(i);
	if (what & 4)
		h.estate_base = take_number(i);
	if (what & 8)
		h.estate_size = take_number(i);
	if (what & 16)
		h.hart_count = take_number(i);
	if (what & 32)
		h.estate_size = MIB(4);
	for (int n = 0; n < 16 && i->left; n++) {
		switch (take(i) % 4) {
		case 0:
			writer_zero(w, take_number(i), take_number(i));
			break;
		case 1:
			put_chunk(i, w);
			break;
		case 2:
			put_record(i, w);
			break;
		case 3:
			put_estate(i, w, &h);
			break;
		}
		/* A chunk is at most 64 KiB long, and so there is room for 4 more at least. */
		if (w->at - w->slot > WRITER_SLOT_SIZE / 2)
			break;
	}
	writer_end(w, &h, take(i) % 5);
	if (what & 64)
		h.bytes = take_number(i);
	if (what & 128)
		w->bytes = w->slot + DUMP_BLOCK + take_number(i) % WRITER_SLOT_SIZE;
	writer_head(w, &h);
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_life(const struct dump_life *life)
{
	struct elf_notes notes = { 0 };
	u8 page[PAGE_SIZE];

	for (size_t n = 0; n < DUMP_PARTS; n++) {
		const struct dump_part *p = &life->parts[n];
		u64 missing = 0;

		for (u64 i = 0; i < p->size / PAGE_SIZE; i++) {
			bool known = dump_life_memory(life, p->base + i * PAGE_SIZE, page, sizeof(page));

			check(known == (p->known[i] != DUMP_PAGE_UNKNOWN));
			missing += known ? 0 : PAGE_SIZE;
		}
		check(missing == p->missing);
	}
	check(dump_notes_put(&notes, life) <= MAX_HARTS && notes.count);
	elf_notes_free(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input i = { data, size };
	struct dump_region_view view;
	struct region_source source;
	struct dump_writer w;

	writer_make(&w, 2);
	put_dump(&i, &w);
	if (take(&i) & 1)
		w.region[(take_number(&i) + w.slot) % w.bytes] ^= 1;
	source = writer_source(&w);
	if (dump_region_open(&view, &source) == 0) {
		for (u32 n = 0; n < view.count; n++) {
			struct dump_life life;

			if (view.slots[n].state != DUMP_SLOT_GOOD)
				continue;
			if (dump_life_read(&view, &view.slots[n], &life) == 0)
				check_life(&life);
			dump_life_free(&life);
		}
	}
	writer_free(&w);
	return 0;
}
