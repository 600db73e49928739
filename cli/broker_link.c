/*
 * The broker's end of the control channel (abi/control.h). A life may end with a request in its hands: each is kept
 * until its reply comes, and sent again with the same tag.
 */
#include "cli/broker.h"
#include "cli/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_harmless(u16 type)
{
	return type != CTL_CONSOLE_INPUT && type != CTL_VM_RESET && type != CTL_VM_START &&
	       type != CTL_BOX_WRITE;
}

void link_send(struct broker *b, struct broker_client *client, struct ctl_header header, const void *payload,
	       bool answered)
{
	struct link_request *request = memory_new(1, sizeof(*request) + FRAME_MAX);
	struct link_request **at = &b->link.requests;

	request->client = client;
	request->client_tag = header.tag;
	/* Tag 0 is that of events. */
	if (++b->link.last_tag == 0)
		b->link.last_tag = 1;
	request->tag = header.tag = b->link.last_tag;
	request->is_harmless = is_harmless(header.type);
	request->due = b->now + (request->is_harmless ? LINK_REPEAT_MS : LINK_REPEAT_HARMFUL_MS);
	request->size = frame_encode(request->frame, FRAME_MAX, &header, payload, header.length);
	buffer_put(&b->link.out, request->frame, request->size);
	if (!answered) {
		free(request);
		return;
	}
	while (*at)
		at = &(*at)->next;
	*at = memory_resize(request, 1, sizeof(*request) + request->size);
}

/* A reply: to the client that asked, with its own tag; or the broker's own. */
static void reply(struct broker *b, struct ctl_header *header, const u8 *payload)
{
	struct link_request **at = &b->link.requests;
	struct link_request *request;

	while (*at && (*at)->tag != header->tag)
		at = &(*at)->next;
	request = *at;
	/* The answer to a repetition, when the first has been answered after all. */
	if (!request)
		return;
	*at = request->next;
	if (request->client) {
		header->tag = request->client_tag;
		clients_send(request->client, header, payload, header->length);
	} else {
		broker_frame(b, header, payload);
	}
	free(request);
}

bool link_read(struct broker *b)
{
	u8 bytes[8192];
	ssize_t got = read(b->link.fd, bytes, sizeof(bytes));
	size_t done = 0;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	while (done < (size_t)got) {
		struct ctl_header header;
		const u8 *payload;

		done += frame_put(&b->link.decoder, bytes + done, (size_t)got - done);
		while (frame_next(&b->link.decoder, &header, &payload)) {
			if (header.version != CTL_VERSION) {
				broker_other_version(b, header.version);
				continue;
			}
			if (header.type & CTL_REPLY)
				reply(b, &header, payload);
			else
				broker_frame(b, &header, payload);
		}
	}
	return got > 0;
}

bool link_has_own(const struct link *link)
{
	for (const struct link_request *r = link->requests; r; r = r->next)
		if (!r->client)
			return true;
	return false;
}

void link_repeat(struct broker *b)
{
	/* What has not even left needs no repetition. */
	if (buffer_fill(&b->link.out))
		return;
	for (struct link_request *r = b->link.requests; r; r = r->next) {
		if (b->now < r->due)
			continue;
		r->due = b->now + (r->is_harmless ? LINK_REPEAT_MS : LINK_REPEAT_HARMFUL_MS);
		buffer_put(&b->link.out, r->frame, r->size);
	}
}

void link_heir(struct broker *b)
{
	for (struct link_request *r = b->link.requests; r; r = r->next)
		r->due = b->now + (r->is_harmless ? 0 : LINK_HEIR_MS);
}

void link_forget(struct broker *b, const struct broker_client *client)
{
	struct link_request **at = &b->link.requests;

	while (*at) {
		struct link_request *r = *at;

		if (r->client == client) {
			*at = r->next;
			free(r);
		} else {
			at = &r->next;
		}
	}
}

void link_free(struct link *link)
{
	while (link->requests) {
		struct link_request *r = link->requests;

		link->requests = r->next;
		free(r);
	}
	buffer_free(&link->out);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}
