/* Talks to a broker: see client.h. */
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/exit_code.h"
#include "cli/message.h"
#include "cli/units.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 10

static int gone(const struct client *c)
{
	message_error("host \"%s\" has ended", c->dir.name);
	return EXIT_CODE_FAILED;
}

int client_open_dir(struct client *c, struct rundir *dir, u64 timeout_ms)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct client_reply reply;
	int code;

	memset(c, 0, sizeof(*c));
	c->dir = *dir;
	c->timeout_ms = timeout_ms;
	rundir_socket_path(dir, "control", at.sun_path, sizeof(at.sun_path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		message_error("%s/control: %s", dir->path, strerror(errno));
		client_close(c);
		return EXIT_CODE_FAILED;
	}
	code = client_do(c, BROKER_INFO, 0, NULL, 0, &reply, "host");
	if (code) {
		client_close(c);
		return code;
	}
	memcpy(&c->info, reply.payload, reply.length < sizeof(c->info) ? reply.length : sizeof(c->info));
	c->info.name[sizeof(c->info.name) - 1] = '\0';
	if (c->info.version == CTL_VERSION)
		return EXIT_CODE_OK;
	message_error(
		"host \"%s\" was started by another version of this command: its control channel has version %u, "
		"this one's %u",
		c->dir.name, c->info.version, CTL_VERSION);
	client_close(c);
	return EXIT_CODE_FAILED;
}

int client_open(struct client *c, const struct options *o)
{
	struct rundir dir;

	if (rundir_open(&dir, o->host) < 0)
		return EXIT_CODE_NOT_FOUND;
	return client_open_dir(c, &dir, (o->has_timeout && o->timeout ? o->timeout : ANSWER_SECONDS) * 1000);
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	rundir_close(&c->dir);
}

u32 client_send(struct client *c, u16 type, u32 vm, const void *payload, size_t length)
{
	struct ctl_header header = { .type = type, .vm = vm, .tag = ++c->last_tag };
	u8 frame[FRAME_MAX];
	size_t size = frame_encode(frame, sizeof(frame), &header, payload, length);

	for (size_t done = 0; done < size;) {
		ssize_t put = send(c->fd, frame + done, size - done, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return 0;
		done += (size_t)put;
	}
	return header.tag;
}

/* One read into the decoder, of as much as it takes. False at the end. */
static bool receive(struct client *c)
{
	u8 bytes[FRAME_MAX];
	ssize_t got = recv(c->fd, bytes, frame_room(&c->decoder), MSG_DONTWAIT);

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	frame_put(&c->decoder, bytes, (size_t)got);
	return got > 0;
}

int client_ask(struct client *c, u16 type, u32 vm, const void *payload, size_t length,
	       struct client_reply *reply)
{
	u64 end = clock_ms() + c->timeout_ms;
	u32 tag = client_send(c, type, vm, payload, length);

	if (!tag)
		return gone(c);
	for (;;) {
		struct pollfd fd = { .fd = c->fd, .events = POLLIN };
		struct ctl_header header;
		const u8 *bytes;
		u64 now;

		while (frame_next(&c->decoder, &header, &bytes)) {
			if (header.tag != tag || header.type != (type | CTL_REPLY)) {
				if (c->event && !(header.type & CTL_REPLY))
					c->event(c->arg, &header, bytes);
				continue;
			}
			reply->status = header.status;
			reply->length = header.length;
			memcpy(reply->payload, bytes, header.length);
			return EXIT_CODE_OK;
		}
		now = clock_ms();
		if (now >= end) {
			message_error("host \"%s\" did not answer within %llu s", c->dir.name,
				      (unsigned long long)c->timeout_ms / 1000);
			return EXIT_CODE_TIMEOUT;
		}
		if (poll(&fd, 1, (int)(end - now)) > 0 && !receive(c))
			return gone(c);
	}
}

const char *client_refusal(s32 status)
{
	switch (-status) {
	case ENOENT:
		return "there is none";
	case ENXIO:
		return "it is not running";
	case EBUSY:
		return "it is in a state in which that cannot be done";
	case EALREADY:
		return "it is so already";
	case ENOSYS:
		return "this host cannot do that";
	case ENOMEM:
		return "the host has too little memory";
	case EINVAL:
		return "the host does not accept it";
	default:
		return strerror(-status);
	}
}

int client_do(struct client *c, u16 type, u32 vm, const void *payload, size_t length,
	      struct client_reply *reply, const char *what)
{
	int code = client_ask(c, type, vm, payload, length, reply);

	if (code || reply->status == 0 || reply->status == -EALREADY)
		return code;
	message_error("%s: %s", what, client_refusal(reply->status));
	return reply->status == -ENOENT ? EXIT_CODE_NOT_FOUND : EXIT_CODE_REFUSED;
}

int client_host(struct client *c, struct ctl_host *host)
{
	struct client_reply reply;
	int code = client_do(c, CTL_HELLO, 0, NULL, 0, &reply, "host");

	memset(host, 0, sizeof(*host));
	if (!code)
		memcpy(host, reply.payload, reply.length < sizeof(*host) ? reply.length : sizeof(*host));
	return code;
}

int client_vms(struct client *c, struct ctl_vm *vms, size_t *count)
{
	struct client_reply reply;
	u32 first = 0;

	for (*count = 0; *count < MAX_VMS;) {
		size_t before = *count;
		int code = client_do(c, CTL_PS, 0, &first, sizeof(first), &reply, "list of VMs");

		if (code)
			return code;
		for (size_t at = 0; at + sizeof(*vms) <= reply.length && *count < MAX_VMS;
		     at += sizeof(*vms)) {
			struct ctl_vm *vm = &vms[*count];

			memcpy(vm, reply.payload + at, sizeof(*vm));
			vm->name[sizeof(vm->name) - 1] = '\0';
			/* Ascending, or this would never end. */
			if (vm->index < first)
				continue;
			first = vm->index + 1;
			++*count;
		}
		if (*count == before || first >= MAX_VMS)
			break;
	}
	return EXIT_CODE_OK;
}

int client_find_vm(struct client *c, const char *name, struct ctl_vm *vm)
{
	struct ctl_vm vms[MAX_VMS];
	size_t count;
	u64 number = ~0ull;
	int code = client_vms(c, vms, &count);

	if (code)
		return code;
	for (size_t i = 0; i < count; i++)
		if (strcmp(vms[i].name, name) == 0) {
			*vm = vms[i];
			return EXIT_CODE_OK;
		}
	units_parse_number(name, &number);
	for (size_t i = 0; i < count; i++)
		if (vms[i].index == number) {
			*vm = vms[i];
			return EXIT_CODE_OK;
		}
	message_error("host \"%s\" has no VM \"%s\"; \"outlive ps\" lists them", c->dir.name, name);
	return EXIT_CODE_NOT_FOUND;
}

int client_lives(struct client *c, struct ctl_life *lives, size_t max, size_t *count)
{
	struct client_reply reply;
	u64 first = 0;

	for (*count = 0; *count < max;) {
		size_t before = *count;
		int code = client_do(c, CTL_LIVES, 0, &first, sizeof(first), &reply, "history");

		if (code)
			return code;
		for (size_t at = 0; at + sizeof(*lives) <= reply.length && *count < max;
		     at += sizeof(*lives)) {
			struct ctl_life *life = &lives[*count];

			memcpy(life, reply.payload + at, sizeof(*life));
			life->text[sizeof(life->text) - 1] = '\0';
			if (life->number < first)
				continue;
			first = life->number + 1;
			++*count;
		}
		if (*count == before)
			break;
	}
	return EXIT_CODE_OK;
}

void client_dispatch(struct client *c)
{
	struct ctl_header header;
	const u8 *payload;

	while (frame_next(&c->decoder, &header, &payload))
		if (c->event)
			c->event(c->arg, &header, payload);
}

bool client_events(struct client *c)
{
	bool is_open = receive(c);

	client_dispatch(c);
	return is_open;
}
