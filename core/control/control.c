/* The control server's stream: frames in, frames out, and who does the work. */
#include "core/control/control.h"
#include "core/arch.h"
#include "core/control/frame.h"
#include "core/control/server.h"
#include "core/devices/backend.h"
#include "core/dump/guest_dump.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/lock.h"
#include "core/lib/string.h"
#include "core/recorder/recorder.h"

/* Output queue: several of the largest frames, so that replies need not wait for events. */
#define OUT_SIZE (8 * FRAME_MAX)

/* Requests in one go: an operator who floods the host gets it in slices. */
#define REQUESTS_MAX 16

/* Lengthy ones in one go take so long, and the last of them. */
#define LENGTHY_MS 2

/* How long the reply to CTL_POWEROFF is given to get out: an operator who doesn't read must not keep the machine on. */
#define POWEROFF_PATIENCE_MS 500

static struct lock busy; /* held by the one hart that is in control_poll */

static u64 next, turn; /* what control_next and control_turn say */

static struct {
	struct frame_decoder in;
	bool in_changed;       /* the decoder may have a frame that frame_next has not been asked for */
	u8 scratch[FRAME_MAX]; /* frame that is being made */
	u8 reply[CTL_PAYLOAD_MAX];
	u8 out[OUT_SIZE];
	size_t out_from, out_to; /* queued: [out_from, out_to) */
	bool begun;		 /* this life has reported */
	u64 off_at;		 /* ticks: the machine goes off then; 0: no */
	u64 turn;		 /* ticks: until then a hart with a guest leaves requests alone */
} server;

char control_build[32];

size_t control_room(void)
{
	return OUT_SIZE - (server.out_to - server.out_from);
}

void control_send(struct ctl_header *header, const void *payload, size_t bytes)
{
	size_t size = frame_encode(server.scratch, sizeof(server.scratch), header, payload, bytes);

	ASSERT(size && size <= control_room());
	if (size > OUT_SIZE - server.out_to) {
		memmove(server.out, server.out + server.out_from, server.out_to - server.out_from);
		server.out_to -= server.out_from;
		server.out_from = 0;
	}
	memcpy(server.out + server.out_to, server.scratch, size);
	server.out_to += size;
}

/* Gives the stream as much as it takes. */
static void flush(void)
{
	size_t queued = server.out_to - server.out_from;
	size_t taken;

	if (!queued)
		return;
	taken = control_stream->write(control_stream, server.out + server.out_from, queued);
	server.out_from += taken < queued ? taken : queued;
	if (server.out_from == server.out_to)
		server.out_from = server.out_to = 0;
}

void control_poweroff(void)
{
	if (!server.off_at)
		server.off_at = arch_time() + estate.machine.timebase / 1000 * POWEROFF_PATIENCE_MS;
}

static void poweroff_if_due(void)
{
	if (!server.off_at || (server.out_from != server.out_to && arch_time() < server.off_at))
		return;
	recorder_finish();
	arch_machine_off(false);
}

/*
 * One good frame. Replies and events are not answered, or two servers on a line would never stop. True: that was a lengthy
 * one.
 */
static bool answer(struct txn *t, const struct ctl_header *header, const u8 *payload)
{
	struct control_request r = {
		.t = t, .payload = payload, .bytes = header->length, .reply = server.reply
	};
	struct ctl_header reply = { .type = header->type | CTL_REPLY, .tag = header->tag, .vm = header->vm };

	if (header->type & CTL_REPLY)
		return false;
	if (header->version != CTL_VERSION)
		reply.status = -EPROTO;
	else
		reply.status = control_request(&r, header);
	if (!r.silent)
		control_send(&reply, r.reply, reply.status ? 0 : r.reply_bytes);
	return r.lengthy;
}

/* Gets more of the stream into the decoder. False if there is nothing, or no room. */
static bool fetch(void)
{
	u8 bytes[512];
	size_t room = sizeof(server.in.bytes) - (server.in.fill - server.in.taken);
	size_t got;

	if (!room)
		return false;
	got = control_stream->read(control_stream, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
	if (!got)
		return false;
	frame_put(&server.in, bytes, got);
	server.in_changed = true;
	return true;
}

/* Takes requests while there is room for a reply. True if there may be more. */
static bool receive(struct txn *t)
{
	struct ctl_header header;
	const u8 *payload;
	u64 begun = arch_time();

	/* A hart's guest gets as much of its time as lengthy requests do. */
	if (arch_vcpu_loaded() && begun < server.turn)
		return true;
	for (unsigned i = 0; i < REQUESTS_MAX;) {
		if (control_room() < FRAME_MAX)
			return false; /* goes on when the stream has taken something */
		if (server.in_changed && frame_next(&server.in, &header, &payload)) {
			if (answer(t, &header, payload)) {
				u64 now = arch_time();

				server.turn = now + (now - begun);
				if (now - begun > estate.machine.timebase / 1000 * LENGTHY_MS)
					return true;
			}
			i++;
			continue;
		}
		server.in_changed = false;
		if (!fetch())
			return false;
	}
	return true;
}

/* A life reports for duty. The queue is empty then. */
static void begin(void)
{
	struct ctl_header header = { .type = CTL_EVENT_LIFE };
	struct ctl_host host;

	events_init();
	control_describe_host(&host);
	control_send(&header, &host, sizeof(host));
	server.begun = true;
}

/* When to come again. With more to do a hart without a guest comes at once, one with a guest when it is our turn. */
static void plan(bool more)
{
	u64 now = arch_time(), event = events_next(), dump = guest_dump_next();
	bool later = more && arch_vcpu_loaded() && now < server.turn;

	__atomic_store_n(&turn, later ? server.turn : ~0ull, __ATOMIC_RELAXED);
	__atomic_store_n(&next, later ? now : event < dump ? event : dump, __ATOMIC_RELAXED);
	if (more && !later)
		arch_kick(arch_hart());
}

void control_poll(struct txn *t)
{
	bool more, tidying;

	if (!control_stream || !lock_try(&busy))
		return;
	if (!server.begun)
		begin();
	flush();
	more = receive(t);
	do
		flush();
	while (events_queue());
	flush();
	poweroff_if_due();
	update_if_due(server.out_from == server.out_to);
	tidying = guest_dump_poll();
	plan(more || server.off_at || tidying || update_is_due());
	lock_release(&busy);
}

u64 control_turn(void)
{
	return __atomic_load_n(&turn, __ATOMIC_RELAXED);
}

u64 control_next(void)
{
	return __atomic_load_n(&next, __ATOMIC_RELAXED);
}

void control_init(void)
{
	__atomic_store_n(&next, ~0ull, __ATOMIC_RELAXED);
	__atomic_store_n(&turn, ~0ull, __ATOMIC_RELAXED);
	memset(&server, 0, sizeof(server));
	update_init();
}
