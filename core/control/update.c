/*
 * The requests of a live update. The image goes through to the warden, which alone keeps and checks it; here is decided
 * whether this is a moment to end.
 */
#include "abi/estate.h"
#include "abi/image.h"
#include "core/arch.h"
#include "core/control/server.h"
#include "core/dump/host_dump.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/root/takeover.h"
#include "core/survive/life.h"

/* How long the reply to the commit is given to get out. It would be asked for again, and the heir has the answer as well. */
#define REPLY_PATIENCE_MS 200

/* How long the guests' return after the last life's end is waited for. */
#define RECOVERY_PATIENCE_MS 2000

static u64 due; /* ticks; 0: nothing was committed */

/* A value of the warden's becomes the reply. */
static int reply(struct control_request *r, s64 received, u32 problem)
{
	struct ctl_update_state state = {
		.received = received < 0 ? 0 : (u64)received,
		.problem = problem,
		.estate_version = estate.header.version,
		.estate_oldest = ESTATE_OLDEST,
	};

	if (received < 0)
		return (int)received;
	memcpy(r->reply, &state, sizeof(state));
	r->reply_bytes = sizeof(state);
	return 0;
}

int update_begin(struct control_request *r)
{
	/* The warden reads it where it is: in this life's own data, aligned. */
	static struct warden_update wanted;
	struct ctl_update u;

	memcpy(&u, r->payload, sizeof(u));
	wanted.size = u.size;
	memcpy(wanted.sha256, u.sha256, sizeof(wanted.sha256));
	r->lengthy = true;
	return reply(r, arch_update(WARDEN_UPDATE_BEGIN, (u64)(uintptr_t)&wanted, 0, 0), 0);
}

int update_write(struct control_request *r)
{
	u64 offset;

	memcpy(&offset, r->payload, sizeof(offset));
	r->lengthy = true;
	return reply(r,
		     arch_update(WARDEN_UPDATE_WRITE, offset, (u64)(uintptr_t)r->payload + sizeof(offset),
				 r->bytes - sizeof(offset)),
		     0);
}

int update_check(struct control_request *r)
{
	s64 problem = arch_update(WARDEN_UPDATE_CHECK, 0, 0, 0);

	r->lengthy = true;
	return reply(r, problem < 0 ? problem : 0, (u32)problem);
}

/* Guests of the life before may still be on their way back. One that is stopped meanwhile never comes: not for long, then. */
static bool is_recovering(void)
{
	return life_before() && !life_recovered() &&
	       arch_time() - life_started() < estate.machine.timebase / 1000 * RECOVERY_PATIENCE_MS;
}

/* The slot of the life before, which the heir gets, may not have been written down yet. */
static bool is_busy(void)
{
	return is_recovering() || host_dump_is_busy() || takeover_is_under_way();
}

int update_commit(struct control_request *r)
{
	s64 problem;
	u64 life;

	memcpy(&life, r->payload, sizeof(life));
	if (life < life_number() || due)
		return -EALREADY;
	if (life != life_number())
		return -EINVAL;
	if (is_busy())
		return -EBUSY;
	problem = arch_update(WARDEN_UPDATE_CHECK, 0, 0, 0);
	if (problem < 0)
		return (int)problem;
	if (problem != IMAGE_GOOD)
		return -EINVAL;
	due = arch_time() + estate.machine.timebase / 1000 * REPLY_PATIENCE_MS;
	return 0;
}

bool update_is_due(void)
{
	return due;
}

void update_if_due(bool replies_are_out)
{
	s64 error;

	if (!due || (!replies_are_out && arch_time() < due))
		return;
	due = 0;
	log_line("life %lu ends for an update of its image", life_number());
	error = arch_update_now();
	log_line("the update is not done: error %ld; life %lu goes on", -error, life_number());
}

void update_init(void)
{
	due = 0;
}
