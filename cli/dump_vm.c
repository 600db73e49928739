/* `outlive dump VM`. */
#include "cli/dump.h"
#include "cli/exit_code.h"
#include "cli/message.h"

int dump_vm(const struct options *o)
{
	message_error("%s: dumps of VMs are not supported yet", o->arguments[0]);
	return EXIT_CODE_FAILED;
}
