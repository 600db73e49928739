/* `outlive dump --host`: a core file of a life of the hypervisor that has ended. */
#include "cli/dump.h"
#include "cli/exit_code.h"
#include "cli/message.h"

int dump_host(const struct options *o)
{
	(void)o;
	message_error("dumps of the host are not supported yet");
	return EXIT_CODE_FAILED;
}
