/* The history of lives; see life.h. */
#include "core/survive/life.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/log.h"
#include "core/lib/string.h"

static struct life_record *mine;
static struct life_record *before;
static enum warden_update_role role;
static bool recovered;
static u32 untold;   /* the recovery is complete, and the log does not say so yet */
static u64 expected; /* vCPUs that have not run yet in this life */

u64 life_number(void)
{
	return mine ? mine->number : 0;
}

u64 life_started(void)
{
	return mine ? mine->t_start : 0;
}

bool life_recovered(void)
{
	return __atomic_load_n(&recovered, __ATOMIC_RELAXED);
}

const struct life_record *life_before(void)
{
	return before;
}

const char *life_cause_text(u64 cause)
{
	static const char *const texts[] = {
		[LIFE_RUNNING] = "running", [LIFE_PANIC] = "panic",	    [LIFE_TRAP] = "trap",
		[LIFE_HANG] = "hang",	    [LIFE_TRAP_LOOP] = "trap loop", [LIFE_STACK] = "stack overflow",
		[LIFE_UPDATE] = "update",   [LIFE_POWEROFF] = "power-off",  [LIFE_ADOPTION] = "adoption",
	};

	return cause < ARRAY_SIZE(texts) ? texts[cause] : "unknown";
}

enum warden_update_role life_update_role(void)
{
	return role;
}

bool life_has_crashed(const struct life_record *life)
{
	return life->cause != LIFE_RUNNING && life->cause != LIFE_UPDATE && life->cause != LIFE_POWEROFF &&
	       !life->undone;
}

static u64 ticks_to_us(u64 ticks)
{
	return ticks * 1000000 / estate.machine.timebase;
}

/* What the warden wrote between the stop and our entry. */
static void complete_before(u64 entered)
{
	struct warden_record *w = estate.warden;
	u64 hart = w->hart < MAX_HARTS ? w->hart : 0;
	u64 size = w->text_size < sizeof(w->text) ? w->text_size : sizeof(w->text) - 1;

	before->t_heir = entered;
	if (!w->valid) {
		before->cause = LIFE_ADOPTION;
		return;
	}
	before->cause = w->cause;
	before->undone = role == WARDEN_UPDATE_UNDONE;
	before->crash_hart = w->hart;
	/* Of an heir that had not come to take over what the stop before it found, this is what the hart still has: another life's. */
	if (!before->crash_pc && w->cause != LIFE_UPDATE &&
	    estate.harts[hart].found.pc - before->slot < LAYOUT_SLOT_SIZE) {
		before->crash_value = estate.harts[hart].found.stval;
		before->crash_pc = estate.harts[hart].found.pc - before->slot;
	}
	before->t_fault = w->t_fault;
	before->t_stopped = w->t_stopped;
	memset(before->text, 0, sizeof(before->text));
	memcpy(before->text, w->text, size);
	if (!size && before->undone && w->cause == LIFE_UPDATE)
		format(before->text, sizeof(before->text),
		       "the new image was damaged in the warden's memory");
	else if (!size && before->undone)
		format(before->text, sizeof(before->text), "it did not report for duty in time");
	else if (!size)
		format(before->text, sizeof(before->text), "at +0x%lx", before->crash_pc);
	for (u64 i = 0; i < size; i++) {
		if (before->text[i] < ' ' || before->text[i] > '~')
			before->text[i] = before->text[i] ? '?' : 0;
	}
	estate_store(&w->valid, 0);
}

/*
 * An update that was undone may have died before it had a record: the newest is then that of the life before it, which ran
 * where this one does. It ended for the update, and the record of the one between is made here. `slot`: this life's.
 */
static void record_update(u64 slot)
{
	u64 other = estate.base - LAYOUT_ESTATE_OFFSET + LAYOUT_SLOT_OFFSET(0);
	struct life_record *trial;

	if (role != WARDEN_UPDATE_UNDONE || before->slot != slot || before->cause != LIFE_RUNNING)
		return;
	before->cause = LIFE_UPDATE;
	before->t_fault = estate.warden->t_update;
	other += slot == other ? LAYOUT_SLOT_SIZE : 0;
	trial = estate_life(before->number + 1);
	*trial = (struct life_record){ .slot = other, .boot_hart = estate.warden->hart };
	estate_store(&trial->number, before->number + 1);
	before = trial;
}

void life_begin(bool heir, u64 slot, u64 boot_hart, u64 entered, const u64 window[4])
{
	u64 number;

	static struct life_record unknown;

	/* An estate whose history is damaged still has guests: what would be said of the dead life goes nowhere. */
	before = heir ? estate_newest_life() : NULL;
	if (heir && !before)
		before = &unknown;
	role = WARDEN_UPDATE_NONE;
	if (heir && estate.warden->valid && estate.warden->update <= WARDEN_UPDATE_UNDONE)
		role = (enum warden_update_role)estate.warden->update;
	if (before)
		record_update(slot);
	if (before)
		complete_before(entered);
	number = before && before->number + 1 ? before->number + 1 : 1;
	mine = estate_life(number);
	*mine = (struct life_record){ .slot = slot, .boot_hart = boot_hart, .t_start = entered };
	if (window) {
		mine->entry_begin = window[0];
		mine->entry_swapped = window[1];
		mine->entry_moved = window[2];
		mine->entry_saved = window[3];
	}
	estate_store(&mine->number, number);
}

void life_set_build(u64 build)
{
	mine->build = build;
	if (role == WARDEN_UPDATE_TRIAL)
		format(before->text, sizeof(before->text), "from build %016lx to build %016lx", before->build,
		       build);
}

void life_ends_at(u64 pc, u64 value)
{
	if (!mine)
		return;
	mine->crash_value = value;
	mine->crash_pc = pc - mine->slot;
}

u64 life_slot(const struct life_record *life)
{
	return (life->slot - (estate.base - LAYOUT_ESTATE_OFFSET + LAYOUT_SLOT_OFFSET(0))) / LAYOUT_SLOT_SIZE;
}

u64 life_dead_slot(void)
{
	u64 first = estate.base - LAYOUT_ESTATE_OFFSET + LAYOUT_SLOT_OFFSET(0);

	return first + (1 - life_slot(mine)) * LAYOUT_SLOT_SIZE;
}

static void recovery_complete(u64 now)
{
	before->t_last_guest = now;
	__atomic_store_n(&recovered, true, __ATOMIC_RELAXED);
	__atomic_store_n(&untold, 1, __ATOMIC_RELEASE);
}

void life_poll(void)
{
	if (!__atomic_load_n(&untold, __ATOMIC_RELAXED) || !__atomic_exchange_n(&untold, 0, __ATOMIC_ACQUIRE))
		return;
	log_line(
		"life %lu: %lu VMs go on, %lu lost; guests back after %lu us (stop %lu, heir %lu, adoption %lu us)",
		mine->number, before->vms_adopted, before->vms_lost,
		ticks_to_us(before->t_last_guest - before->t_fault),
		ticks_to_us(before->t_stopped - before->t_fault),
		ticks_to_us(before->t_heir - before->t_stopped),
		ticks_to_us(before->t_adopted - before->t_heir));
}

void life_adopted(u64 vms, u64 lost, u64 vcpus)
{
	before->vms_adopted = vms;
	before->vms_lost = lost;
	before->t_adopted = arch_time();
	expected = vcpus;
	if (!vcpus)
		recovery_complete(before->t_adopted);
}

void life_vcpu_back(struct vcpu *v)
{
	u64 now = arch_time();

	v->expected = 0;
	if (!before->t_first_guest)
		before->t_first_guest = now;
	if (__atomic_sub_fetch(&expected, 1, __ATOMIC_SEQ_CST) == 0)
		recovery_complete(now);
}
