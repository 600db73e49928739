/* See recorder.h. */
#include "core/recorder/recorder.h"
#include "core/arch.h"
#include "core/blackbox/blackbox.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"
#include "core/recorder/inside.h"
#include "core/survive/life.h"

/* Steps in one round of a hart's loop: each is at most one request to the disk. */
#define STEPS_MAX 4

/* After the disk has refused something. */
#define RETRY_MS 1000

/* A request that takes longer is worth a line. */
#define SLOW_MS 10000

struct recorder recorder;

static const struct blackbox_log host_log = { .head = log_head, .read = log_read };

static u64 ticks_of(u64 ms)
{
	return estate.machine.timebase / 1000 * ms;
}

struct blackbox_time recorder_time(u64 ticks)
{
	u64 now = arch_time(), ns = clock_read();
	u64 ago = now > ticks ? (now - ticks) / (estate.machine.timebase / 1000000) * 1000 : 0;

	/* Without a clock: since the machine was started. */
	if (!ns)
		ns = now / (estate.machine.timebase / 1000000) * 1000;
	ns = ns > ago ? ns - ago : 0;
	return (struct blackbox_time){ (s64)(ns / 1000000000), (s64)(ns % 1000000000) };
}

/* ---- Beginning ---- */

static void give_up(const char *why)
{
	const struct pack_evidence *e = &estate.machine.evidence;

	__atomic_store_n(&recorder.stage, RECORDER_OFF, __ATOMIC_RELEASE);
	log_line("black box: disk %u: %s", e->blackbox_disk - 1, why);
	format(recorder.why, sizeof(recorder.why), "%s", why);
}

/* Rings and the largest record lie in this life's slot. */
static void *box_memory(const struct blackbox_layout *l)
{
	unsigned order = 0;

	while ((u64)PAGE_SIZE << order < blackbox_memory(l))
		order++;
	return blackbox_memory(l) > BLACKBOX_HOST_MEMORY ? NULL : pages_alloc(order);
}

static void begin(struct blk_backend *backend, const struct blackbox_sizes *sizes)
{
	char why[BLACKBOX_WHY_SIZE];
	u8 *pages;

	if (layout_make(&recorder.layout, sizes, backend->sectors * BLK_SECTOR, why)) {
		give_up(why);
		return;
	}
	if (backend->readonly) {
		give_up("it is read-only");
		return;
	}
	pages = pages_alloc(2);
	recorder.memory = box_memory(&recorder.layout);
	if (!pages || !recorder.memory) {
		format(why, sizeof(why),
		       "zones of this size need %lu KiB of memory, at most %lu are there for them",
		       (unsigned long)(blackbox_memory(&recorder.layout) / KIB(1)),
		       (unsigned long)(BLACKBOX_HOST_MEMORY / KIB(1)));
		give_up(why);
		return;
	}
	_Static_assert(DISK_PAGES == 4, "the order above");
	disk_open(&recorder.disk, backend, pages);
	recorder.begun_at = arch_time();
	__atomic_store_n(&recorder.stage, RECORDER_OPENING, __ATOMIC_RELEASE);
}

/* A line has been logged. */
static void wake(void)
{
	if (__atomic_load_n(&recorder.stage, __ATOMIC_RELAXED) == RECORDER_READY)
		arch_kick(arch_hart());
}

void recorder_init(void)
{
	const struct pack_evidence *e = &estate.machine.evidence;
	const struct blackbox_sizes sizes = { e->blackbox_pmsg, e->blackbox_console, e->blackbox_ftrace,
					      e->blackbox_kmsg };
	u32 unit = e->blackbox_disk - 1;

	recorder.next = ~0ull;
	if (!e->blackbox_disk)
		return;
	recorder.keep = estate_recorder();
	if (unit >= BLK_BACKENDS_MAX || !blk_backends[unit]) {
		give_up("the machine has no such disk");
		return;
	}
	begin(blk_backends[unit], &sizes);
	log_on_line(wake);
}

/* ---- Opening ---- */

/* True if no zone bears any signature, or none can be read. */
static bool is_blank(const struct blackbox *b)
{
	if ((b->has_pmsg && b->pmsg.state != ZONE_ABSENT && b->pmsg.state != ZONE_UNREADABLE) ||
	    (b->has_console && b->console.state != ZONE_ABSENT && b->console.state != ZONE_UNREADABLE))
		return false;
	for (u32 n = 0; n < b->layout.kmsg_count; n++)
		if (b->records.info[n].state != ZONE_ABSENT && b->records.info[n].state != ZONE_UNREADABLE)
			return false;
	return true;
}

/* A line that tells this run of the machine from those before it, in the rings. */
static void mark_start(struct ring *r)
{
	struct blackbox_time t = recorder_time(arch_time());
	u64 timebase = estate.machine.timebase, ticks = arch_time();
	char line[RECORDER_MARK_MAX];
	u32 bytes = (u32)format(line, sizeof(line), "%s%lu.%06lu at %lu.%06lu\n", RECORDER_MARK,
				(unsigned long)(ticks / timebase),
				(unsigned long)(ticks % timebase * 1000000 / timebase),
				(unsigned long)t.seconds, (unsigned long)(t.nanoseconds / 1000));

	ring_append(r, line, bytes);
}

/* The first life of the machine notes what is older than it; heirs know from the estate. */
static void tell_runs_apart(struct blackbox *b)
{
	struct recorder_record *keep = recorder.keep;

	if (keep->begun)
		return;
	estate_store(&keep->newest_seconds, (u64)b->records.newest.seconds);
	estate_store(&keep->newest_nanoseconds, (u64)b->records.newest.nanoseconds);
	if (b->has_console)
		mark_start(&b->console);
	if (b->has_pmsg)
		mark_start(&b->pmsg);
	recorder.is_first = true;
}

static void opened(void)
{
	struct blackbox *b = &recorder.box;
	u64 us = (arch_time() - recorder.begun_at) / (estate.machine.timebase / 1000000);
	char why[BLACKBOX_WHY_SIZE];
	u32 opening = RECORDER_OPENING;

	if (blackbox_foreign(b)) {
		format(why, sizeof(why), "a black box of another layout (%u zones): nothing is written to it",
		       blackbox_foreign(b));
		give_up(why);
		return;
	}
	if (is_blank(b)) {
		give_up("bears no black box; \"outlive blackbox format\" makes one");
		return;
	}
	tell_runs_apart(b);
	blackbox_follow(b, &host_log, recorder.keep->log_written);
	/* Unless a hart that dies has closed it meanwhile. */
	if (!__atomic_compare_exchange_n(&recorder.stage, &opening, RECORDER_READY, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	log_line("black box: disk %u, %u records of %u KiB, opened in %lu us",
		 estate.machine.evidence.blackbox_disk - 1, b->layout.kmsg_count,
		 b->layout.sizes.kmsg / (u32)KIB(1), (unsigned long)us);
}

/* ---- Records ---- */

static bool is_crash(const struct life_record *l)
{
	return l->cause != LIFE_RUNNING && l->cause != LIFE_UPDATE && l->cause != LIFE_POWEROFF;
}

/* The oldest life whose crash has no record yet, or NULL. */
static const struct life_record *next_crash(void)
{
	u64 now = life_number(), from = estate_load(&recorder.keep->crash_recorded) + 1;

	if (now > LIFE_COUNT && from < now - LIFE_COUNT)
		from = now - LIFE_COUNT;
	for (u64 n = from; n && n < now; n++) {
		const struct life_record *l = estate_life(n);

		if (l->number == n && is_crash(l))
			return l;
	}
	return NULL;
}

void recorder_describe(char *to, size_t size, const struct life_record *l)
{
	char text[sizeof(l->text)];

	memcpy(text, l->text, sizeof(text));
	text[sizeof(text) - 1] = 0;
	format(to, size, "life %lu ended by %s on hart %lu at +0x%lx: %s", (unsigned long)l->number,
	       life_cause_text(l->cause), (unsigned long)l->crash_hart, (unsigned long)l->crash_pc, text);
}

/* Makes the next record that is due, if the place for one is free. */
static void make_record(void)
{
	const struct life_record *crash = next_crash();
	struct blackbox *b = &recorder.box;
	char why[RECORDER_WHY_MAX];

	if (!b->layout.kmsg_count || records_dirty(&b->records))
		return;
	if (crash) {
		recorder_describe(why, sizeof(why), crash);
		if (!blackbox_record(b, PSTORE_REASON_PANIC, recorder_time(crash->t_fault), why))
			recorder.crash = crash->number;
	} else if (oops_take(why, sizeof(why))) {
		blackbox_record(b, PSTORE_REASON_OOPS, recorder_time(arch_time()), why);
	}
}

/* What was waiting is on the disk. */
static void all_written(void)
{
	struct recorder_record *keep = recorder.keep;

	if (recorder.box.has_pmsg)
		pmsg_written();
	if (recorder.is_first) {
		estate_store(&keep->begun, 1);
		recorder.is_first = false;
	}
	if (recorder.failing)
		log_line("black box: the disk takes writes again");
	recorder.failing = false;
}

/* The record of a crash is on the disk. */
static void crash_recorded(void)
{
	const struct life_record *l = estate_life(recorder.crash);
	u64 us = (arch_time() - l->t_fault) / (estate.machine.timebase / 1000000);

	estate_store(&recorder.keep->crash_recorded, recorder.crash);
	log_line("black box: the end of life %lu is on disk, %lu us after it", (unsigned long)recorder.crash,
		 (unsigned long)us);
	recorder.crash = 0;
}

static void write_failed(int error)
{
	if (!recorder.failing)
		log_line("black box: the disk refuses (error %d); tried again every second", -error);
	recorder.failing = true;
	__atomic_store_n(&recorder.next, arch_time() + ticks_of(RETRY_MS), __ATOMIC_RELAXED);
}

/* Between writes what somebody wants to read: it lies in two pages at most. */
static void fetch_wanted(void)
{
	u64 last = recorder.wanted_at + recorder.wanted_bytes - 1;
	u8 byte;
	int error = disk_read_kept(&recorder.disk, recorder.wanted_at, &byte, 1);

	if (!error)
		error = disk_read_kept(&recorder.disk, last, &byte, 1);
	if (error == -EAGAIN)
		return;
	recorder.wanted_error = error;
	recorder.wanted_bytes = 0;
}

static void write(void)
{
	int error;

	make_record();
	if (recorder.box.has_pmsg)
		pmsg_move(&recorder.box.pmsg);
	error = blackbox_flush(&recorder.box);
	/* Also of a batch that is not finished: what an heir would write again otherwise. */
	if (blackbox_log_written(&recorder.box) != recorder.keep->log_written)
		estate_store(&recorder.keep->log_written, blackbox_log_written(&recorder.box));
	if (recorder.crash && !records_dirty(&recorder.box.records))
		crash_recorded();
	if (error == -EAGAIN)
		return;
	if (error)
		write_failed(error);
	else
		all_written();
	if (recorder.wanted_bytes)
		fetch_wanted();
}

/* ---- Work ---- */

/* The stage is looked at again with the lock: a hart that dies takes the recorder away (dying.c). */
static void step(void)
{
	int error;

	if (recorder.stage == RECORDER_OPENING) {
		error = recorder.box.device ? blackbox_open_more(&recorder.box)
					    : blackbox_open(&recorder.box, &recorder.disk.device,
							    &recorder.layout, recorder.memory);
		if (!error)
			opened();
		else if (error != -EAGAIN)
			give_up("cannot be opened");
	} else if (recorder.stage == RECORDER_READY) {
		write();
	}
}

static void note_slowness(void)
{
	if (recorder.is_slow || !disk_is_busy(&recorder.disk) ||
	    arch_time() - recorder.disk.begun < ticks_of(SLOW_MS))
		return;
	recorder.is_slow = true;
	log_line("black box: the disk does not answer for %u s", SLOW_MS / 1000);
}

/* A hint: whoever logs or answers looks again. */
static bool has_work(void)
{
	u32 stage = __atomic_load_n(&recorder.stage, __ATOMIC_ACQUIRE);
	u64 next = __atomic_load_n(&recorder.next, __ATOMIC_RELAXED);

	if (stage == RECORDER_OFF || disk_is_busy(&recorder.disk))
		return false;
	if (next != ~0ull) {
		if (arch_time() < next)
			return false;
		__atomic_store_n(&recorder.next, ~0ull, __ATOMIC_RELAXED);
	}
	return stage == RECORDER_OPENING || blackbox_dirty(&recorder.box) ||
	       recorder.disk.state == DISK_ENDED || recorder.wanted_bytes || recorder.is_first ||
	       oops_waits() || pmsg_waits() || next_crash();
}

void recorder_poll(void)
{
	if (__atomic_load_n(&recorder.stage, __ATOMIC_RELAXED) == RECORDER_OFF)
		return;
	note_slowness();
	for (unsigned n = 0; n < STEPS_MAX; n++) {
		if (!has_work() || !lock_try(&recorder.lock))
			return;
		step();
		lock_release(&recorder.lock);
	}
	if (has_work())
		arch_kick(arch_hart());
}

u64 recorder_next(void)
{
	if (__atomic_load_n(&recorder.stage, __ATOMIC_RELAXED) == RECORDER_OFF)
		return ~0ull;
	return __atomic_load_n(&recorder.next, __ATOMIC_RELAXED);
}
