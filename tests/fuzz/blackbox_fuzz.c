/*
 * A black box as an enemy leaves it. The input is a disk, most of it made of the fields that recovery looks at; what is
 * found must stay inside its zones, recovering must write nothing, and a life that goes on writing leaves a box in
 * which it finds its own line and record again, and which Linux can read.
 */
#include "core/blackbox/blackbox.h"
#include "tests/model/blackbox_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ZONE  4096u
#define TOTAL (6 * ZONE)

struct input {
	const u8 *at;
	size_t left;
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static u8 take(struct input *i)
{
	if (!i->left)
		return 0;
	i->left--;
	return *i->at++;
}

/* Mostly numbers at the borders of what can be. */
static u32 take_number(struct input *i)
{
	static const u32 borders[] = { 0,    1,	   12,	 39,   40,	   41,	      500,
				       4083, 4084, 4085, 4096, 0x7fffffff, 0xffffffff };
	u8 kind = take(i);

	if (kind < 128)
		return borders[kind % ARRAY_SIZE(borders)] + (kind / 64);
	return (u32)take(i) | (u32)take(i) << 8 | (kind & 1 ? (u32)take(i) << 24 : 0);
}

static void fill_zone(struct input *i, u8 *zone, enum pstore_type type)
{
	struct pstore_zone_header h = { PSTORE_SIGNATURE_OF(type), 0, 0 };
	struct pstore_kmsg_header k = { .magic = PSTORE_KMSG_MAGIC };
	u8 what = take(i), pattern = take(i);

	memset(zone, pattern & 1 ? pattern : 0, ZONE);
	for (u32 n = 0; n < (what & 7u); n++) {
		u32 from = take_number(i) % ZONE, bytes = take_number(i) % (ZONE - from);

		memset(zone + from, take(i), bytes);
	}
	if (what & 0x80)
		return;
	h.datalen = take_number(i);
	h.start = what & 0x40 ? h.datalen : take_number(i);
	if (what & 0x20)
		h.signature ^= take(i);
	memcpy(zone, &h, sizeof(h));
	if (type != PSTORE_KMSG || what & 0x10)
		return;
	k.compressed = take(i) % 3;
	k.reason = take_number(i) % 7;
	k.counter = take_number(i);
	k.seconds = (s64)((u64)take_number(i) << (take(i) % 40));
	k.nanoseconds = (s64)((u64)take_number(i) << (take(i) % 8));
	if (what & 8)
		k.magic ^= take(i);
	memcpy(zone + sizeof(h), &k, sizeof(k));
}

/* What Linux needs in order to show anything. */
static void check_for_linux(const u8 *zone, enum pstore_type type)
{
	struct pstore_zone_header h;

	memcpy(&h, zone, sizeof(h));
	check(h.signature == PSTORE_SIGNATURE_OF(type));
	check(h.datalen <= ZONE - 12 && h.start <= h.datalen);
}

static void use_ring(const struct ring *r)
{
	static u8 text[ZONE];
	u32 bytes = ring_bytes(r, false);

	check(bytes <= r->room && ring_bytes(r, true) <= bytes);
	check(ring_read(r, false, 0, text, sizeof(text)) == bytes);
	check(ring_read(r, false, bytes, text, 1) == 0);
	if (bytes)
		check(ring_read(r, true, ring_bytes(r, true), text, sizeof(text)) == 0);
	check(bytes == 0 || r->state == ZONE_GOOD || r->state == ZONE_TORN);
}

static void use_records(struct blackbox *b)
{
	static u8 text[ZONE];

	check(!b->layout.kmsg_count || b->records.next < b->layout.kmsg_count);
	for (u32 zone = 0; zone < b->layout.kmsg_count; zone++) {
		const struct record_info *i = &b->records.info[zone];
		int bytes = records_read(&b->records, b->device, zone, 0, text, sizeof(text));

		check(i->bytes <= records_text_max(&b->records));
		if (i->state == ZONE_GOOD || i->state == ZONE_TORN)
			check(bytes == (int)i->bytes);
		else
			check(bytes == -ENOENT);
	}
}

static void ends_with(const struct ring *r, const char *line)
{
	char text[64] = "";
	u32 bytes = (u32)strlen(line);

	check(ring_bytes(r, false) >= bytes);
	ring_read(r, false, ring_bytes(r, false) - bytes, text, bytes);
	check(strcmp(text, line) == 0);
}

static void go_on(struct blackbox *b, struct disk *disk, void *memory, const struct blackbox_layout *l,
		  u32 lines)
{
	static const char line[] = "a line of the next life\n";
	u32 zone = b->records.next, counter = records_next_counter(&b->records, PSTORE_REASON_PANIC);

	for (u32 n = 0; n < lines; n++) {
		check(ring_append(&b->pmsg, line, sizeof(line) - 1) == 0);
		check(ring_append(&b->console, line, sizeof(line) - 1) == 0);
		check(blackbox_flush(b) == 0);
	}
	check(blackbox_record(b, PSTORE_REASON_PANIC, (struct blackbox_time){ 5, 5 }, "the end") == 0);
	check(blackbox_flush(b) == 0);
	check_for_linux(disk->bytes, PSTORE_PMSG);
	check_for_linux(disk->bytes + ZONE, PSTORE_CONSOLE);
	check_for_linux(disk->bytes + 2 * ZONE + zone * ZONE, PSTORE_KMSG);

	check(blackbox_open(b, &disk->device, l, memory) == 0);
	check(b->pmsg.state == ZONE_GOOD && b->console.state == ZONE_GOOD);
	check(b->records.info[zone].state == ZONE_GOOD && b->records.info[zone].counter == counter);
	check(b->records.next == (zone + 1) % l->kmsg_count);
	ends_with(&b->pmsg, line);
	ends_with(&b->console, line);
	use_records(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input i = { data, size };
	struct blackbox_sizes sizes = { .pmsg = ZONE, .console = ZONE, .kmsg = ZONE };
	u8 scratch[BLACKBOX_SECTOR_MAX], how = take(&i);
	struct layout_found found = { 0 };
	struct blackbox_layout l, guessed;
	char why[BLACKBOX_WHY_SIZE];
	struct blackbox b;
	struct disk disk;
	void *memory;

	check(layout_make(&l, &sizes, TOTAL, why) == 0);
	memory = disk_memory(blackbox_memory(&l));
	disk_open(&disk, TOTAL);
	for (u32 n = 0; n < layout_count(&l); n++)
		fill_zone(&i, disk.bytes + layout_zone(&l, n).at,
			  how & 128 ? take(&i) & 7 : layout_zone(&l, n).type);

	check(blackbox_open(&b, &disk.device, &l, memory) == 0);
	check(disk.write_calls == 0);
	use_ring(&b.pmsg);
	use_ring(&b.console);
	use_records(&b);
	go_on(&b, &disk, memory, &l, 1 + how % 64);
	free(memory);

	/* Whatever layout that looks like can be opened. */
	if (layout_find(&disk.device, scratch, &guessed, &found) == 0) {
		memory = disk_memory(blackbox_memory(&guessed));
		check(found.matched && found.matched <= found.signatures && guessed.end <= TOTAL);
		check(blackbox_open(&b, &disk.device, &guessed, memory) == 0);
		use_records(&b);
		free(memory);
	}
	disk_close(&disk);
	return 0;
}
