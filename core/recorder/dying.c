/*
 * The last words of a life without an heir, and the end of the log of one that ends in order; see recorder.h. Everything
 * here may run on any hart, on its emergency stack, while the other harts go on, and with the recorder in the middle of
 * something.
 */
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/recorder/inside.h"
#include "core/recorder/recorder.h"
#include "core/root/takeover.h"
#include "core/survive/life.h"

/* Who works for the recorder on another hart is done by then, unless it has died in there. */
#define STEP_MS 20

/* A second hart that dies meanwhile gives the first so long. */
#define PATIENCE_MS 5000

static u32 dying_hart_plus_1;
static u32 dying_done;

bool recorder_is_last(void)
{
	const struct machine_record *m = &estate.machine;
	u64 now = arch_time(), window = (u64)m->crash_window * m->timebase, crashes = 0,
	    number = life_number();

	if (!m->has_warden)
		return true;
	/* As the warden counts: one more within the window than the limit is not recovered. */
	for (u64 n = number > LIFE_COUNT ? number - LIFE_COUNT + 1 : 1; n < number; n++) {
		const struct life_record *l = estate_life(n);

		crashes += l->number == n && now - l->t_fault < window && life_has_crashed(l);
	}
	return crashes >= takeover_heirs();
}

/* True for the hart that is to write. The others wait here until it has, or fails to. */
static bool is_mine(void)
{
	u32 none = 0, self = arch_hart() + 1;
	u64 end = arch_time() + estate.machine.timebase / 1000 * PATIENCE_MS;

	if (__atomic_compare_exchange_n(&dying_hart_plus_1, &none, self, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		return true;
	while (none != self && !__atomic_load_n(&dying_done, __ATOMIC_ACQUIRE) && arch_time() < end)
		arch_beat();
	return false;
}

static bool is_locked(const struct lock *l)
{
	return __atomic_load_n(&l->next, __ATOMIC_RELAXED) != __atomic_load_n(&l->serving, __ATOMIC_RELAXED);
}

/* Keeps the other harts, which may go on, out of the recorder for good. What it was doing when. */
static u32 close_recorder(void)
{
	u32 stage = __atomic_exchange_n(&recorder.stage, RECORDER_OFF, __ATOMIC_SEQ_CST);
	u64 end = arch_time() + estate.machine.timebase / 1000 * STEP_MS;

	while (is_locked(&recorder.lock) && arch_time() < end)
		arch_relax();
	return stage;
}

static int last_words(struct blackbox_device *d, u32 stage, const char *why)
{
	static const struct blackbox_log log = { .head = log_head, .read = log_read };
	struct blackbox *b = &recorder.box;
	int error = 0;

	if (stage == RECORDER_OPENING) {
		error = blackbox_open(b, d, &recorder.layout, recorder.memory);
		if (!error && blackbox_foreign(b))
			error = -EINVAL;
		if (!error)
			blackbox_follow(b, &log, recorder.keep->begun ? recorder.keep->log_written : 0);
	} else if (is_locked(&recorder.lock)) {
		b->busy = true;
	}
	error = error ? error : blackbox_dying(b, d, recorder_time(arch_time()), why);
	/* What guests have been told that they have written, a ring's fill at a time. */
	while (!error && b->has_pmsg && pmsg_move_last(&b->pmsg)) {
		arch_beat();
		error = blackbox_flush(b);
	}
	return error;
}

static int write_last(const char *why)
{
	static struct blackbox_device device;
	u32 stage = close_recorder();
	int error = disk_polled(estate.machine.evidence.blackbox_disk - 1, &device);

	return error ? error : last_words(&device, stage, why);
}

void recorder_dying(const char *why)
{
	u64 begun = arch_time();
	int error;

	if (recorder.stage == RECORDER_OFF || !is_mine())
		return;
	error = write_last(why);
	if (error)
		log_line("black box: last words are not on disk: error %d", -error);
	else
		log_line("black box: last words are on disk after %lu us",
			 (unsigned long)((arch_time() - begun) / (estate.machine.timebase / 1000000)));
	__atomic_store_n(&dying_done, 1, __ATOMIC_RELEASE);
}

void recorder_finish(void)
{
	if (recorder.stage == RECORDER_READY && is_mine())
		write_last(NULL);
}
