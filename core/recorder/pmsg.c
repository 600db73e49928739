/*
 * What guests write to the black box; see recorder.h. Lines wait in the estate until they are on the disk, and the place
 * behind them is given to new ones only then: a VM whose lines find no room loses its own, not another's.
 *
 * Repeats after a crash: a write that was not complete for the guest is made again, and lines that were on the disk before
 * the estate said so are written again. A line of a log that is there twice does no harm. The beginning of a line whose end
 * has not come is in this life's memory only, and goes with it.
 */
#include "core/arch.h"
#include "core/blackbox/share.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"
#include "core/recorder/inside.h"
#include "core/recorder/recorder.h"
#include "core/vm/vm.h"

/*
 * Of all VMs together. A VM's bucket fills only while nothing of it waits, so what it has waiting is never more than its part
 * of BURST, however slow the disk is; SHARE_LINE_MAX each is the least, and there is room for that in any case.
 */
#define RATE  KIB(8)
#define BURST KIB(32)

_Static_assert(sizeof("@operator: \n") + RECORDER_NOTE_MAX <= SHARE_LINE_MAX, "an operator's line fits");
_Static_assert(BURST >= MAX_VMS * SHARE_LINE_MAX && BURST <= PMSG_DATA_SIZE, "what waits has room");

/* Moved to the black box at a time. */
#define PART 1024u

static struct {
	struct lock lock;
	struct share *share[MAX_VMS];
	u64 end[MAX_VMS]; /* of the VM's last line in the ring */
	u64 taken;	  /* bytes that the black box has, on their way to the disk */
	bool begun;
} pmsg;

static u64 nanoseconds(void)
{
	u64 ticks = arch_time(), timebase = estate.machine.timebase;

	return ticks / timebase * 1000000000 + ticks % timebase * 1000000000 / timebase;
}

static bool is_writer(const struct vm *vm)
{
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++)
		if (vm->config.devices[slot].kind == VM_DEV_PMSG)
			return true;
	return false;
}

static int put_line(void *owner, const void *line, u32 bytes)
{
	struct pmsg_ring *ring = owner;
	u64 head = estate_load(&ring->head);

	if (bytes > PMSG_DATA_SIZE - (head - estate_load(&ring->written)))
		return -EAGAIN;
	for (u32 done = 0; done < bytes;) {
		u64 at = (head + done) % PMSG_DATA_SIZE;
		u32 run = bytes - done < PMSG_DATA_SIZE - at ? bytes - done : (u32)(PMSG_DATA_SIZE - at);

		arch_estate_point();
		memcpy(&ring->data[at], (const u8 *)line + done, run);
		done += run;
	}
	estate_store(&ring->head, head + bytes);
	return 0;
}

/* An heir trusts no number. Lock held. */
static void begin(void)
{
	struct pmsg_ring *ring = estate.pmsg;

	if (pmsg.begun)
		return;
	if (estate_load(&ring->head) - estate_load(&ring->written) > PMSG_DATA_SIZE)
		estate_store(&ring->written, estate_load(&ring->head));
	pmsg.taken = estate_load(&ring->written);
	pmsg.begun = true;
}

/* NULL if there is no memory. Lock held. */
static struct share *share_of(const struct vm *vm)
{
	struct share *share = pmsg.share[vm->index];
	u32 writers = 0;

	if (share)
		return share;
	for (unsigned n = 0; n < MAX_VMS; n++)
		writers += vms[n] && is_writer(vms[n]);
	share = object_alloc(sizeof(*share));
	if (share)
		share_open(share, vm->config.name, RATE, BURST, 1, writers, nanoseconds());
	pmsg.share[vm->index] = share;
	return share;
}

/* The time for a VM's bucket. Lock held. */
static u64 time_for(const struct vm *vm, const struct share *s)
{
	return pmsg.end[vm->index] > estate_load(&estate.pmsg->written) ? s->then : nanoseconds();
}

/* What has come into the ring since `head` is the VM's. Lock held. */
static void note_end(const struct vm *vm, u64 head)
{
	u64 now = estate_load(&estate.pmsg->head);

	if (now != head)
		pmsg.end[vm->index] = now;
}

bool recorder_takes_pmsg(const struct vm *vm)
{
	return __atomic_load_n(&recorder.stage, __ATOMIC_RELAXED) != RECORDER_OFF &&
	       recorder.layout.sizes.pmsg && is_writer(vm);
}

bool recorder_pmsg_fits(const struct vm *vm, const void *bytes, u32 count)
{
	struct share *s;
	bool fits;

	lock_take(&pmsg.lock);
	begin();
	s = share_of(vm);
	fits = s && share_fits(s, bytes, count, time_for(vm, s));
	lock_release(&pmsg.lock);
	return fits;
}

void recorder_pmsg(const struct vm *vm, const void *bytes, u32 count)
{
	const struct share_sink sink = { put_line, estate.pmsg };
	struct share *s;

	if (!recorder_takes_pmsg(vm))
		return;
	lock_take(&pmsg.lock);
	begin();
	s = share_of(vm);
	if (s) {
		u64 head = estate_load(&estate.pmsg->head);

		share_write(s, &sink, bytes, count, time_for(vm, s));
		note_end(vm, head);
	}
	lock_release(&pmsg.lock);
	arch_kick(arch_hart());
}

int recorder_note(const void *text, u32 bytes)
{
	char line[SHARE_LINE_MAX], *note;
	size_t length = format(line, sizeof(line), "@operator: ");
	int error;

	if (__atomic_load_n(&recorder.stage, __ATOMIC_RELAXED) == RECORDER_OFF || !recorder.layout.sizes.pmsg)
		return -ENODEV;
	if (!bytes || bytes > RECORDER_NOTE_MAX)
		return -EINVAL;
	note = line + length;
	for (u32 n = 0; n < bytes; n++) {
		u8 c = ((const u8 *)text)[n];

		line[length++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	line[length] = '\n';
	lock_take(&pmsg.lock);
	begin();
	error = put_line(estate.pmsg, line, (u32)length + 1);
	lock_release(&pmsg.lock);
	if (error)
		return error;
	line[length] = '\0';
	log_line("operator: %s", note);
	arch_kick(arch_hart());
	return 0;
}

/* ---- Towards the disk, with the recorder's lock ---- */

bool pmsg_waits(void)
{
	return recorder.layout.sizes.pmsg && pmsg.begun &&
	       estate_load(&estate.pmsg->head) != __atomic_load_n(&pmsg.taken, __ATOMIC_RELAXED);
}

/* Who was cut short and fell silent is reported with what the others write. Lock held. */
static void report_dropped(void)
{
	const struct share_sink sink = { put_line, estate.pmsg };

	for (unsigned n = 0; n < MAX_VMS; n++) {
		u64 head = estate_load(&estate.pmsg->head);

		if (!vms[n] || !pmsg.share[n])
			continue;
		share_report(pmsg.share[n], &sink, time_for(vms[n], pmsg.share[n]));
		note_end(vms[n], head);
	}
}

static void move(struct ring *to)
{
	struct pmsg_ring *ring = estate.pmsg;
	char part[PART];

	begin();
	for (unsigned n = 0; n < RING_PENDING / PART; n++) {
		u64 head = estate_load(&ring->head);
		u32 bytes = head - pmsg.taken < PART ? (u32)(head - pmsg.taken) : PART;

		if (!bytes || ring_free(to) < bytes)
			break;
		for (u32 i = 0; i < bytes; i++)
			part[i] = ring->data[(pmsg.taken + i) % PMSG_DATA_SIZE];
		ring_append(to, part, bytes);
		__atomic_store_n(&pmsg.taken, pmsg.taken + bytes, __ATOMIC_RELAXED);
	}
}

void pmsg_move(struct ring *to)
{
	lock_take(&pmsg.lock);
	begin();
	report_dropped();
	move(to);
	lock_release(&pmsg.lock);
}

bool pmsg_move_last(struct ring *to)
{
	u64 taken = pmsg.taken;

	move(to);
	return pmsg.taken != taken;
}

void pmsg_written(void)
{
	lock_take(&pmsg.lock);
	begin();
	estate_store(&estate.pmsg->written, pmsg.taken);
	lock_release(&pmsg.lock);
}
