/* What the control server reports unasked: console output and changes of state. */
#include "core/arch.h"
#include "core/control/frame.h"
#include "core/control/server.h"
#include "core/devices/console.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/vm/vm.h"

/* Console output of a VM that is on its way and not acknowledged: so much at most. */
#define WINDOW KIB(16)

/* While some is on its way, less than this waits for it to arrive: a guest that prints byte by byte makes few frames. */
#define WORTH_A_FRAME 1024

/* Without an acknowledgement for so long what is on its way is sent again. */
#define RETRY_MS 1000

/* What the other end has been told of a VM. */
struct watch {
	u64 run_state, reason, boots;
	u64 cursor; /* console output up to here has been sent */
	u64 floor;  /* what lies below is acknowledged, or lost */
	u64 since;  /* ticks: when something was last sent or acknowledged */
};

static struct watch watches[MAX_VMS];
static unsigned vm_end; /* no VM has an index from here on */

static void rewind_console(const struct vm *vm, struct watch *w)
{
	w->floor = estate_load(&vm->console->sent);
	w->cursor = w->floor;
}

/* True, and noted, if the VM's state is not the one last told. */
static bool state_changed(const struct vm *vm, struct watch *w)
{
	u64 run_state = estate_load(&vm->s->run_state);
	u64 reason = estate_load(&vm->s->reason);
	u64 boots = estate_load(&vm->s->boots);

	if (w->run_state == run_state && w->reason == reason && w->boots == boots)
		return false;
	w->run_state = run_state;
	w->reason = reason;
	w->boots = boots;
	return true;
}

void events_init(void)
{
	vm_end = 0;
	memset(watches, 0, sizeof(watches));
	for (unsigned i = 0; i < MAX_VMS; i++) {
		if (!vms[i])
			continue;
		vm_end = i + 1;
		state_changed(vms[i], &watches[i]);
		rewind_console(vms[i], &watches[i]);
	}
}

void events_rewind(void)
{
	for (unsigned i = 0; i < vm_end; i++)
		if (vms[i])
			rewind_console(vms[i], &watches[i]);
}

int events_acknowledged(struct vm *vm, u64 offset)
{
	struct watch *w = &watches[vm->index];

	if (offset > estate_load(&vm->console->head))
		return -EINVAL;
	if (offset <= estate_load(&vm->console->sent))
		return 0;
	console_sent(vm, offset);
	if (offset > w->floor)
		w->floor = offset;
	if (offset > w->cursor)
		w->cursor = offset; /* the life before had sent it */
	w->since = arch_time();
	return 0;
}

static void tell_state(const struct vm *vm)
{
	struct ctl_header header = { .type = CTL_EVENT_VM, .vm = vm->index };
	struct ctl_vm info;

	control_describe_vm(vm, &info);
	control_send(&header, &info, sizeof(info));
}

static u64 retry_at(const struct watch *w)
{
	return w->since + estate.machine.timebase / 1000 * RETRY_MS;
}

/* Bytes of console output that may be sent now. */
static u64 console_due(const struct vm *vm, struct watch *w)
{
	u64 head = estate_load(&vm->console->head);
	u64 under_way, due;

	if (w->cursor != w->floor && arch_time() >= retry_at(w))
		w->cursor = w->floor;
	under_way = w->cursor - w->floor;
	if (head <= w->cursor || under_way >= WINDOW)
		return 0;
	due = head - w->cursor;
	if (under_way && due < WORTH_A_FRAME)
		return 0;
	return due < WINDOW - under_way ? due : WINDOW - under_way;
}

/*
 * Sends some of the VM's console output. Bytes that were overwritten in the ring before they could be sent leave a gap in
 * the offsets, by which the other end sees it.
 */
static bool tell_console(struct vm *vm, struct watch *w)
{
	static u8 payload
		[CTL_PAYLOAD_MAX]; /* control_poll's lock protects it; a hart's stack is no place for so much */
	struct ctl_header header = { .type = CTL_EVENT_CONSOLE, .vm = vm->index };
	u64 due = console_due(vm, w);
	u64 offset = w->cursor;
	size_t bytes;

	if (!due)
		return false;
	if (due > sizeof(payload) - sizeof(offset))
		due = sizeof(payload) - sizeof(offset);
	bytes = console_peek(vm, &offset, payload + sizeof(offset), (size_t)due);
	if (!bytes)
		return false;
	bytes = frame_split(payload + sizeof(offset), bytes);
	if (offset > w->cursor)
		w->floor = offset;
	w->cursor = offset + bytes;
	w->since = arch_time();
	memcpy(payload, &offset, sizeof(offset));
	control_send(&header, payload, sizeof(offset) + bytes);
	return true;
}

u64 events_next(void)
{
	u64 next = ~0ull;

	for (unsigned i = 0; i < vm_end; i++)
		if (vms[i] && watches[i].cursor != watches[i].floor && retry_at(&watches[i]) < next)
			next = retry_at(&watches[i]);
	return next;
}

/* Leaves room for a reply: events never keep a request from being answered. */
static bool room(void)
{
	return control_room() >= 2 * FRAME_MAX;
}

bool events_queue(void)
{
	bool told = false;

	for (unsigned i = 0; i < vm_end; i++) {
		if (!vms[i])
			continue;
		if (room() && state_changed(vms[i], &watches[i])) {
			tell_state(vms[i]);
			told = true;
		}
		if (room())
			told |= tell_console(vms[i], &watches[i]);
	}
	return told;
}
