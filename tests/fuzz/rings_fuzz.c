/*
 * The warden between a guest with nonsense in its rings and a hypervisor that asks for anything: nothing is touched but the
 * guest's pages that are there and the bounce pages, and what is refused changes nothing.
 *
 * Input: records of 8 bytes: what to do (1), how (1), where (2), what (4).
 */
#include "tests/unit/rings_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
	u8 what;
	u8 how;
	u16 where;
	u32 number;
};

static void set_descriptor(const struct record *r)
{
	/* Mostly in RAM and of sizes that mean something, so that chains get somewhere. */
	static const u32 sizes[8] = { 0, 1, 16, 32, 512, 4096, 5000, 0x4000 };
	const u64 shared = r->how & 0x40 ? PRIVATE_SHARED_BIT : 0;

	driver_desc(r->where & 15,
		    (WORLD_BASE + (r->how & 0x80 ? (u64)r->number << 8 : r->number & 0x3ffff)) | shared,
		    r->how & 0x20 ? r->number : sizes[r->how & 7], (u16)(r->where >> 4 & 7),
		    (u16)(r->where >> 7 & 15));
}

/* Registers of both devices, and addresses beside them. */
static void store_record(const struct record *r)
{
	static const u16 registers[] = { 0x20, 0x24, 0x30, 0x38, 0x44, 0x70,
					 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4 };

	rings_store(&world.vm,
		    DEVICE_BASE(r->how & 3) + (r->how & 0x40 ? r->where : registers[r->where % 12]),
		    r->how & 0x80 ? r->how & 15 : 4, r->number);
}

static u16 done(void)
{
	return world.rings[0].queue[0].done;
}

static void take_record(const struct record *r)
{
	u16 before = done();
	u64 value;
	s64 error;

	host_offer(r->how & 1 ? r->number & 0x1ffff : ROOM);
	world.io->bounce += r->how & 2 ? r->where : 0;
	memset(world.bounce, 0xee, ROOM);
	error = host_call(rings_take, r->how >> 4, r->how & 4 ? r->number : done() + (r->where & 3), &value);
	MUST(done() == before);
	if (error || value != PRIVATE_TAKEN_ENTRY)
		MUST(world.bounce[0] == 0xee && world.bounce[ROOM - 1] == 0xee);
	else
		MUST(world.io->readable <= world.io->room &&
		     world.io->writable <= world.io->room - world.io->readable);
}

static void complete_record(const struct record *r)
{
	u16 before = done();
	u64 value;
	s64 error;

	host_offer(r->how & 1 ? r->number & 0x1ffff : ROOM);
	world.io->written = r->where;
	error = host_call(rings_complete, r->how >> 4, r->how & 4 ? r->number : done(), &value);
	if (error || (value & PRIVATE_COMPLETE_MISSING) || r->how >> 4)
		MUST(done() == before);
	else
		MUST(done() == (u16)(before + 1));
}

static void do_record(const struct record *r)
{
	const unsigned page = r->where % WORLD_PAGES;
	u8 *const *pages = world.private;

	switch (r->what & 7) {
	case 0:
	case 1:
		set_descriptor(r);
		break;
	case 2:
		store_record(r);
		break;
	case 3:
		take_record(r);
		break;
	case 4:
		complete_record(r);
		break;
	case 5:
		/* A page goes or comes; those of the rings stay where this writes to them. */
		if (r->how & 1)
			world_map(r->how & 2 ? world.shared : world.private, page);
		else if (page > 15)
			world_unmap(r->how & 2 ? world.shared : world.private, page);
		break;
	case 6:
		driver_head(r->where & 7, (u16)r->number & 15);
		driver_index((u16)(r->number >> 16 & 15));
		break;
	default:
		memcpy(&pages[r->where >> 10 & 15][(r->where & 0x3ff) * 4], &r->number, 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world_start();
	driver_queue(8);
	for (; size >= sizeof(struct record); size -= sizeof(struct record), data += sizeof(struct record)) {
		struct record r;

		memcpy(&r, data, sizeof(r));
		do_record(&r);
	}
	return 0;
}
