/* The commands that are connected to the broker: see broker_protocol.h for what they say. */
#include "cli/broker.h"
#include "cli/broker_protocol.h"
#include "cli/memory.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 64

void clients_accept(struct broker *b)
{
	int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct broker_client *client;
	int count = 0;

	if (fd < 0)
		return;
	for (client = b->clients; client; client = client->next)
		count++;
	if (count >= CLIENTS_MAX) {
		close(fd);
		return;
	}
	client = memory_new(1, sizeof(*client));
	client->fd = fd;
	client->console = -1;
	client->next = b->clients;
	b->clients = client;
	b->had_client = true;
}

void clients_send(struct broker_client *client, struct ctl_header *header, const void *payload, size_t length)
{
	u8 frame[FRAME_MAX];
	size_t size = frame_encode(frame, sizeof(frame), header, payload, length);

	if (buffer_fill(&client->out) + size > CLIENT_OUT_MAX)
		client->is_dead = true;
	else
		buffer_put(&client->out, frame, size);
}

static void answer(struct broker_client *client, const struct ctl_header *request, s32 status,
		   const void *payload, size_t length)
{
	struct ctl_header header = {
		.type = request->type | CTL_REPLY, .tag = request->tag, .vm = request->vm, .status = status
	};

	clients_send(client, &header, payload, length);
}

static void info(struct broker *b, struct broker_client *client, const struct ctl_header *request)
{
	struct broker_info reply = {
		.version = CTL_VERSION,
		.vms = b->plan->vm_count,
		.pid = getpid(),
		.qemu_pid = b->qemu.pid,
		.is_up = b->is_up,
		.host = b->host,
	};

	strncpy(reply.name, b->dir->name, sizeof(reply.name) - 1);
	answer(client, request, 0, &reply, sizeof(reply));
}

static void attach_console(struct broker *b, struct broker_client *client, const struct ctl_header *request,
			   const u8 *payload)
{
	const struct console_log *log;
	u64 backlog;

	if (request->vm >= b->plan->vm_count || request->length != sizeof(backlog)) {
		answer(client, request, request->length != sizeof(backlog) ? -EINVAL : -ENOENT, NULL, 0);
		return;
	}
	memcpy(&backlog, payload, sizeof(backlog));
	log = &b->consoles[request->vm];
	client->console = (int)request->vm;
	client->console_at = log->end - log->start > backlog ? log->end - backlog : log->start;
	answer(client, request, 0, &log->end, sizeof(log->end));
}

static void request(struct broker *b, struct broker_client *client, const struct ctl_header *header,
		    const u8 *payload)
{
	switch ((int)header->type) {
	case BROKER_INFO:
		info(b, client, header);
		break;
	case BROKER_WATCH:
		client->is_watching = true;
		answer(client, header, 0, NULL, 0);
		break;
	case BROKER_CONSOLE:
		attach_console(b, client, header, payload);
		break;
	case BROKER_END:
		answer(client, header, 0, NULL, 0);
		broker_end(b, true);
		break;
	case CTL_CRASH:
		/* No reply comes: that it has been sent is all there is to say. It is never repeated. */
		link_send(b, client, *header, payload, false);
		answer(client, header, 0, NULL, 0);
		break;
	case CTL_CONSOLE_ACK:
		/* The broker's own business. */
		break;
	case CTL_POWEROFF:
		broker_end(b, false);
		answer(client, header, 0, NULL, 0);
		break;
	default:
		if (header->type >= CTL_EVENT_CONSOLE)
			answer(client, header, -ENOSYS, NULL, 0);
		else
			link_send(b, client, *header, payload, true);
		break;
	}
}

void clients_read(struct broker *b, struct broker_client *client)
{
	u8 bytes[8192];
	ssize_t got = read(client->fd, bytes, sizeof(bytes));
	size_t done = 0;

	if (got <= 0) {
		client->is_dead = got == 0 || (errno != EAGAIN && errno != EINTR);
		return;
	}
	while (done < (size_t)got) {
		struct ctl_header header;
		const u8 *payload;

		done += frame_put(&client->decoder, bytes + done, (size_t)got - done);
		while (frame_next(&client->decoder, &header, &payload))
			request(b, client, &header, payload);
	}
}

void clients_event(struct broker *b, struct ctl_header *header, const void *payload, size_t length)
{
	for (struct broker_client *c = b->clients; c; c = c->next)
		if (c->is_watching)
			clients_send(c, header, payload, length);
}

/* Console output goes straight from the log: a slow client costs no memory. */
static void pump_console(struct broker *b, struct broker_client *client)
{
	u8 payload[2048];

	while (client->console >= 0 && buffer_fill(&client->out) < CLIENT_CONSOLE_MAX) {
		struct ctl_header header = { .type = CTL_EVENT_CONSOLE, .vm = (u32)client->console };
		u64 at = client->console_at;
		size_t got = console_log_read(&b->consoles[client->console], &at, payload + sizeof(at),
					      sizeof(payload) - sizeof(at));

		if (!got)
			return;
		got = frame_split(payload + sizeof(at), got);
		memcpy(payload, &at, sizeof(at));
		clients_send(client, &header, payload, sizeof(at) + got);
		client->console_at = at + got;
	}
}

void clients_pump(struct broker *b)
{
	struct broker_client **at = &b->clients;

	while (*at) {
		struct broker_client *c = *at;

		if (!c->is_dead)
			pump_console(b, c);
		if (!c->is_dead && buffer_flush(&c->out, c->fd) < 0)
			c->is_dead = true;
		if (!c->is_dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		link_forget(b, c);
		buffer_free(&c->out);
		close(c->fd);
		free(c);
	}
}

/* True if somebody has not got all there is for it. */
static bool is_owing(const struct broker *b)
{
	for (const struct broker_client *c = b->clients; c; c = c->next)
		if (buffer_fill(&c->out) || (c->console >= 0 && c->console_at < b->consoles[c->console].end))
			return true;
	return false;
}

void clients_finish(struct broker *b, bool wait_for_first)
{
	/*
	 * The last words of a guest are the ones that people want to see: who reads gets them, and who has started the
	 * host for its console gets them even if the guest was faster than he.
	 */
	for (int patience = 0; patience < 100; patience++) {
		bool is_waiting = wait_for_first && (!b->clients || b->clients->console < 0);

		clients_pump(b);
		if (!is_waiting && !is_owing(b))
			break;
		poll(NULL, 0, 20);
		if (is_waiting && !b->clients)
			clients_accept(b);
		for (struct broker_client *c = b->clients; c; c = c->next)
			clients_read(b, c);
	}
	for (struct broker_client *c = b->clients; c; c = c->next)
		c->is_dead = true;
	clients_pump(b);
}
