/* `outlive poweroff`: the end of a host. */
#include "cli/broker_protocol.h"
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include <poll.h>
#include <stdio.h>

/* Longer than the broker waits before it kills QEMU. */
#define END_SECONDS 15

int poweroff_command(const struct options *o)
{
	u64 end = clock_ms() + (o->has_timeout ? o->timeout : END_SECONDS) * 1000;
	struct client_reply reply;
	struct client c;
	int code = client_open(&c, o);

	if (code)
		return code;
	code = client_do(&c, o->force ? BROKER_END : CTL_POWEROFF, 0, NULL, 0, &reply, "poweroff");
	while (!code) {
		struct pollfd fd = { .fd = c.fd, .events = POLLIN };
		u64 now = clock_ms();

		if (now >= end) {
			message_error("host \"%s\" has not ended yet; --force ends it at once", c.info.name);
			code = EXIT_CODE_TIMEOUT;
		} else if (poll(&fd, 1, (int)(end - now)) > 0 && !client_events(&c)) {
			break;
		}
	}
	if (!code && o->json)
		json_out(json_pack("{s:s,s:b}", "name", c.info.name, "ended", 1), false);
	client_close(&c);
	return code;
}
