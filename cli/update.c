/* `outlive update`: another image for the running hypervisor, under its guests. */
#include "abi/control.h"
#include "abi/estate.h"
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/names.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "cli/update_image.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define HEIR_SECONDS 10
#define TICK_MS	     20
#define PIECES	     8u /* of the image, under way at a time */

struct update {
	struct client c;
	struct update_image image;
	struct ctl_host host;
	u64 end; /* ms: what has not happened by then is not waited for */
	/* The transfer. */
	u64 received; /* bytes */
	unsigned under_way;
	s32 refusal; /* of a piece */
};

/* ---- The image goes over ---- */

static int unsupported(const struct update *u)
{
	message_error("host \"%s\": live update is not supported: %s", u->c.dir.name,
		      u->host.has_warden ? "its warden is too old for it" : "its firmware is not the warden");
	return EXIT_CODE_REFUSED;
}

/* Asks; a state as reply. The image's name begins all messages. */
static int ask(struct update *u, u16 type, const void *payload, size_t length, struct ctl_update_state *state)
{
	struct client_reply reply;
	int code = client_ask(&u->c, type, 0, payload, length, &reply);

	if (code)
		return code;
	if (reply.status == -ENOSYS)
		return unsupported(u);
	if (reply.status || reply.length < sizeof(*state)) {
		message_error("%s: %s", u->image.path,
			      reply.status == -EBUSY ? "another update is under way"
						     : client_refusal(reply.status));
		return EXIT_CODE_REFUSED;
	}
	memcpy(state, reply.payload, sizeof(*state));
	return EXIT_CODE_OK;
}

/* An answer to a piece. A life that ends may lose some, so that those behind them do not fit: that is seen in the end. */
static void hear(void *arg, const struct ctl_header *header, const u8 *payload)
{
	struct update *u = arg;
	struct ctl_update_state state;

	if (header->type != (CTL_UPDATE_WRITE | CTL_REPLY) || !u->under_way)
		return;
	u->under_way--;
	if (header->status || header->length < sizeof(state)) {
		u->refusal = header->status;
		return;
	}
	memcpy(&state, payload, sizeof(state));
	if (state.received > u->received)
		u->received = state.received;
}

static bool send_piece(struct update *u, u64 at, size_t bytes)
{
	u8 payload[sizeof(u64) + CTL_UPDATE_PIECE];

	memcpy(payload, &at, sizeof(at));
	memcpy(payload + sizeof(at), u->image.bytes + at, bytes);
	u->under_way++;
	return client_send(&u->c, CTL_UPDATE_WRITE, 0, payload, sizeof(at) + bytes) != 0;
}

/* From what has arrived to the end, several pieces at a time; until all of them have been answered. */
static int send_pieces(struct update *u, struct progress *progress)
{
	struct pollfd fd = { .fd = u->c.fd, .events = POLLIN };
	u64 at = u->received, end = clock_ms() + u->c.timeout_ms;

	u->under_way = 0;
	u->refusal = 0;
	while (u->under_way || (at < u->image.size && !u->refusal)) {
		unsigned before = u->under_way;

		if (at < u->image.size && !u->refusal && u->under_way < PIECES) {
			size_t bytes = u->image.size - (size_t)at;

			bytes = bytes < CTL_UPDATE_PIECE ? bytes : CTL_UPDATE_PIECE;
			if (!send_piece(u, at, bytes))
				return EXIT_CODE_FAILED;
			at += bytes;
			continue;
		}
		if (poll(&fd, 1, TICK_MS) > 0 && !client_events(&u->c)) {
			message_error("host \"%s\" has ended", u->c.dir.name);
			return EXIT_CODE_FAILED;
		}
		progress_show(progress, u->received);
		if (u->under_way != before)
			end = clock_ms() + u->c.timeout_ms;
		if (clock_ms() >= end) {
			message_error("host \"%s\" did not answer within %llu s", u->c.dir.name,
				      (unsigned long long)u->c.timeout_ms / 1000);
			return EXIT_CODE_TIMEOUT;
		}
	}
	return EXIT_CODE_OK;
}

/* Begins, or goes on, until all is there. Once without getting further is once too often. */
static int send_all(struct update *u, struct progress *progress)
{
	struct ctl_update wanted = { .size = u->image.size };
	struct ctl_update_state state = { 0 };
	u64 before = ~0ull;
	int code;

	memcpy(wanted.sha256, u->image.digest, sizeof(wanted.sha256));
	for (;;) {
		code = ask(u, CTL_UPDATE_BEGIN, &wanted, sizeof(wanted), &state);
		if (code || state.received >= u->image.size)
			return code;
		if (state.received == before) {
			message_error("%s: %s", u->image.path,
				      u->refusal == -EINVAL || !u->refusal ? "another update is under way"
									   : client_refusal(u->refusal));
			return EXIT_CODE_REFUSED;
		}
		before = u->received = state.received;
		code = send_pieces(u, progress);
		if (code)
			return code;
	}
}

static int send_image(struct update *u, bool quiet)
{
	struct ctl_update_state state;
	struct progress progress;
	int code;

	u->c.event = hear;
	u->c.arg = u;
	progress_begin(&progress, u->image.path, u->image.size, quiet);
	code = send_all(u, &progress);
	progress_end(&progress);
	u->c.event = NULL;
	if (!code)
		code = ask(u, CTL_UPDATE_CHECK, NULL, 0, &state);
	return code ? code
		    : update_image_judge(&u->image, (enum image_problem)state.problem, state.estate_version);
}

/* ---- The update ---- */

/* For a while a host may be busy with the life before. */
static int commit(struct update *u)
{
	struct client_reply reply;
	int code;

	for (;;) {
		code = client_host(&u->c, &u->host);
		if (!code)
			code = client_ask(&u->c, CTL_UPDATE_COMMIT, 0, &u->host.life, sizeof(u->host.life),
					  &reply);
		if (code || !reply.status || reply.status == -EALREADY)
			return code;
		if (reply.status != -EBUSY || clock_ms() >= u->end)
			break;
		poll(NULL, 0, TICK_MS);
	}
	message_error("%s: %s", u->image.path,
		      reply.status == -EBUSY
			      ? "not now: the last crash is still being dealt with, or the root VM is "
				"about to take the machine over"
			      : client_refusal(reply.status));
	return EXIT_CODE_REFUSED;
}

/* The life that ended for the update, and the one after it, as far as the history has them. */
static int read_lives(struct update *u, u64 first, struct ctl_life two[2])
{
	struct client_reply reply;
	int code = client_do(&u->c, CTL_LIVES, 0, &first, sizeof(first), &reply, "history");

	memset(two, 0, 2 * sizeof(*two));
	for (size_t i = 0; !code && i < 2 && (i + 1) * sizeof(*two) <= reply.length; i++) {
		memcpy(&two[i], reply.payload + i * sizeof(*two), sizeof(*two));
		two[i].text[sizeof(two[i].text) - 1] = '\0';
	}
	return code;
}

/* When the guests were back: in the heir, or if that did not last, in the one after it. */
static u64 guests_back(const struct ctl_life two[2])
{
	return two[0].undone || !two[1].undone ? two[0].t_last_guest : two[1].t_last_guest;
}

/* Waits for a life behind `ended`, and then a little for its guests. */
static int await_heir(struct update *u, u64 ended, struct ctl_life two[2])
{
	u64 guests_by = 0;

	for (;;) {
		struct client_reply reply;
		struct broker_info info;
		int code = client_do(&u->c, BROKER_INFO, 0, NULL, 0, &reply, "host");

		if (code)
			return code;
		memcpy(&info, reply.payload, sizeof(info));
		if (info.host.life != ended) {
			u->host = info.host;
			code = read_lives(u, ended, two);
			if (!guests_by)
				guests_by = clock_ms() + 1000;
			if (code || guests_back(two) || clock_ms() >= guests_by)
				return code;
		} else if (clock_ms() >= u->end) {
			message_error("%s: no heir has reported within the time", u->image.path);
			return EXIT_CODE_TIMEOUT;
		}
		poll(NULL, 0, TICK_MS);
	}
}

static json_t *digest_json(const struct update_image *image)
{
	char text[2 * SHA256_BYTES + 1];

	for (int i = 0; i < SHA256_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", image->digest[i]);
	return json_string(text);
}

static json_t *image_json(const struct update *u)
{
	return json_pack("{s:s,s:o,s:o,s:i,s:i}", "image", u->image.path, "bytes", json_number(u->image.size),
			 "sha256", digest_json(&u->image), "estate_version",
			 (int)u->image.header.estate_version, "estate_oldest",
			 (int)(u->image.header.estate_oldest ? u->image.header.estate_oldest
							     : u->image.header.estate_version));
}

static json_t *build_json(u64 build)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, build);
	return build ? json_string(text) : json_null();
}

static void result_json(const struct update *u, const struct ctl_life two[2], bool updated,
			const char *reason)
{
	json_t *o = image_json(u);
	u64 back = guests_back(two);

	json_object_set_new(o, "updated", json_boolean(updated));
	json_object_set_new(o, "life", json_number(u->host.life));
	json_object_set_new(o, "from", build_json(two[0].build));
	json_object_set_new(o, "to", build_json(two[1].build));
	json_object_set_new(o, "pause_us",
			    back ? json_real(units_microseconds(two[0].t_fault, back, u->host.timebase))
				 : json_null());
	json_object_set_new(o, "reason", reason ? json_text(reason, strlen(reason)) : json_null());
	json_out(o, false);
}

/* What has become of it, from the history. */
static int report(const struct update *u, const struct ctl_life two[2], bool json)
{
	bool undone = two[0].undone || two[1].undone;
	bool updated = two[0].cause == LIFE_UPDATE && !undone;
	const char *reason = updated	     ? NULL
			     : two[0].undone ? two[0].text
			     : undone	     ? two[1].text
					     : name_of_life_cause(two[0].cause);
	double pause = units_microseconds(two[0].t_fault, guests_back(two), u->host.timebase);

	if (json)
		result_json(u, two, updated, reason);
	if (updated && !json)
		printf("updated: life %" PRIu64 ", build %016" PRIx64 " in place of %016" PRIx64
		       "; pause %.0f us\n",
		       u->host.life, two[1].build, two[0].build, pause);
	if (updated)
		return EXIT_CODE_OK;
	if (undone)
		message_error("%s: the update was rolled back: %s; life %" PRIu64
			      " runs from the image before it, after a pause of %.0f us",
			      u->image.path, reason, u->host.life, pause);
	else
		message_error("%s: not updated: life %" PRIu64 " ended before (%s); life %" PRIu64
			      " runs from the image before",
			      u->image.path, two[0].number, reason, u->host.life);
	return EXIT_CODE_FAILED;
}

static void report_checked(const struct update *u, bool json)
{
	if (json) {
		json_t *o = image_json(u);

		json_object_set_new(o, "updated", json_false());
		json_out(o, false);
		return;
	}
	printf("%s: %zu bytes, SHA-256 %02x%02x%02x%02x...: host \"%s\" can be updated to it\n",
	       u->image.path, u->image.size, u->image.digest[0], u->image.digest[1], u->image.digest[2],
	       u->image.digest[3], u->c.dir.name);
}

static int update(struct update *u, const struct options *o)
{
	struct ctl_life two[2];
	int code = client_host(&u->c, &u->host);
	u64 ended;

	if (!code && !u->host.has_warden)
		code = unsupported(u);
	if (!code)
		code = update_image_judge(
			&u->image, image_check(&u->image.header, u->image.size, u->host.estate_version),
			u->host.estate_version);
	if (!code)
		code = send_image(u, o->quiet || o->json);
	if (!code && o->check) {
		report_checked(u, o->json);
		return EXIT_CODE_OK;
	}
	u->end = clock_ms() + (o->has_timeout ? o->timeout : HEIR_SECONDS) * 1000;
	if (!code)
		code = commit(u);
	ended = u->host.life;
	if (!code)
		code = await_heir(u, ended, two);
	return code ? code : report(u, two, o->json);
}

int update_command(const struct options *o)
{
	struct update u = { 0 };
	int code = update_image_read(&u.image, o->arguments[0]);

	if (code)
		return code;
	code = client_open(&u.c, o);
	if (!code) {
		code = update(&u, o);
		client_close(&u.c);
	}
	update_image_free(&u.image);
	return code;
}
