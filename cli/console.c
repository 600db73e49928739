/*
 * `outlive console`, and the terminal of `outlive run --kernel`. Input goes to the host in small pieces, one at a time:
 * the guest's UART takes what it has room for, and the rest is sent again.
 */
#include "cli/console.h"
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/terminal.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX 256
/* A guest that took less than it was given is asked again after so many ms. */
#define RETRY_MS 20
/* So much of the latest output a person sees first. */
#define PERSON_BACKLOG KIB(16)

struct console {
	struct client client;
	struct ctl_vm vm;
	bool json;
	enum terminal_escape escape;
	bool is_person;
	bool is_escaped; /* Ctrl-A has been typed */
	bool has_left;
	bool input_ended;
	bool has_found; /* --until */
	bool output_failed;
	u64 position;	 /* of the output that has been printed */
	u64 backlog_end; /* what lies before has been there when we came */
	const char *until;
	char *seen; /* the last bytes of output, as many as --until may need, and what has just come */
	size_t seen_count;
	u8 input[INPUT_MAX];
	size_t input_count;
	u32 input_tag;	  /* of the request under way, 0: none */
	u64 input_again;  /* ms, not before */
	bool was_refused; /* the person has been told */
};

static void write_output(struct console *c, const void *bytes, size_t count)
{
	const u8 *from = bytes;

	while (count) {
		ssize_t put = write(STDOUT_FILENO, from, count);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			c->output_failed = true;
			return;
		}
		from += put;
		count -= (size_t)put;
	}
}

/* Looks for the text of --until in the stream of output: it may come in pieces. */
static void look_for(struct console *c, const u8 *bytes, size_t count)
{
	size_t length = strlen(c->until), keep;

	c->seen = memory_resize(c->seen, c->seen_count + count, 1);
	memcpy(c->seen + c->seen_count, bytes, count);
	c->seen_count += count;
	if (memmem(c->seen, c->seen_count, c->until, length))
		c->has_found = true;
	keep = length ? length - 1 : 0;
	if (c->seen_count > keep) {
		memmove(c->seen, c->seen + c->seen_count - keep, keep);
		c->seen_count = keep;
	}
}

static void output(struct console *c, const u8 *payload, size_t length)
{
	u64 offset;

	if (length < sizeof(offset))
		return;
	memcpy(&offset, payload, sizeof(offset));
	payload += sizeof(offset);
	length -= sizeof(offset);
	c->position = offset + length;
	if (c->json)
		json_out(json_pack("{s:o,s:o}", "offset", json_number(offset), "text",
				   json_text((const char *)payload, length)),
			 true);
	else
		write_output(c, payload, length);
	if (c->until && *c->until)
		look_for(c, payload, length);
}

/* How much of the input the guest took; the rest waits for another try. */
static void input_taken(struct console *c, const struct ctl_header *header, const u8 *payload)
{
	u32 taken = 0;

	c->input_tag = 0;
	if (header->status < 0 && header->status != -EAGAIN) {
		if (!c->was_refused)
			message_error("%s does not take input: %s%s", c->vm.name,
				      client_refusal(header->status), c->is_person ? "\r" : "");
		c->was_refused = true;
		c->input_count = 0;
		return;
	}
	c->was_refused = false;
	if (header->length >= sizeof(taken))
		memcpy(&taken, payload, sizeof(taken));
	if (taken > c->input_count)
		taken = (u32)c->input_count;
	memmove(c->input, c->input + taken, c->input_count - taken);
	c->input_count -= taken;
	c->input_again = c->input_count ? clock_ms() + RETRY_MS : 0;
}

static void event(void *arg, const struct ctl_header *header, const u8 *payload)
{
	struct console *c = arg;

	if (header->type == CTL_EVENT_CONSOLE && header->vm == c->vm.index)
		output(c, payload, header->length);
	else if (header->type == (CTL_CONSOLE_INPUT | CTL_REPLY) && header->tag == c->input_tag)
		input_taken(c, header, payload);
}

static void send_input(struct console *c)
{
	if (c->input_tag || !c->input_count || clock_ms() < c->input_again)
		return;
	c->input_tag = client_send(&c->client, CTL_CONSOLE_INPUT, c->vm.index, c->input, c->input_count);
}

static void read_input(struct console *c)
{
	ssize_t got = read(STDIN_FILENO, c->input + c->input_count, sizeof(c->input) - c->input_count);
	size_t count = got > 0 ? (size_t)got : 0;

	if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
		c->input_ended = true;
		return;
	}
	if (c->is_person && terminal_filter(c->escape, c->input + c->input_count, &count, &c->is_escaped))
		c->has_left = true;
	c->input_count += count;
}

/* Until somebody or something ends it. True: the host still runs. `end`: ms, 0 for never. */
static bool loop(struct console *c, u64 end)
{
	client_dispatch(&c->client);
	while (!c->has_left && !c->has_found && !c->output_failed) {
		struct pollfd fds[2] = { { .fd = c->client.fd, .events = POLLIN },
					 { .fd = -1, .events = POLLIN } };
		u64 now = clock_ms();
		int wait = -1;

		/* However short the time: what has been there when we came is printed. */
		if (end && now >= end && c->position >= c->backlog_end)
			return true;
		if (end && now >= end)
			wait = RETRY_MS;
		else if (end)
			wait = end - now > 1000 ? 1000 : (int)(end - now);
		if (c->input_count && !c->input_tag && (wait < 0 || wait > RETRY_MS))
			wait = RETRY_MS;
		if (!c->input_ended && c->input_count < sizeof(c->input))
			fds[1].fd = STDIN_FILENO;
		poll(fds, 2, wait);
		if (fds[0].revents && !client_events(&c->client))
			return false;
		if (fds[1].revents)
			read_input(c);
		send_input(c);
	}
	return true;
}

static int attach(struct console *c, u64 backlog)
{
	struct client_reply reply;
	int code;

	c->client.event = event;
	c->client.arg = c;
	c->is_person = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !c->json;
	code = client_do(&c->client, BROKER_CONSOLE, c->vm.index, &backlog, sizeof(backlog), &reply,
			 c->vm.name);
	if (!code && backlog && reply.length >= sizeof(c->backlog_end))
		memcpy(&c->backlog_end, reply.payload, sizeof(c->backlog_end));
	return code;
}

int console_attach_first(struct rundir *dir, bool json)
{
	struct console *c = memory_new(1, sizeof(*c));
	bool is_running = false;

	c->json = json;
	c->escape = TERMINAL_PREFIX;
	snprintf(c->vm.name, sizeof(c->vm.name), "vm");
	if (client_open_dir(&c->client, dir, 10000) == EXIT_CODE_OK) {
		if (attach(c, ~0ull) == EXIT_CODE_OK) {
			terminal_raw();
			is_running = loop(c, 0);
			terminal_restore();
		}
		client_close(&c->client);
	}
	free(c->seen);
	free(c);
	return is_running ? CONSOLE_LEFT : EXIT_CODE_OK;
}

static int converse(struct console *c, const struct options *o)
{
	u64 end = o->has_timeout ? clock_ms() + o->timeout * 1000 + 1 : 0;
	bool is_running;

	if (c->is_person) {
		message_note("connected to %s; Ctrl-] leaves", c->vm.name);
		terminal_raw();
	}
	is_running = loop(c, end);
	terminal_restore();
	if (c->is_person && is_running)
		fputc('\n', stderr);
	if (c->output_failed)
		return EXIT_CODE_FAILED;
	if (!is_running)
		message_note("the host has ended");
	if (c->until && !c->has_found)
		return is_running ? EXIT_CODE_TIMEOUT : EXIT_CODE_FAILED;
	return EXIT_CODE_OK;
}

int console_command(const struct options *o)
{
	struct options connection = *o;
	struct console *c = memory_new(1, sizeof(*c));
	int code;

	/* --timeout is for the whole conversation here. */
	connection.has_timeout = false;
	c->json = o->json;
	c->until = o->until;
	c->escape = TERMINAL_BRACKET;
	code = client_open(&c->client, &connection);
	if (!code) {
		code = client_find_vm(&c->client, o->arguments[0], &c->vm);
		if (!code)
			code = attach(c, o->backlog ? ~0ull : isatty(STDIN_FILENO) ? PERSON_BACKLOG : 0);
		if (!code)
			code = converse(c, o);
		client_close(&c->client);
	}
	free(c->seen);
	free(c);
	return code;
}
