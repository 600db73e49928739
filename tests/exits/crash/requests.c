/*
 * The requests of the control channel, each type in the product's table, in each state of a VM in which it means something
 * else.
 *
 * The command that asked hears nothing of a life's end: it waits for the reply, and asks again if none comes, unless doing it
 * twice would harm; then it tells its user, who looks and asks again if it has not been done. Either way the VM is in the
 * end what it would be without a crash.
 */
#include "abi/private.h"
#include "core/control/server.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/vm/vm.h"
#include "tests/exits/box.h"
#include "tests/exits/crash/exit.h"
#include "tests/exits/packed.h"
#include <stdio.h>
#include <string.h>

enum state {
	RUNS,
	PAUSED,
	STOPPED,
	DUMPED,
	ASLEEP,	 /* paused, and vCPU 0 waits */
	PRINTED, /* bytes of its console have not been taken yet */
	LISTENS, /* its console has a buffer for input */
	BOXED,	 /* and the host has a black box */
};

struct request_case {
	u16 type;
	const char *name;
	enum state state;
	union {
		u32 word;
		u64 number;
		struct ctl_dump_begin begin;
		struct ctl_dump_at at;
		struct ctl_crash_at crash;
		struct ctl_box_at box;
		struct ctl_update update;
		struct private_request attest;
		char text[8];
	} payload;
	u8 bytes;	   /* of payload */
	s32 status, again; /* of the reply; of that to a repetition behind a life's end */
	bool harmful;	   /* the command does not repeat it by itself */
	enum host_end ends;
	bool (*outside)(void); /* what has left the host is as it should be; or NULL */
};

#define DUMP_ID	      77
#define PRINTED_BYTES 8

static bool has_note(void)
{
	return strstr(box_lines(), "@operator: a line\n");
}

static const struct request_case cases[] = {
	{ .type = CTL_HELLO, .name = "hello" },
	{ .type = CTL_PS, .name = "ps", .bytes = 4 },
	{ .type = CTL_TOP, .name = "top", .bytes = 4 },
	{ .type = CTL_LOG, .name = "log", .bytes = 8 },
	{ .type = CTL_LIVES, .name = "lives", .bytes = 8, .payload.number = 1 },
	{ .type = CTL_CRASH_RECORD,
	  .name = "crash record",
	  .bytes = sizeof(struct ctl_crash_at),
	  .status = -ENOENT },
	{ .type = CTL_BOX, .name = "black box" },
	{ .type = CTL_BOX_RECORDS, .name = "records of the black box", .bytes = 4 },
	{ .type = CTL_BOX_READ,
	  .name = "read of the black box",
	  .bytes = sizeof(struct ctl_box_at),
	  .status = -ENOENT,
	  .again = -ENOENT },
	{ .type = CTL_BOX_WRITE,
	  .name = "line for the black box",
	  .payload.text = "a line",
	  .bytes = 6,
	  .status = -ENODEV },
	{ .type = CTL_BOX_WRITE,
	  .name = "line for a black box that there is",
	  .state = BOXED,
	  .payload.text = "a line",
	  .bytes = 6,
	  .outside = has_note },
	{ .type = CTL_ATTEST,
	  .name = "report of a VM that is not confidential",
	  .bytes = sizeof(struct private_request),
	  .status = -EOPNOTSUPP,
	  .again = -EOPNOTSUPP },
	{ .type = CTL_VM_START, .name = "start", .state = STOPPED, .harmful = true },
	{ .type = CTL_VM_START,
	  .name = "start of one that runs",
	  .harmful = true,
	  .status = -EBUSY,
	  .again = -EBUSY },
	{ .type = CTL_VM_STOP, .name = "stop" },
	{ .type = CTL_VM_STOP, .name = "stop of one that is paused", .state = PAUSED },
	{ .type = CTL_VM_STOP, .name = "stop of one that is stopped", .state = STOPPED },
	{ .type = CTL_VM_RESET, .name = "reset", .harmful = true },
	{ .type = CTL_VM_RESET, .name = "reset of one that is stopped", .state = STOPPED, .harmful = true },
	{ .type = CTL_VM_RESET, .name = "reset of one that is paused", .state = PAUSED, .harmful = true },
	{ .type = CTL_VM_RESET, .name = "reset of one that is dumped", .state = DUMPED, .harmful = true },
	{ .type = CTL_VM_PAUSE, .name = "pause" },
	{ .type = CTL_VM_PAUSE, .name = "pause of one that is paused", .state = PAUSED },
	{ .type = CTL_VM_PAUSE,
	  .name = "pause of one that is stopped",
	  .state = STOPPED,
	  .status = -EBUSY,
	  .again = -EBUSY },
	{ .type = CTL_VM_RESUME, .name = "resume", .state = PAUSED },
	{ .type = CTL_VM_RESUME, .name = "resume of one that runs" },
	{ .type = CTL_CONSOLE_INPUT,
	  .name = "console input",
	  .payload.text = "abcdefg",
	  .bytes = 8,
	  .harmful = true },
	{ .type = CTL_CONSOLE_INPUT,
	  .name = "console input, paused",
	  .state = PAUSED,
	  .payload.text = "hijklmn",
	  .bytes = 7,
	  .harmful = true },
	{ .type = CTL_VM_RESUME, .name = "resume of one that waits", .state = ASLEEP },
	{ .type = CTL_VM_RESET,
	  .name = "reset of one with devices at work",
	  .state = LISTENS,
	  .harmful = true },
	{ .type = CTL_CONSOLE_INPUT,
	  .name = "console input for virtio",
	  .state = LISTENS,
	  .payload.text = "abcdefg",
	  .bytes = 8,
	  .harmful = true },
	{ .type = CTL_CONSOLE_ACK, .name = "acknowledgement of no console output", .bytes = 8 },
	{ .type = CTL_CONSOLE_ACK,
	  .name = "acknowledgement of console output",
	  .state = PRINTED,
	  .payload.number = PRINTED_BYTES - 1,
	  .bytes = 8 },
	{ .type = CTL_DUMP_BEGIN,
	  .name = "dump",
	  .payload.begin = { .id = DUMP_ID },
	  .bytes = sizeof(struct ctl_dump_begin) },
	{ .type = CTL_DUMP_BEGIN,
	  .name = "live dump",
	  .payload.begin = { .id = DUMP_ID, .flags = CTL_DUMP_LIVE },
	  .bytes = sizeof(struct ctl_dump_begin) },
	{ .type = CTL_DUMP_BEGIN,
	  .name = "dump of one that is paused",
	  .state = PAUSED,
	  .payload.begin = { .id = DUMP_ID },
	  .bytes = sizeof(struct ctl_dump_begin) },
	{ .type = CTL_DUMP_VCPU,
	  .name = "vCPUs of a dump",
	  .state = DUMPED,
	  .payload.at = { .id = DUMP_ID },
	  .bytes = sizeof(struct ctl_dump_at),
	  .again = -ENOENT },
	{ .type = CTL_DUMP_READ,
	  .name = "pages of a dump",
	  .state = DUMPED,
	  .payload.at = { .id = DUMP_ID, .at = GUEST_RAM_BASE + MIB(2) },
	  .bytes = sizeof(struct ctl_dump_at),
	  .again = -ENOENT },
	{ .type = CTL_DUMP_END,
	  .name = "end of a dump",
	  .state = DUMPED,
	  .payload.at = { .id = DUMP_ID },
	  .bytes = sizeof(struct ctl_dump_at),
	  .again = -ENOENT },
	{ .type = CTL_UPDATE_BEGIN,
	  .name = "update, of a warden that cannot",
	  .bytes = sizeof(struct ctl_update),
	  .status = -ENOSYS,
	  .again = -ENOSYS },
	{ .type = CTL_UPDATE_WRITE,
	  .name = "piece of an update",
	  .bytes = 16,
	  .status = -ENOSYS,
	  .again = -ENOSYS },
	{ .type = CTL_UPDATE_CHECK, .name = "check of an update", .status = -ENOSYS, .again = -ENOSYS },
	{ .type = CTL_UPDATE_COMMIT,
	  .name = "update",
	  .payload.number = 1,
	  .bytes = 8,
	  .again = -EALREADY,
	  .ends = HOST_ENDED },
	{ .type = CTL_CRASH,
	  .name = "crash",
	  .bytes = 4,
	  .payload.word = CTL_CRASH_PANIC,
	  .harmful = true,
	  .ends = HOST_ENDED },
	{ .type = CTL_POWEROFF, .name = "poweroff", .ends = HOST_OFF },
};

/* ---- A case ---- */

static void must(u16 type, const void *payload, size_t bytes)
{
	s32 status;

	packed_ask(type, 0, payload, bytes);
	if (!packed_answered(&status) || status)
		host_fail("the VM does not get into the state of the case");
}

static void print(void)
{
	struct console_ring *ring = vms[0]->console;

	memcpy(ring->data, "printed\n", PRINTED_BYTES);
	ring->head = PRINTED_BYTES;
}

static void start(const struct crash_case *c)
{
	static const struct ctl_dump_begin begin = { .id = DUMP_ID, .flags = CTL_DUMP_LIVE };
	const struct request_case *r = c->what;

	packed_power_on(r->state == BOXED ? PACKED_BOX : PACKED_PLAIN);
	exits_first_life();
	packed_settle();
	if (r->state == PAUSED || r->state == ASLEEP)
		must(CTL_VM_PAUSE, NULL, 0);
	else if (r->state == STOPPED)
		must(CTL_VM_STOP, NULL, 0);
	else if (r->state == DUMPED)
		must(CTL_DUMP_BEGIN, &begin, sizeof(begin));
	if (r->state == ASLEEP)
		vms[0]->vcpu[0].r->state = VCPU_WAITING;
	else if (r->state == PRINTED)
		print();
	else if (r->state == LISTENS)
		exit_fill_queue(vms[0], 0, 0, (const u32[]){ 64 }, 1, 1);
	exits_schedule();
}

/* A warden that has a good image, and takes the end of a life for it. */
static s64 update(enum warden_call call, u64 a0, u64 a1, u64 a2)
{
	(void)call;
	(void)a0;
	(void)a1;
	(void)a2;
	return 0;
}

static void perform(const struct crash_case *c)
{
	const struct request_case *r = c->what;
	s32 status;

	if (r->type == CTL_UPDATE_COMMIT)
		host->on_update = update;
	packed_ask(r->type, 0, &r->payload, r->bytes);
	if (packed_answered(&status) && status != r->status)
		crash_wrong("the reply's status is %d", status);
}

static void again(void *context)
{
	const struct request_case *r = context;
	s32 status;

	packed_ask_again();
	if (r->type == CTL_CONSOLE_ACK)
		return;
	if (!packed_answered(&status))
		crash_wrong("no reply to the repeated request");
	else if (status != r->again && (status != r->status || r->ends == HOST_ENDED))
		crash_wrong("the status of the repeated request is %d", status);
}

/* How often a VM was started may be one more, for one whose heir begins the start again. */
static const char *const counts[] = { "boots", NULL };

static bool is_as_wanted(bool say)
{
	return view_same(&crash_wanted, &crash_now, counts, say);
}

/* In a buffer that a guest has not got back there may be anything. */
static const char *const unfinished[] = { "boots", "ram", NULL };

static bool is_as_before(void)
{
	return view_same(&crash_before, &crash_now, unfinished, false);
}

static bool check(const struct crash_case *c)
{
	const struct request_case *r = c->what;
	bool is_last = r->ends == HOST_OFF || r->ends == HOST_ENDED;
	s32 status;

	view_take(&crash_now);
	if (r->type == CTL_CRASH)
		return is_as_before() || crash_wrong("not what was before");
	if (r->type == CTL_UPDATE_COMMIT) {
		if (!is_as_before())
			return crash_wrong("not what was before");
		return host_live(again, (void *)(uintptr_t)r, 0) == HOST_RETURNED ||
		       crash_wrong("the repeated request ends the life");
	}
	if (!is_last && !is_as_wanted(false) && !is_as_before()) {
		is_as_wanted(true);
		return crash_wrong("neither before nor after");
	}
	if (!packed_answered(&status) && (!r->harmful || !is_as_wanted(false))) {
		if (host_live(again, (void *)(uintptr_t)r, 0) != r->ends)
			return crash_wrong("the repeated request ends the life");
		view_take(&crash_now);
	}
	if (!is_as_wanted(true))
		return crash_wrong("not what it would be");
	if (r->outside) {
		packed_settle();
		if (!r->outside())
			return crash_wrong("not what the outside would see");
	}
	return is_last || crash_let_time_pass() || crash_wrong("the next life ends by itself");
}

/* ---- All of them ---- */

static bool has_case(unsigned type)
{
	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
		if (cases[n].type == type)
			return true;
	}
	return false;
}

void crash_requests(void)
{
	struct crash_case c = { .start = start, .perform = perform, .check = check };

	for (unsigned type = 0; type < control_operation_count; type++) {
		if (control_operations[type].run && !has_case(type)) {
			(void)printf("requests.c has no case for requests of type %u\n", type);
			crash_totals.failures++;
		}
	}
	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
		(void)snprintf(c.name, sizeof(c.name), "request: %s", cases[n].name);
		c.what = &cases[n];
		c.ends = cases[n].ends;
		crash_try(&c);
	}
}
