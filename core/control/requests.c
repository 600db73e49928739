/* The requests of the control channel: a table of what each may look like, and what it does. */
#include "core/arch.h"
#include "core/control/control.h"
#include "core/control/frame.h"
#include "core/control/server.h"
#include "core/devices/uart.h"
#include "core/devices/virtio.h"
#include "core/dump/guest_dump.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/private/private.h"
#include "core/recorder/recorder.h"
#include "core/survive/crash.h"
#include "core/survive/inject.h"
#include "core/survive/life.h"
#include "core/vm/vm.h"

/* virtio 1.2, section 2.1: the guest's driver is up. */
#define DRIVER_OK 4u

/* Payloads are not aligned. */
static u32 payload32(const struct control_request *r)
{
	u32 value;

	memcpy(&value, r->payload, sizeof(value));
	return value;
}

static u64 payload64(const struct control_request *r)
{
	u64 value;

	memcpy(&value, r->payload, sizeof(value));
	return value;
}

/* Adds to an array reply; false if it is full. */
static bool reply_add(struct control_request *r, const void *item, size_t bytes)
{
	if (bytes > CTL_PAYLOAD_MAX - r->reply_bytes)
		return false;
	memcpy(r->reply + r->reply_bytes, item, bytes);
	r->reply_bytes += bytes;
	return true;
}

/* ---- What there is ---- */

/* vCPU records up to here may be in use. */
static u64 vcpu_end(void)
{
	u64 end = 0;

	for (unsigned i = 0; i < MAX_VMS; i++) {
		u64 last;

		if (!vms[i])
			continue;
		last = estate_load(&vms[i]->s->first_vcpu) + vms[i]->config.vcpus;
		if (last > end)
			end = last;
	}
	return end < estate.vcpu_count ? end : estate.vcpu_count;
}

void control_describe_host(struct ctl_host *host)
{
	const struct machine_record *m = &estate.machine;
	const struct life_record *life = estate_newest_life();

	memset(host, 0, sizeof(*host));
	host->protocol = CTL_VERSION;
	host->estate_version = ESTATE_VERSION;
	host->life = life ? life->number : 0;
	host->started = life ? life->t_start : 0;
	host->timebase = m->timebase;
	host->now = arch_time();
	for (u32 i = 0; i < m->ram_count && i < MACHINE_MAX_RAM; i++)
		host->memory += m->ram[i].size;
	host->memory_free = backing_free_bytes();
	host->harts = m->hart_count;
	for (unsigned i = 0; i < MAX_VMS; i++) {
		host->vms += vms[i] ? 1 : 0;
		host->vcpus += vms[i] ? vms[i]->config.vcpus : 0;
	}
	host->has_warden = m->has_warden;
	memcpy(host->build, control_build, sizeof(host->build));
	host->build[sizeof(host->build) - 1] = 0;
}

/* Without libgcc, which a freestanding program has not. */
static unsigned bits_set(u64 word)
{
	unsigned n = 0;

	for (; word; word &= word - 1)
		n++;
	return n;
}

static u64 touched_bytes(const struct vm *vm)
{
	u64 blocks = 0;
	u64 words = (vm->config.memory / BLOCK_SIZE + 63) / 64;

	for (u64 i = 0; i < words && i < VM_TOUCHED_WORDS; i++)
		blocks += bits_set(estate_load(&vm->s->touched[i]));
	return blocks * BLOCK_SIZE;
}

void control_describe_vm(const struct vm *vm, struct ctl_vm *info)
{
	memset(info, 0, sizeof(*info));
	memcpy(info->name, vm->config.name, sizeof(info->name));
	info->name[sizeof(info->name) - 1] = 0;
	info->index = vm->index;
	info->vcpus = vm->config.vcpus;
	info->run_state = (u32)estate_load(&vm->s->run_state);
	info->reason = (u32)estate_load(&vm->s->reason);
	info->memory = vm->config.memory;
	info->touched = vm_is_confidential(vm) ? private_used(vm) : touched_bytes(vm);
	info->boots = estate_load(&vm->s->boots);
	for (u32 i = 0; i < vm->config.vcpus; i++) {
		info->run_ticks += vcpu_run_ticks(&vm->vcpu[i], arch_time());
		info->exits += estate_load(&vm->vcpu[i].r->exits);
	}
	info->console_head = estate_load(&vm->console->head);
	info->flags = vm->config.flags;
}

static int hello(struct control_request *r)
{
	struct ctl_host host;

	events_rewind();
	control_describe_host(&host);
	reply_add(r, &host, sizeof(host));
	return 0;
}

static int ps(struct control_request *r)
{
	for (u32 i = payload32(r); i < MAX_VMS; i++) {
		struct ctl_vm info;

		if (!vms[i])
			continue;
		control_describe_vm(vms[i], &info);
		if (!reply_add(r, &info, sizeof(info)))
			break;
	}
	return 0;
}

/* Of the vCPU with record `index`, the time since it was loaded included, if a VM of this life has it. */
static u64 run_ticks(const struct vcpu_record *r, u64 index)
{
	const struct vm *vm = r->vm < MAX_VMS ? vms[r->vm] : NULL;

	if (!vm || index - vm->s->first_vcpu >= vm->config.vcpus)
		return estate_load(&r->run_ticks);
	return vcpu_run_ticks(&vm->vcpu[index - vm->s->first_vcpu], arch_time());
}

/* Records in a row, also those that no VM has (VCPU_UNUSED): the next one to ask for is `first` plus their number. */
static int top(struct control_request *r)
{
	u64 end = vcpu_end();

	for (u64 i = payload32(r); i < end; i++) {
		const struct vcpu_record *v = estate_vcpu(i);
		struct ctl_vcpu info = {
			.vm = v->vm,
			.id = (u32)v->id,
			.state = (u32)estate_load(&v->state),
			.last_hart = (u32)estate_load(&v->last_hart),
			.run_ticks = run_ticks(v, i),
			.exits = estate_load(&v->exits),
			.pc = estate_load(&v->pc),
			.park_reason = (u32)estate_load(&v->park_reason),
		};

		if (!reply_add(r, &info, sizeof(info)))
			break;
	}
	return 0;
}

static int lives(struct control_request *r)
{
	const struct life_record *newest = estate_newest_life();
	u64 number = payload64(r);

	if (!newest)
		return 0;
	if (newest->number >= LIFE_COUNT && number <= newest->number - LIFE_COUNT)
		number = newest->number - LIFE_COUNT + 1;
	for (unsigned i = 0; i < LIFE_COUNT && number <= newest->number; i++, number++) {
		const struct life_record *l = estate_life(number);
		struct ctl_life info = {
			.number = l->number,
			.slot = life_slot(l),
			.cause = l->cause,
			.boot_hart = l->boot_hart,
			.crash_hart = l->crash_hart,
			.crash_pc = l->crash_pc,
			.crash_value = l->crash_value,
			.t_start = l->t_start,
			.t_fault = l->t_fault,
			.t_stopped = l->t_stopped,
			.t_heir = l->t_heir,
			.t_adopted = l->t_adopted,
			.t_first_guest = l->t_first_guest,
			.t_last_guest = l->t_last_guest,
			.vms_adopted = l->vms_adopted,
			.vms_lost = l->vms_lost,
			.build = l->build,
			.undone = l->undone,
		};

		if (!number || l->number != number)
			continue;
		_Static_assert(sizeof(info.text) == sizeof(l->text), "the texts are of one size");
		memcpy(info.text, l->text, sizeof(info.text));
		info.text[sizeof(info.text) - 1] = 0;
		if (!reply_add(r, &info, sizeof(info)))
			break;
	}
	return 0;
}

/* The log may quote what guests chose, so it is cut as frame_split says. */
static int read_log(struct control_request *r)
{
	struct ctl_log head = { .offset = payload64(r), .head = log_head() };
	u8 *bytes = r->reply + sizeof(head);
	size_t got = log_read(&head.offset, (char *)bytes, CTL_PAYLOAD_MAX - sizeof(head));

	if (got)
		got = frame_split(bytes, got);
	memcpy(r->reply, &head, sizeof(head));
	r->reply_bytes = sizeof(head) + got;
	return 0;
}

/* Registers and stacks may hold what guests chose, so it is cut like the log. */
static int read_crash(struct control_request *r)
{
	struct ctl_crash_at at;
	struct ctl_crash_data head;
	const struct crash_record *c;
	u8 *bytes = r->reply + sizeof(head);
	size_t size, count;

	memcpy(&at, r->payload, sizeof(at));
	c = crash_find(at.life, &size);
	if (!c)
		return -ENOENT;
	head = (struct ctl_crash_data){ .life = c->life, .offset = at.offset, .size = size };
	if (at.offset > size)
		return -EINVAL;
	count = size - at.offset;
	if (count > CTL_PAYLOAD_MAX - sizeof(head))
		count = CTL_PAYLOAD_MAX - sizeof(head);
	memcpy(bytes, (const u8 *)c + at.offset, count);
	if (count)
		count = frame_split(bytes, count);
	memcpy(r->reply, &head, sizeof(head));
	r->reply_bytes = sizeof(head) + count;
	return 0;
}

static int box(struct control_request *r)
{
	struct ctl_box box;

	recorder_status(&box);
	reply_add(r, &box, sizeof(box));
	return 0;
}

static int box_records(struct control_request *r)
{
	struct ctl_box_record record;

	for (u32 n = payload32(r); !recorder_find(n, &record); n = record.number + 1)
		if (!reply_add(r, &record, sizeof(record)))
			break;
	return 0;
}

/* Guests chose some of it: as for the log. */
static int read_box(struct control_request *r)
{
	struct ctl_box_at at;
	struct ctl_log head;
	u8 *bytes = r->reply + sizeof(head);
	int got;

	memcpy(&at, r->payload, sizeof(at));
	got = recorder_read(&at, &head, bytes, CTL_PAYLOAD_MAX - sizeof(head));
	if (got < 0)
		return got;
	memcpy(r->reply, &head, sizeof(head));
	r->reply_bytes = sizeof(head) + (got ? frame_split(bytes, (size_t)got) : 0);
	return 0;
}

/* ---- What can be done to it ---- */

static int start(struct control_request *r)
{
	return vm_start(r->vm);
}

static int stop(struct control_request *r)
{
	return vm_stop(r->vm, VM_REASON_OPERATOR);
}

static int reset(struct control_request *r)
{
	return vm_reset(r->vm);
}

static int pause(struct control_request *r)
{
	return vm_pause(r->vm);
}

static int resume(struct control_request *r)
{
	return vm_resume(r->vm);
}

/* Slot of the VM's virtio-console if the guest drives it, else VM_MAX_DEVICES. */
static unsigned driven_console(const struct vm *vm)
{
	unsigned slot;

	for (slot = 0; slot < VM_MAX_DEVICES; slot++)
		if (vm->config.devices[slot].kind == VM_DEV_CONSOLE && vm->dev[slot] &&
		    estate_load(&vm->s->dev[slot].status) & DRIVER_OK)
			break;
	return slot;
}

/* Whoever configures a virtio-console wants it used: with its driver up it gets the input, and the UART otherwise. */
static int console_input(struct control_request *r)
{
	u64 state = estate_load(&r->vm->s->run_state);
	u32 taken;

	if (state != VM_RUNNING && state != VM_PAUSED)
		return -ENXIO;
	if (driven_console(r->vm) < VM_MAX_DEVICES)
		taken = (u32)virtio_console_input(r->vm, r->t, r->payload, r->bytes);
	else
		taken = (u32)uart_input(r->vm, r->t, r->payload, r->bytes);
	reply_add(r, &taken, sizeof(taken));
	return 0;
}

static int console_acknowledged(struct control_request *r)
{
	r->silent = true;
	return events_acknowledged(r->vm, payload64(r));
}

static int crash(struct control_request *r)
{
	u32 kind = payload32(r);

	if (!inject_known(kind))
		return -EINVAL;
	log_line("control: crash of kind %u on request", kind);
	inject_crash((enum ctl_crash)kind);
}

static int poweroff(struct control_request *r)
{
	(void)r;
	for (unsigned i = 0; i < MAX_VMS; i++)
		if (vms[i])
			vm_stop(vms[i], VM_REASON_OPERATOR);
	control_poweroff();
	return 0;
}

/* ---- Dumps of VMs ---- */

static struct ctl_dump_at dump_at(const struct control_request *r)
{
	struct ctl_dump_at at;

	memcpy(&at, r->payload, sizeof(at));
	return at;
}

static int dump_begin(struct control_request *r)
{
	struct ctl_dump_begin begin;
	struct ctl_dump info;
	int error;

	memcpy(&begin, r->payload, sizeof(begin));
	error = guest_dump_begin(r->vm, &begin, &info);
	if (!error)
		reply_add(r, &info, sizeof(info));
	return error;
}

static int dump_vcpus(struct control_request *r)
{
	struct ctl_dump_at at = dump_at(r);

	return guest_dump_vcpus(r->vm, &at, r->reply, CTL_PAYLOAD_MAX, &r->reply_bytes);
}

static int dump_read(struct control_request *r)
{
	struct ctl_dump_at at = dump_at(r);

	r->lengthy = true;
	return guest_dump_read(r->vm, &at, r->reply, CTL_PAYLOAD_MAX, &r->reply_bytes);
}

static int write_box(struct control_request *r)
{
	return recorder_note(r->payload, (u32)r->bytes);
}

static int dump_end(struct control_request *r)
{
	struct ctl_dump_at at = dump_at(r);

	return guest_dump_end(r->vm, &at);
}

static int attest(struct control_request *r)
{
	struct private_request request;
	struct private_report report;
	int error;

	memcpy(&request, r->payload, sizeof(request));
	r->lengthy = true;
	error = private_report(r->vm, &request, &report);
	if (!error)
		reply_add(r, &report, sizeof(report));
	return error;
}

/* ---- Who is who ---- */

const struct control_operation control_operations[] = {
	[CTL_HELLO] = { hello, 0, CTL_PAYLOAD_MAX, false,
			false }, /* a later version may say something there */
	[CTL_PS] = { ps, 4, 4, false, false },
	[CTL_VM_START] = { start, 0, 0, true, false },
	[CTL_VM_STOP] = { stop, 0, 0, true, false },
	[CTL_VM_RESET] = { reset, 0, 0, true, false },
	[CTL_VM_PAUSE] = { pause, 0, 0, true, false },
	[CTL_VM_RESUME] = { resume, 0, 0, true, false },
	[CTL_CONSOLE_INPUT] = { console_input, 0, CTL_PAYLOAD_MAX, true, false },
	[CTL_LOG] = { read_log, 8, 8, false, false },
	[CTL_LIVES] = { lives, 8, 8, false, false },
	[CTL_CRASH] = { crash, 4, 4, false, false },
	[CTL_TOP] = { top, 4, 4, false, false },
	[CTL_BOX] = { box, 0, 0, false, false },
	[CTL_BOX_RECORDS] = { box_records, 4, 4, false, false },
	[CTL_BOX_READ] = { read_box, sizeof(struct ctl_box_at), sizeof(struct ctl_box_at), false, false },
	[CTL_BOX_WRITE] = { write_box, 1, CTL_NOTE_MAX, false, false },
	[CTL_POWEROFF] = { poweroff, 0, 0, false, false },
	[CTL_UPDATE_BEGIN] = { update_begin, sizeof(struct ctl_update), sizeof(struct ctl_update), false,
			       false },
	[CTL_UPDATE_WRITE] = { update_write, 8, 8 + CTL_UPDATE_PIECE, false, false },
	[CTL_UPDATE_CHECK] = { update_check, 0, 0, false, false },
	[CTL_UPDATE_COMMIT] = { update_commit, 8, 8, false, false },
	[CTL_ATTEST] = { attest, sizeof(struct private_request), sizeof(struct private_request), true,
			 false },
	[CTL_CRASH_RECORD] = { read_crash, sizeof(struct ctl_crash_at), sizeof(struct ctl_crash_at), false,
			       false },
	[CTL_CONSOLE_ACK] = { console_acknowledged, 8, 8, true, true },
	[CTL_DUMP_BEGIN] = { dump_begin, sizeof(struct ctl_dump_begin), sizeof(struct ctl_dump_begin), true,
			     false },
	[CTL_DUMP_VCPU] = { dump_vcpus, sizeof(struct ctl_dump_at), sizeof(struct ctl_dump_at), true, false },
	[CTL_DUMP_READ] = { dump_read, sizeof(struct ctl_dump_at), sizeof(struct ctl_dump_at), true, false },
	[CTL_DUMP_END] = { dump_end, sizeof(struct ctl_dump_at), sizeof(struct ctl_dump_at), true, false },
};

const unsigned control_operation_count = ARRAY_SIZE(control_operations);

int control_request(struct control_request *r, const struct ctl_header *header)
{
	const struct control_operation *o =
		header->type < ARRAY_SIZE(control_operations) ? &control_operations[header->type] : NULL;

	if (!o || !o->run)
		return -ENOSYS;
	r->silent = o->silent;
	if (r->bytes < o->least || r->bytes > o->most)
		return -EINVAL;
	if (o->vm) {
		r->vm = header->vm < MAX_VMS ? vms[header->vm] : NULL;
		if (!r->vm)
			return -ENOENT;
	}
	return o->run(r);
}
