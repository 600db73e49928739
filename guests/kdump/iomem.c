/* See iomem.h. */
#include "guests/kdump/iomem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "  80200000-9fffffff : System RAM": bounds, both inclusive, and what is there. False if the line is not of this form. */
static bool parse_line(const char *line, u64 *first, u64 *last, const char **name)
{
	char *end;

	*first = strtoull(line, &end, 16);
	if (*end != '-')
		return false;
	*last = strtoull(end + 1, &end, 16);
	if (strncmp(end, " : ", 3) != 0)
		return false;
	*name = end + 3;
	return *last >= *first;
}

static bool is_named(const char *name, const char *wanted)
{
	size_t length = strlen(wanted);

	return !strncmp(name, wanted, length) && (name[length] == '\n' || name[length] == '\0');
}

int iomem_parse(const char *text, struct iomem *out)
{
	*out = (struct iomem){ 0 };
	for (const char *line = text; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		u64 first, last;
		const char *name;
		int error;

		if (!parse_line(line, &first, &last, &name))
			continue;
		if (is_named(name, "System RAM")) {
			if (!last)
				return -EPERM;
			error = ranges_add(&out->ram, first, last - first + 1, 0);
			if (error)
				return error;
		} else if (is_named(name, "Crash kernel") && last && last - first >= out->crash.size) {
			out->crash = (struct range){ first, last - first + 1, 0 };
		}
	}
	return 0;
}
