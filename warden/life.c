#include "warden/life.h"

#include <sbi/riscv_barrier.h>
#include <sbi/sbi_console.h>
#include <sbi/sbi_domain.h>
#include <sbi/sbi_ecall_interface.h>
#include <sbi/sbi_error.h>
#include <sbi/sbi_hsm.h>
#include <sbi/sbi_system.h>
#include <sbi/sbi_timer.h>

#include "warden/pristine.h"
#include "warden/stop.h"
#include "warden/watchdog.h"

#define HEIR_PATIENCE_MS 2000

/* Until a life says what it wants. */
#define DEFAULT_LIMIT  5
#define DEFAULT_WINDOW 60

struct life life;

/* The death that is being dealt with, and those before. */
static struct {
	u64 cause;
	u64 hart;
	u64 time;
	u64 update;   /* enum warden_update_role of the heir */
	u64 t_update; /* when a life ended for the last update */
	u64 text_size;
	char text[sizeof(((struct warden_record *)0)->text)];
	u64 count; /* of crashes: updates, and lives that did not stand their trial, are none */
	u64 times[WARDEN_CRASH_LIMIT_MAX + 1]; /* a ring */
} death;

void life_init(u64 base)
{
	SPIN_LOCK_INIT(life.lock);
	life.base = base;
	life.estate = base + LAYOUT_ESTATE_OFFSET;
	life.slot = 0;
	life.number = 1;
	life.limit = DEFAULT_LIMIT;
	life.window = DEFAULT_WINDOW;
	life.policy = CRASH_RESET;
	life.phase = LIFE_IS_ON;
}

u64 life_slot_address(u32 slot)
{
	return life.base + LAYOUT_SLOT_OFFSET(slot);
}

static u64 ticks_per_second(void)
{
	return sbi_timer_get_device()->timer_freq;
}

u64 life_heir_patience(void)
{
	return ticks_per_second() / 1000 * HEIR_PATIENCE_MS;
}

static void note_text(u64 text, u64 text_size)
{
	u64 i;

	death.text_size = 0;
	if (!text || !text_size || !hart_open(text, text_size))
		return;
	for (i = 0; i < text_size; i++)
		death.text[i] = ((const volatile char *)text)[i];
	death.text_size = text_size;
	hart_close();
}

/* Whatever ends a life on trial: its update is undone. Caller holds life.lock. */
static void note_death(enum life_cause cause, u64 time)
{
	death.cause = life.trial ? LIFE_ADOPTION : cause;
	death.hart = hart_this()->id;
	death.time = time;
	death.update = WARDEN_UPDATE_NONE;
	if (life.trial) {
		death.update = WARDEN_UPDATE_UNDONE;
	} else if (cause == LIFE_UPDATE) {
		death.update = WARDEN_UPDATE_TRIAL;
		death.t_update = time;
	} else {
		death.times[death.count % array_size(death.times)] = time;
		death.count++;
	}
}

/* How many crashes, the present one included, were within the window. */
static u64 recent_deaths(void)
{
	const u64 kept = MIN(death.count, array_size(death.times));
	u64 i, recent = 0;

	for (i = 0; i < kept; i++)
		if (death.time - death.times[i] <= life.window * ticks_per_second())
			recent++;
	return recent;
}

/* What follows when there is no heir. Returns if the machine is to halt, with everything held. */
static void follow_policy(struct hart *me, const char *why)
{
	sbi_printf("warden: hypervisor crash %lu (cause %lu on hart %lu) is not recovered: %s: %s\n",
		   death.count, death.cause, death.hart, why, life.policy == CRASH_RESET ? "reset" : "halt");
	if (life.policy == CRASH_RESET &&
	    sbi_system_reset_supported(SBI_SRST_RESET_TYPE_COLD_REBOOT, SBI_SRST_RESET_REASON_SYSFAIL))
		sbi_system_reset(SBI_SRST_RESET_TYPE_COLD_REBOOT, SBI_SRST_RESET_REASON_SYSFAIL);
	stop_life(me, ~0u);
	sbi_printf("warden: halted\n");
	life.phase = LIFE_IS_OVER;
}

/* Tells the heir what it is heir to. */
static void write_record(u32 dead_slot, u64 t_stopped)
{
	volatile struct warden_record *record = (struct warden_record *)(life.estate + ESTATE_WARDEN_OFFSET);
	u64 i;

	record->valid = 0;
	smp_wmb();
	record->cause = death.cause;
	record->hart = death.hart;
	record->dead_slot = dead_slot;
	record->crashes = death.count;
	record->t_fault = death.time;
	record->t_stopped = t_stopped;
	record->update = death.update;
	record->t_update = death.t_update;
	record->text_size = death.text_size;
	for (i = 0; i < death.text_size; i++)
		record->text[i] = death.text[i];
	record->t_heir = sbi_timer_value();
	smp_wmb();
	record->valid = 1;
}

/* The hart that begins the heir: the one that crashed, unless it was in a guest; then the lowest that is held. */
static struct hart *heirs_hart(struct hart *me, bool was_guest)
{
	struct hart *lowest = me;
	u32 i;

	if (!was_guest)
		return me;
	for (i = 0; i < hart_count(); i++) {
		struct hart *h = hart_at(i);

		if (h->where == HART_HELD && h->id < lowest->id)
			lowest = h;
	}
	return lowest;
}

/* A candidate that has been damaged in memory since it was sealed never lives: the image in force goes on. */
static bool unpack(u64 slot)
{
	if (death.update == WARDEN_UPDATE_TRIAL) {
		if (pristine_unpack_spare(slot))
			return true;
		death.update = WARDEN_UPDATE_UNDONE;
	}
	return pristine_unpack(slot);
}

/* The executor's work, with its own hart held already. Whoever is to run on has its order when this returns. */
static void recover(struct hart *me, bool was_guest)
{
	const u32 dead = life.slot, next = (dead + 1) % LAYOUT_SLOTS;
	struct hart *first;
	u64 t_stopped;

	/* Guests that still run on tables of the life before the dead one: those are in the slot that the heir gets. */
	if (!stop_life(me, 1u << next)) {
		follow_policy(me, "a guest does not leave the heir's slot");
		return;
	}
	t_stopped = sbi_timer_value();

	if (death.update == WARDEN_UPDATE_NONE && recent_deaths() > life.limit) {
		follow_policy(me, "too many within the time");
		return;
	}
	if (!unpack(life_slot_address(next))) {
		follow_policy(me, "the pristine image is damaged");
		return;
	}

	first = heirs_hart(me, was_guest);
	life.slot = next;
	life.ready = false;
	life.trial = death.update == WARDEN_UPDATE_TRIAL;
	watchdog_set_period(0);
	write_record(dead, t_stopped);

	spin_lock(&life.lock);
	life.phase = LIFE_IS_ON;
	first->order = (struct hart_order){ .life = life.number,
					    .entry = life_slot_address(next) + IMAGE_HEIR_ENTRY,
					    .argument = life.estate,
					    .heir = true };
	spin_unlock(&life.lock);
	if (first != me)
		stop_kick(first);
}

static void end(enum life_cause cause, u64 time, u64 text, u64 text_size, struct sbi_trap_regs *regs)
{
	const bool was_guest = sbi_regs_from_virt(regs);
	struct hart *me = hart_this();
	bool executor;
	u32 i;

	spin_lock(&life.lock);
	executor = life.phase == LIFE_IS_ON && me->life == life.number;
	if (executor) {
		life.phase = LIFE_IS_ENDING;
		life.number++;
		note_death(cause, time);
		note_text(text, text_size);
		/* Harts that had been sent to the dead life and have not left yet stay. */
		for (i = 0; i < hart_count(); i++)
			hart_at(i)->order.life = 0;
	}
	spin_unlock(&life.lock);

	stop_this(me, regs);
	if (executor)
		recover(me, was_guest);
	hart_hold(me, regs);
}

void life_end(enum life_cause cause, u64 text, u64 text_size, struct sbi_trap_regs *regs)
{
	end(cause, sbi_timer_value(), text, text_size, regs);
}

void life_update(u64 begun, struct sbi_trap_regs *regs)
{
	const u64 now = sbi_timer_value();

	/* The clock of the pause; who says more than a second means something else. */
	end(LIFE_UPDATE, begun <= now && now - begun <= ticks_per_second() ? begun : now, 0, 0, regs);
}

/* A life that has stood its trial puts its image in force, unless it is about to end. */
static void pass_trial(void)
{
	spin_lock(&life.lock);
	if (life.trial && life.phase == LIFE_IS_ON && hart_this()->life == life.number) {
		pristine_replace();
		life.trial = false;
	}
	spin_unlock(&life.lock);
}

int life_report_ready(u64 entry, u64 limit, u64 window, u64 policy)
{
	const u64 slot = life_slot_address(life.slot);

	if (entry < slot || entry - slot >= LAYOUT_SLOT_SIZE || entry % 4)
		return SBI_EINVALID_ADDR;
	if (policy != CRASH_RESET && policy != CRASH_HALT)
		return SBI_EINVAL;
	life.entry = entry;
	life.limit = MIN(limit, (u64)WARDEN_CRASH_LIMIT_MAX);
	life.window = MIN(window, 1ul << 32);
	life.policy = (u32)policy;
	pass_trial();
	__smp_store_release(&life.ready, true);
	return SBI_OK;
}

/* A hart that the life has never had, or has stopped. */
static int start_hart(struct hart *h, u64 opaque)
{
	const u64 begin = sbi_timer_value();
	int rc;

	while (__sbi_hsm_hart_get_state(h->index) == SBI_HSM_STATE_STOP_PENDING)
		if (sbi_timer_value() - begin > ticks_per_second() / 100)
			return SBI_ETIMEDOUT;
	rc = sbi_hsm_hart_start(sbi_scratch_thishart_ptr(), sbi_hartindex_to_domain(hart_this()->index),
				h->id, life.entry, PRV_S, opaque);
	/* HSM says EINVAL of a hart that is being started already. */
	return rc == SBI_EINVAL ? SBI_EALREADY : rc;
}

int life_collect(u64 hart_id, u64 opaque)
{
	struct hart *h = hart_with_id(hart_id);
	int rc = SBI_EALREADY;
	bool start = false, kick = false;

	if (!h)
		return SBI_EINVAL;
	if (!life.ready)
		return SBI_EINVALID_STATE;

	spin_lock(&life.lock);
	if (life.phase != LIFE_IS_ON) {
		rc = SBI_EFAIL;
	} else if (h->where == HART_OUT) {
		start = true;
	} else if (h->where == HART_LIFE) {
		/* Of the life before: it did not answer the stop, and has not done so since. */
		if (h->life != life.number)
			rc = SBI_ETIMEDOUT;
	} else if (!h->order.life) {
		h->order =
			(struct hart_order){ .life = life.number, .entry = life.entry, .argument = opaque };
		h->come_in = h->where == HART_GUEST;
		kick = true;
		rc = SBI_OK;
	}
	spin_unlock(&life.lock);

	if (kick)
		stop_kick(h);
	if (start)
		rc = start_hart(h, opaque);
	return rc;
}
