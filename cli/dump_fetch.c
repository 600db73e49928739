/*
 * Fetches a VM's memory: see dump_fetch.h. An answer holds few pages and takes its time through the channel, so several pieces are
 * asked for at a time, each by one request after the other; they are handed on in order.
 */
#include "cli/dump_fetch.h"
#include "cli/clock.h"
#include "cli/exit_code.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Requests under way: the host answers what it finds each time it looks. */
#define PIECES	  16u
#define TICK_MS	  100
#define VCPUS_MAX 4096u

_Static_assert(PIECES *PIECE_SIZE <= CTL_DUMP_WINDOW, "what is under way has not been forgotten");

static int nonsense(const struct dump_fetch *f)
{
	message_error("%s: an answer of the host's that makes no sense", f->name);
	return EXIT_CODE_FAILED;
}

static u64 make_id(void)
{
	u64 id = 0;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		id = clock_ms();
	return id ? id : 1;
}

static bool info_valid(const struct ctl_dump *d, u64 id)
{
	if (d->id != id || !d->ranges || d->ranges > VM_MAX_EXTENTS || d->vcpus > VCPUS_MAX)
		return false;
	for (u32 i = 0; i < d->ranges; i++)
		if (d->range[i].at % PAGE_SIZE || d->range[i].size % PAGE_SIZE || !d->range[i].size ||
		    d->range[i].size > ~0ull - d->range[i].at)
			return false;
	return true;
}

/* Just after a life has ended a vCPU may still be where it was. */
static int ask_begin(struct dump_fetch *f, const struct ctl_dump_begin *begin, struct client_reply *reply)
{
	u64 end = clock_ms() + f->client->timeout_ms;

	for (;;) {
		int code = client_ask(f->client, CTL_DUMP_BEGIN, f->vm, begin, sizeof(*begin), reply);

		if (code || reply->status != -EAGAIN || clock_ms() >= end)
			return code;
		poll(NULL, 0, TICK_MS);
	}
}

static const char *begin_refusal(s32 status)
{
	switch (-status) {
	case EBUSY:
		return "another dump is under way";
	case EOPNOTSUPP:
		return "a device of the machine writes to its memory, so it cannot be dumped live";
	case EPERM:
		return "it is a confidential VM: the hypervisor cannot read its memory and registers";
	default:
		return client_refusal(status);
	}
}

int dump_fetch_begin(struct dump_fetch *f, bool live)
{
	struct ctl_dump_begin begin = { .id = make_id(), .flags = live ? CTL_DUMP_LIVE : 0 };
	struct client_reply reply;
	int code;

	/* Known from here on, so that it is ended also if the answer does not come. */
	memset(&f->info, 0, sizeof(f->info));
	f->info.id = begin.id;
	code = ask_begin(f, &begin, &reply);
	if (code)
		return code;
	if (reply.status) {
		message_error("%s: %s", f->name, begin_refusal(reply.status));
		return EXIT_CODE_REFUSED;
	}
	if (reply.length < sizeof(f->info))
		return nonsense(f);
	memcpy(&f->info, reply.payload, sizeof(f->info));
	if (info_valid(&f->info, begin.id))
		return EXIT_CODE_OK;
	f->info.id = begin.id;
	return nonsense(f);
}

int dump_fetch_vcpus(struct dump_fetch *f, struct ctl_dump_vcpu **vcpus, size_t *count)
{
	struct client_reply reply;

	*vcpus = memory_new(f->info.vcpus + 1, sizeof(**vcpus));
	*count = 0;
	while (*count < f->info.vcpus) {
		struct ctl_dump_at at = { .id = f->info.id, .at = *count };
		int code = client_ask(f->client, CTL_DUMP_VCPU, f->vm, &at, sizeof(at), &reply);
		size_t taken;

		if (code)
			return code;
		if (reply.status)
			return DUMP_FETCH_LOST;
		taken = dump_vcpus_take(*vcpus + *count, *count, f->info.vcpus - *count, reply.payload,
					reply.length);
		if (!taken)
			return nonsense(f);
		*count += taken;
	}
	return EXIT_CODE_OK;
}

/* ---- Memory ---- */

static u64 range_end(const struct dump_fetch *f, u64 at)
{
	for (u32 i = 0; i < f->info.ranges; i++)
		if (at >= f->info.range[i].at && at - f->info.range[i].at < f->info.range[i].size)
			return f->info.range[i].at + f->info.range[i].size;
	return 0;
}

/* Asks for what is missing at the beginning of a piece, if anything is. */
static void ask(struct dump_fetch *f, struct dump_piece *p)
{
	struct ctl_dump_at at = { .id = f->info.id };

	dump_piece_fill(p, &f->known);
	p->tag = 0;
	if (p->next == p->end)
		return;
	at.at = p->next;
	p->tag = client_send(f->client, CTL_DUMP_READ, f->vm, &at, sizeof(at));
	f->is_gone |= !p->tag;
	f->requests++;
}

/* Begins pieces as long as there is room for them and memory left. */
static void begin_pieces(struct dump_fetch *f)
{
	while (f->count < PIECES && f->range < f->info.ranges && !f->is_gone) {
		u64 end = f->info.range[f->range].at + f->info.range[f->range].size;
		struct dump_piece *p = &f->pieces[(f->first + f->count) % PIECES];

		/* Far behind what is asked for the host forgets: the next range waits until this one is here. */
		if (f->count && f->at - f->pieces[f->first].at >= PIECES * PIECE_SIZE)
			return;
		dump_piece_begin(p, f->at, end - f->at < PIECE_SIZE ? end : f->at + PIECE_SIZE);
		f->count++;
		f->at = p->end;
		if (f->at == end && ++f->range < f->info.ranges)
			f->at = f->info.range[f->range].at;
		ask(f, p);
	}
}

static void hear(void *arg, const struct ctl_header *header, const u8 *payload)
{
	struct dump_fetch *f = arg;

	if (header->type != (CTL_DUMP_READ | CTL_REPLY))
		return;
	for (u32 i = 0; i < f->count; i++) {
		struct dump_piece *p = &f->pieces[(f->first + i) % PIECES];

		if (p->tag != header->tag)
			continue;
		f->heard = clock_ms();
		if (header->status)
			f->is_lost = true;
		else if (!dump_piece_take(p, payload, header->length, range_end(f, p->at), &f->known))
			f->is_broken = true;
		else
			ask(f, p);
		return;
	}
}

/* Hands on the pieces at the front that are complete, page kinds run by run. */
static int hand_on(struct dump_fetch *f)
{
	while (f->count && f->pieces[f->first].next == f->pieces[f->first].end) {
		const struct dump_piece *p = &f->pieces[f->first];
		u64 pages = (p->end - p->at) / PAGE_SIZE;

		for (u64 i = 0, run; i < pages; i += run) {
			bool has_bytes = p->kind[i] == CTL_DUMP_RAW;
			int error;

			for (run = 1; i + run < pages && p->kind[i + run] == p->kind[i];)
				run++;
			error = f->take(f->arg, p->at + i * PAGE_SIZE, run, (enum ctl_dump_kind)p->kind[i],
					has_bytes ? p->bytes + i * PAGE_SIZE : NULL);
			if (error)
				return DUMP_FETCH_STOPPED;
		}
		f->done += p->end - p->at;
		f->first = (f->first + 1) % PIECES;
		f->count--;
		begin_pieces(f);
	}
	return EXIT_CODE_OK;
}

/* Waits for answers and takes them. */
static int wait(struct dump_fetch *f)
{
	struct pollfd fd = { .fd = f->client->fd, .events = POLLIN };
	bool is_open = true;

	if (poll(&fd, 1, TICK_MS) > 0)
		is_open = client_events(f->client);
	if (f->is_lost)
		return DUMP_FETCH_LOST;
	if (f->is_broken)
		return nonsense(f);
	if (!is_open || f->is_gone) {
		message_error("host \"%s\" has ended", f->client->dir.name);
		return EXIT_CODE_FAILED;
	}
	if (clock_ms() - f->heard < f->client->timeout_ms)
		return EXIT_CODE_OK;
	message_error("host \"%s\" did not answer within %llu s", f->client->dir.name,
		      (unsigned long long)f->client->timeout_ms / 1000);
	return EXIT_CODE_TIMEOUT;
}

static int loop(struct dump_fetch *f)
{
	u64 ticked = f->heard;
	int code = hand_on(f);

	while (!code && f->count) {
		u64 now;

		code = wait(f);
		if (!code)
			code = hand_on(f);
		now = clock_ms();
		if (code || !f->tick || now - ticked < TICK_MS)
			continue;
		ticked = now;
		if (f->tick(f->arg, f->done))
			code = DUMP_FETCH_STOPPED;
	}
	return code;
}

int dump_fetch_memory(struct dump_fetch *f)
{
	int code;

	f->pieces = memory_new(PIECES, sizeof(*f->pieces));
	f->known = (struct dump_known){ 0 };
	f->first = f->count = f->range = 0;
	f->at = f->info.range[0].at;
	f->done = f->requests = 0;
	f->is_lost = f->is_broken = f->is_gone = false;
	f->heard = clock_ms();
	f->client->event = hear;
	f->client->arg = f;
	begin_pieces(f);
	code = loop(f);
	f->client->event = NULL;
	free(f->pieces);
	f->pieces = NULL;
	return code;
}

void dump_fetch_end(struct dump_fetch *f)
{
	struct ctl_dump_at end = { .id = f->info.id };
	struct client_reply reply;

	if (f->info.id && !f->is_gone)
		client_ask(f->client, CTL_DUMP_END, f->vm, &end, sizeof(end), &reply);
	f->info.id = 0;
}
