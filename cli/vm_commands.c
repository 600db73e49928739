/* `outlive start`, stop, reset, pause and resume: one request, one answer. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/names.h"
#include <errno.h>
#include <stdio.h>

static int request(const struct options *o, enum ctl_type type)
{
	struct client_reply reply = { 0 };
	struct ctl_host host;
	struct client c;
	struct ctl_vm vm;
	int code = client_open(&c, o);

	if (code)
		return code;
	code = client_find_vm(&c, o->arguments[0], &vm);
	if (!code)
		code = client_do(&c, (u16)type, vm.index, NULL, 0, &reply, vm.name);
	if (!code && reply.status == -EALREADY && !o->json)
		message_note("%s: %s", vm.name, client_refusal(reply.status));
	if (!code && o->json) {
		code = client_host(&c, &host);
		if (!code)
			code = client_find_vm(&c, o->arguments[0], &vm);
		if (!code)
			json_out(json_of_vm(&vm, host.timebase), false);
	}
	client_close(&c);
	return code;
}

int vm_start_command(const struct options *o)
{
	return request(o, CTL_VM_START);
}

int vm_stop_command(const struct options *o)
{
	return request(o, CTL_VM_STOP);
}

int vm_reset_command(const struct options *o)
{
	return request(o, CTL_VM_RESET);
}

int vm_pause_command(const struct options *o)
{
	return request(o, CTL_VM_PAUSE);
}

int vm_resume_command(const struct options *o)
{
	return request(o, CTL_VM_RESUME);
}
