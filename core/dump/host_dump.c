/* See host_dump.h. */
#include "core/dump/host_dump.h"
#include "core/arch.h"
#include "core/control/control.h"
#include "core/dump/region.h"
#include "core/dump/source.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"
#include "core/survive/crash.h"
#include "core/survive/life.h"

/* A busy hart rests so many times as long as it worked: a twenty-fifth, as leaving the guest and the way back cost, too. */
#define REST 24

/* At the latest after so long the first hart looks again whether anybody works. */
#define LOOK_MS 20

/* The guests of the dead life come first, for so long. */
#define RECOVERY_PATIENCE_MS 1000

/* A disk that takes longer than that for one request is dead. */
#define DISK_PATIENCE_MS 30000

/* Pages in a step: what an idle hart takes compresses better. */
#define PAGES_IDLE (STREAM_CHUNK_MAX / (unsigned)PAGE_SIZE)
#define PAGES_BUSY 2u

/* pages_alloc's, for struct work. */
#define WORK_ORDER 3

/* What is large and lives only while there is something to write. */
struct work {
	u8 block[DUMP_BLOCK]; /* for one request of the disk; first, because that wants it aligned */
	u8 scratch[STREAM_CHUNK_MAX];
	struct compress_state compress;
};
_Static_assert(sizeof(struct work) <= PAGE_SIZE << WORK_ORDER, "the work area fits");

enum progress { WAITS, GOES_ON, ENDS };

static struct {
	/* Which hart works. */
	struct lock busy;
	u32 active;
	unsigned owner; /* works also when it has a vCPU to run */
	u64 due;	/* for the owner: when */
	u32 waiter;	/* 1 + index of the hart that waits for the disk; 0: none does */
	u32 answers;	/* of the disk, so far */
	/* What is to be done next, when the disk is through with `request`. */
	enum progress (*step)(unsigned pages);
	struct blk_backend *disk;
	struct blk_request request;
	u32 request_busy;
	int request_status;
	u64 waits_since; /* ticks; 0: it does not wait */
	struct work *work;
	/* The region, and the dump. */
	struct dump_region region;
	u32 slots_seen;
	u64 newest;
	struct dump_head head;
	struct dump_stream stream;
	struct dump_source source;
} d;

static u64 milliseconds(u64 ms)
{
	return estate.machine.timebase * ms / 1000;
}

/* ---- The disk ---- */

/* Something has come back from the disk: whoever waits for it goes on. Any hart. */
static void disk_answered(void)
{
	u32 waiter;

	__atomic_fetch_add(&d.answers, 1, __ATOMIC_SEQ_CST);
	waiter = __atomic_exchange_n(&d.waiter, 0, __ATOMIC_SEQ_CST);
	if (waiter) {
		__atomic_store_n(&d.due, 0, __ATOMIC_RELAXED);
		arch_kick(waiter - 1);
	}
}

static void request_done(struct blk_request *r, int status)
{
	(void)r;
	d.request_status = status;
	__atomic_store_n(&d.request_busy, 0, __ATOMIC_SEQ_CST);
	disk_answered();
}

static bool request_busy(void)
{
	return __atomic_load_n(&d.request_busy, __ATOMIC_SEQ_CST);
}

/* Asks the disk for `op` on the block at `at`; `then` is next. A disk that takes nothing now is asked again. */
static enum progress ask(enum blk_op op, u64 at, enum progress (*then)(unsigned pages))
{
	d.request = (struct blk_request){
		.op = op, .sector = at / BLK_SECTOR, .segments = 1, .done = request_done
	};
	d.request.segment[0] = (struct blk_segment){ HPA((u64)(uintptr_t)d.work->block), DUMP_BLOCK };
	__atomic_store_n(&d.request_busy, 1, __ATOMIC_RELAXED);
	if (d.disk->submit(d.disk, &d.request)) {
		__atomic_store_n(&d.request_busy, 0, __ATOMIC_RELAXED);
		return WAITS;
	}
	d.waits_since = 0;
	d.step = then;
	return WAITS;
}

static u64 disk_bytes(void)
{
	return d.disk->sectors > ~0ull / BLK_SECTOR ? ~0ull : d.disk->sectors * BLK_SECTOR;
}

/* ---- Writing a dump ---- */

static u64 elapsed_ms(void)
{
	return (arch_time() - d.head.t_begun) * 1000 / estate.machine.timebase;
}

static enum progress report(unsigned pages)
{
	u64 raw = d.head.raw_bytes >> 10, stored = d.head.bytes >> 10;

	(void)pages;
	if (d.request_status) {
		log_line("dump %lu: the disk does not take it: error %d", d.head.number, -d.request_status);
		return ENDS;
	}
	if (d.head.state == DUMP_COMPLETE)
		log_line("dump %lu of life %lu is complete: %lu KiB, in %lu KiB, after %lu ms", d.head.number,
			 d.head.life, raw, stored, elapsed_ms());
	else
		log_line(
			"dump %lu of life %lu is cut off: its place of %lu KiB holds %lu of %lu KiB; %lu KiB are enough for any",
			d.head.number, d.head.life, d.region.slot_size >> 10, raw,
			source_bytes(&d.source) >> 10, region_worst(source_bytes(&d.source)) >> 10);
	return ENDS;
}

static enum progress flush_head(unsigned pages)
{
	if (d.request_status)
		return report(pages);
	return ask(BLK_FLUSH, 0, report);
}

/* The chunks are on the medium: now the head may say so. */
static enum progress write_last_head(unsigned pages)
{
	if (d.request_status)
		return report(pages);
	d.head.t_ended = arch_time();
	d.head.bytes = d.stream.bytes;
	d.head.raw_bytes = d.source.raw;
	region_seal(&d.head);
	memset(d.work->block, 0, DUMP_BLOCK);
	memcpy(d.work->block, &d.head, sizeof(d.head));
	return ask(BLK_WRITE, region_slot(&d.region, d.head.number), flush_head);
}

static enum progress drain(unsigned pages)
{
	(void)pages;
	if (!stream_drain(&d.stream))
		return WAITS;
	if (__atomic_load_n(&d.stream.failed, __ATOMIC_RELAXED)) {
		log_line("dump %lu: the disk does not take it, after %lu KiB", d.head.number,
			 d.stream.bytes >> 10);
		return ENDS;
	}
	return ask(BLK_FLUSH, 0, write_last_head);
}

static enum progress write_chunks(unsigned pages)
{
	int more;

	if (!stream_ready(&d.stream))
		return WAITS;
	more = __atomic_load_n(&d.stream.failed, __ATOMIC_RELAXED) ? -EIO
								   : source_step(&d.source, &d.stream, pages);
	if (more > 0)
		return GOES_ON;
	d.head.state = more < 0 ? DUMP_TRUNCATED : DUMP_COMPLETE;
	stream_put_end(&d.stream);
	d.step = drain;
	return GOES_ON;
}

static enum progress begin_chunks(unsigned pages)
{
	u64 at = region_slot(&d.region, d.head.number);

	if (d.request_status)
		return report(pages);
	log_line("dump %lu of life %lu begins", d.head.number, d.head.life);
	stream_begin(&d.stream, at + DUMP_BLOCK, at + d.region.slot_size);
	d.step = write_chunks;
	return GOES_ON;
}

/* The slot no longer is the older dump's, for sure, before a byte of that is overwritten. */
static enum progress flush_first_head(unsigned pages)
{
	if (d.request_status)
		return report(pages);
	return ask(BLK_FLUSH, 0, begin_chunks);
}

static void fill_source(const struct life_record *dead)
{
	size_t bytes = 0;
	const struct crash_record *c = crash_find(dead->number, &bytes);

	d.source.crash = (const u8 *)c;
	d.source.crash_bytes = bytes;
	d.source.memory[0].base = life_dead_slot();
	d.source.memory[0].size = LAYOUT_SLOT_SIZE;
	d.source.memory[1].base = estate.base;
	d.source.memory[1].size = estate.size;
	d.source.scratch = d.work->scratch;
}

static void fill_head(const struct life_record *dead)
{
	d.head = (struct dump_head){ .magic = DUMP_HEAD_MAGIC,
				     .version = DUMP_VERSION,
				     .state = DUMP_WRITING,
				     .number = d.newest + 1,
				     .life = dead->number,
				     .cause = dead->cause,
				     .crash_hart = dead->crash_hart,
				     .timebase = estate.machine.timebase,
				     .t_fault = dead->t_fault,
				     .t_begun = arch_time(),
				     .ram_base = estate.base - LAYOUT_ESTATE_OFFSET,
				     .slot_base = life_dead_slot(),
				     .slot_size = LAYOUT_SLOT_SIZE,
				     .estate_base = estate.base,
				     .estate_size = estate.size,
				     .hart_count = estate.machine.hart_count,
				     .seconds = (s64)(clock_read() / 1000000000) };
	memcpy(d.head.build, control_build, sizeof(d.head.build));
	d.head.build[sizeof(d.head.build) - 1] = 0;
	/* One that did not stand its trial was of another build. */
	if (dead->undone && dead->build)
		format(d.head.build, sizeof(d.head.build), "%016lx", (unsigned long)dead->build);
	memcpy(d.head.text, dead->text, sizeof(d.head.text));
	d.head.text[sizeof(d.head.text) - 1] = 0;
	region_seal(&d.head);
}

/* In the background: what this takes is nobody's time. */
static bool get_buffers(void)
{
	for (unsigned n = 0; n < STREAM_BUFFERS; n++) {
		d.stream.buffer[n].bytes = pages_alloc(STREAM_BUFFER_ORDER);
		if (!d.stream.buffer[n].bytes)
			return false;
	}
	d.stream.disk = d.disk;
	d.stream.number = d.head.number;
	d.stream.done = disk_answered;
	d.stream.compress = &d.work->compress;
	return true;
}

static enum progress begin_dump(unsigned pages)
{
	const struct life_record *dead = life_before();

	(void)pages;
	if (!life_recovered() && arch_time() - life_started() < milliseconds(RECOVERY_PATIENCE_MS))
		return WAITS;
	fill_head(dead);
	fill_source(dead);
	if (!get_buffers()) {
		log_line("dump %lu of life %lu: no memory for it", d.head.number, d.head.life);
		return ENDS;
	}
	memset(d.work->block, 0, DUMP_BLOCK);
	memcpy(d.work->block, &d.head, sizeof(d.head));
	return ask(BLK_WRITE, region_slot(&d.region, d.head.number), flush_first_head);
}

/* ---- The region ---- */

/* True if the life before this one has left something to be written. */
static bool has_evidence(void)
{
	const struct life_record *dead = life_before();

	return dead && dead->number && dead->cause != LIFE_UPDATE && dead->cause != LIFE_POWEROFF;
}

static enum progress see_head(unsigned pages)
{
	u64 number;

	if (d.request_status) {
		log_line("dumps: the disk cannot be read: error %d", -d.request_status);
		return ENDS;
	}
	number = region_number(&d.region, d.slots_seen, d.work->block);
	if (number > d.newest)
		d.newest = number;
	d.slots_seen++;
	if (d.slots_seen < d.region.count)
		return ask(BLK_READ, region_slot(&d.region, d.slots_seen), see_head);
	d.step = begin_dump;
	return begin_dump(pages);
}

static enum progress use_region(unsigned pages)
{
	u64 worst = region_worst(LAYOUT_SLOT_SIZE + estate.size + CRASH_RECORD_STRIDE);

	(void)pages;
	if (d.request_status) {
		log_line("dumps: a region cannot be made: the disk says error %d", -d.request_status);
		return ENDS;
	}
	if (life_number() == 1)
		log_line("dumps: the last %u, of at most %lu KiB each%s", d.region.count,
			 d.region.slot_size >> 10,
			 d.region.slot_size < worst ? "; one that hardly compresses is cut off" : "");
	if (!has_evidence())
		return ENDS;
	return ask(BLK_READ, region_slot(&d.region, 0), see_head);
}

static enum progress flush_region(unsigned pages)
{
	if (d.request_status)
		return use_region(pages);
	return ask(BLK_FLUSH, 0, use_region);
}

static enum progress make_region(void)
{
	if (region_make(disk_bytes(), estate.machine.evidence.dump_keep, &d.region)) {
		log_line("dumps: the disk of %lu KiB is too small: %lu KiB are needed", disk_bytes() >> 10,
			 (DUMP_BLOCK + region_worst(LAYOUT_SLOT_SIZE + estate.size + CRASH_RECORD_STRIDE) *
					       estate.machine.evidence.dump_keep) >>
				 10);
		return ENDS;
	}
	memset(d.work->block, 0, DUMP_BLOCK);
	memcpy(d.work->block, &d.region, sizeof(d.region));
	return ask(BLK_WRITE, 0, flush_region);
}

static enum progress see_region(unsigned pages)
{
	const char *why;

	if (d.request_status) {
		log_line("dumps: the disk cannot be read: error %d", -d.request_status);
		return ENDS;
	}
	switch (region_read(d.work->block, disk_bytes(), &d.region)) {
	case 0:
		return use_region(pages);
	case -ENODATA:
		return make_region();
	case -EPROTO:
		why = "the region is of another version";
		break;
	case -ENOSPC:
		why = "the region is larger than the disk";
		break;
	default:
		why = "it holds something else";
	}
	log_line("dumps: the disk is left as it is, without dumps: %s", why);
	return ENDS;
}

static enum progress read_region(unsigned pages)
{
	(void)pages;
	return ask(BLK_READ, 0, see_region);
}

/* ---- Who works when ---- */

void host_dump_init(void)
{
	u64 unit = (u64)estate.machine.evidence.dump_disk - 1;

	memset(&d, 0, sizeof(d));
	if (!estate.machine.evidence.dump_disk)
		return;
	d.disk = unit < BLK_BACKENDS_MAX ? blk_backends[unit] : NULL;
	if (!d.disk || d.disk->readonly || disk_bytes() < DUMP_BLOCK) {
		log_line("dumps: disk %lu %s", unit,
			 !d.disk	    ? "is not there"
			 : d.disk->readonly ? "cannot be written"
					    : "is too small");
		return;
	}
	d.owner = arch_hart();
	d.step = read_region;
	__atomic_store_n(&d.active, 1, __ATOMIC_RELEASE);
}

static void put_back(void *at, unsigned order)
{
	for (unsigned n = 0; at && n < 1u << order; n++)
		page_free((u8 *)at + n * PAGE_SIZE);
}

/* All is with us again, or a disk that does not answer may still write to it: then it stays where it is. */
static void end(bool give_back)
{
	__atomic_store_n(&d.active, 0, __ATOMIC_RELAXED);
	if (!give_back)
		return;
	put_back(d.work, WORK_ORDER);
	for (unsigned n = 0; n < STREAM_BUFFERS; n++)
		put_back(d.stream.buffer[n].bytes, STREAM_BUFFER_ORDER);
}

/* The disk has been asked for something and has not answered for too long. */
static bool disk_is_dead(void)
{
	u64 now = arch_time();

	if (!d.waits_since)
		d.waits_since = now;
	if (now - d.waits_since < milliseconds(DISK_PATIENCE_MS))
		return false;
	log_line("dumps: the disk does not answer");
	return true;
}

/* False: wait for the disk, or for nothing any more. */
static bool do_step(unsigned pages)
{
	enum progress p = WAITS;

	if (!d.work)
		d.work = pages_alloc(WORK_ORDER);
	if (!d.work) {
		log_line("dumps: no memory for them");
		p = ENDS;
	} else if (!request_busy()) {
		p = d.step(pages);
	}
	if (p == ENDS)
		end(true);
	else if (p == GOES_ON)
		d.waits_since = 0;
	else if (disk_is_dead())
		end(false);
	return p == GOES_ON;
}

/*
 * A hart that has to wait says so, and then looks whether the disk has answered since its step began: whoever answers counts
 * first and then looks who waits. True if it has.
 */
static bool answered_since(u32 count)
{
	__atomic_store_n(&d.waiter, arch_hart() + 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&d.answers, __ATOMIC_SEQ_CST) == count)
		return false;
	__atomic_store_n(&d.waiter, 0, __ATOMIC_SEQ_CST);
	return true;
}

static bool is_my_turn(bool idle, u64 now)
{
	return __atomic_load_n(&d.active, __ATOMIC_ACQUIRE) &&
	       (idle || (arch_hart() == d.owner && now >= __atomic_load_n(&d.due, __ATOMIC_RELAXED)));
}

bool host_dump_work(bool idle)
{
	u64 begun = arch_time(), now, next;
	u32 answers;
	bool more;

	if (!is_my_turn(idle, begun) || !lock_try(&d.busy))
		return false;
	answers = __atomic_load_n(&d.answers, __ATOMIC_SEQ_CST);
	__atomic_store_n(&d.due, begun + milliseconds(LOOK_MS), __ATOMIC_RELAXED);
	more = __atomic_load_n(&d.active, __ATOMIC_RELAXED) && do_step(idle ? PAGES_IDLE : PAGES_BUSY);
	if (more || answered_since(answers)) {
		now = arch_time();
		next = idle ? milliseconds(LOOK_MS) : (now - begun) * REST;
		__atomic_store_n(&d.due, now + next, __ATOMIC_RELAXED);
		more = true;
	}
	lock_release(&d.busy);
	return more;
}

bool host_dump_is_busy(void)
{
	return __atomic_load_n(&d.active, __ATOMIC_ACQUIRE);
}

u64 host_dump_next(void)
{
	if (!__atomic_load_n(&d.active, __ATOMIC_RELAXED) || arch_hart() != d.owner)
		return ~0ull;
	return __atomic_load_n(&d.due, __ATOMIC_RELAXED);
}
