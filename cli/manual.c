/* `outlive manual`: sources of the manual pages. */
#include "cli/commands.h"
#include "cli/exit_code.h"

int manual_command(const struct options *o)
{
	(void)o;
	return EXIT_CODE_FAILED;
}
