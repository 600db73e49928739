/* Files that a command makes: see output_file.h. */
#include "cli/output_file.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct output_file *f, int error)
{
	if (!f->error) {
		f->error = error;
		message_error("%s: %s%s", f->path, strerror(-error),
			      error == -EEXIST ? "; --force overwrites it" : "");
	}
	return error;
}

int output_begin(struct output_file *f, const char *path, bool overwrite)
{
	struct stat st;

	*f = (struct output_file){ .path = path, .fd = -1 };
	if (strcmp(path, "-") == 0) {
		f->error = -EINVAL;
		message_error("-o -: a core file has holes, which a pipe has not; name a file");
		return f->error;
	}
	if (lstat(path, &st) == 0 && (!overwrite || !S_ISREG(st.st_mode)))
		return fail(f, S_ISREG(st.st_mode) ? -EEXIST : -EINVAL);
	/* A limit of the file's size is an error of writing, not the end of this program. */
	signal(SIGXFSZ, SIG_IGN);
	f->temporary = memory_format("%s.tmp", path);
	f->fd = open(f->temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	return f->fd < 0 ? fail(f, -errno) : 0;
}

int output_size(struct output_file *f, u64 bytes)
{
	if (f->error)
		return f->error;
	return ftruncate(f->fd, (off_t)bytes) < 0 ? fail(f, -errno) : 0;
}

int output_write(struct output_file *f, u64 at, const void *bytes, size_t count)
{
	const u8 *from = bytes;

	while (count && !f->error) {
		ssize_t put = pwrite(f->fd, from, count, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return fail(f, put < 0 ? -errno : -EIO);
		from += put;
		at += (u64)put;
		count -= (size_t)put;
	}
	return f->error;
}

int output_end(struct output_file *f, bool keep)
{
	if (f->fd >= 0) {
		if (close(f->fd) < 0)
			fail(f, -errno);
		if (keep && !f->error && rename(f->temporary, f->path) < 0)
			fail(f, -errno);
		if (!keep || f->error)
			unlink(f->temporary);
	}
	free(f->temporary);
	f->temporary = NULL;
	f->fd = -1;
	return f->error;
}
