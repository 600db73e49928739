/* `outlive dump`: of a VM, or of a life of the hypervisor that has ended. */
#include "cli/dump.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/message.h"

int dump_command(const struct options *o)
{
	if (o->dump_host)
		return dump_host(o);
	if (o->region || o->list || o->symbols) {
		message_error("--region, --list and --symbols belong to \"outlive dump --host\"");
		return EXIT_CODE_USAGE;
	}
	if (!o->argument_count) {
		message_error("dump what? A VM, or --host");
		return EXIT_CODE_USAGE;
	}
	return dump_vm(o);
}
