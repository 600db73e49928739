/* See tail.h. */
#include "cli/tail.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define TAIL_MAX 8192

/* The last bytes of the file, terminated; "" if it cannot be read. */
static void read_end(int directory, const char *file, char *to)
{
	int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t got = 0;

	if (fd >= 0) {
		got = pread(fd, to, TAIL_MAX - 1, size > TAIL_MAX - 1 ? size - (TAIL_MAX - 1) : 0);
		close(fd);
	}
	to[got > 0 ? got : 0] = '\0';
	/* Terminated text for string functions, whatever a guest has printed. */
	for (ssize_t i = 0; i < got; i++)
		if (!to[i])
			to[i] = '.';
}

void tail_print(int directory, const char *file, unsigned lines)
{
	char text[TAIL_MAX], *at, *line, *rest;
	size_t length;

	read_end(directory, file, text);
	length = strlen(text);
	while (length && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		text[--length] = '\0';
	if (!length) {
		fputs("    (nothing)\n", stderr);
		return;
	}
	for (at = text + length; at > text && lines; at--)
		if (at[-1] == '\n' && --lines == 0)
			break;
	rest = at;
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		fprintf(stderr, "    %s\n", line);
	}
}

void tail_copy(int directory, const char *file)
{
	char text[TAIL_MAX];

	read_end(directory, file, text);
	fputs(text, stderr);
}

bool tail_contains(int directory, const char *file, const char *text)
{
	char end[TAIL_MAX];

	read_end(directory, file, end);
	return strstr(end, text) != NULL;
}
