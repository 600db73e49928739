/* The hypervisor's own files: see library.h. */
#include "cli/library.h"
#include "cli/memory.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *if_readable(char *path)
{
	if (access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *library_find(const char *file)
{
	const char *library = getenv("OUTLIVE_LIB");
	char program[PATH_MAX];
	ssize_t length;
	char *path;

	if (library && *library)
		return if_readable(memory_format("%s/%s", library, file));
	length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[length < 0 ? 0 : length] = '\0';
	if (strrchr(program, '/'))
		*strrchr(program, '/') = '\0';
	path = if_readable(memory_format("%s/%s", program, file));
	return path ? path : if_readable(memory_format("%s/../lib/outlive/%s", program, file));
}
