/* `outlive blackbox export`: each zone becomes a file, with the name that Linux gives it and the time of its record. */
#include "cli/blackbox.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As in /sys/fs/pstore. */
static char *file_name(const struct blackbox_content *c)
{
	return memory_format("%s-pstore_blk-%u", c->record ? "dmesg" : zone_type_name(c->zone.type),
			     c->zone.number);
}

static int write_bytes(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t put = write(fd, text, bytes);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		text += put;
		bytes -= (size_t)put;
	}
	return 0;
}

static int fill(int fd, const struct blackbox_content *c, const char *text, size_t bytes)
{
	int error = write_bytes(fd, text, bytes);

	if (!error && c->record) {
		struct timespec time = { (time_t)c->record->time.seconds, (long)c->record->time.nanoseconds };

		/* A file system that has no such time keeps its own. */
		(void)!futimens(fd, (struct timespec[]){ time, time });
	}
	if (!error && fsync(fd) < 0)
		error = -errno;
	return error;
}

/* The file is there whole or not at all. */
static int write_file(int directory, const char *name, const struct blackbox_content *c, const char *text,
		      size_t bytes, bool overwrite)
{
	char *temporary = memory_format("%s.tmp", name);
	int error = 0, fd;

	if (!overwrite && faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		error = -EEXIST;
	fd = error ? -1
		   : openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	if (!error && fd < 0)
		error = -errno;
	if (fd >= 0) {
		error = fill(fd, c, text, bytes);
		if (close(fd) < 0 && !error)
			error = -errno;
		if (!error && renameat(directory, temporary, directory, name) < 0)
			error = -errno;
		if (error)
			unlinkat(directory, temporary, 0);
	}
	free(temporary);
	return error;
}

/* *error: of the file system, 0 if it was not at fault. */
static int export(struct blackbox_image *i, const struct blackbox_content *c, int directory,
		  const struct options *o, json_t *files, int *error)
{
	char *name, *text;
	size_t bytes;

	*error = 0;
	text = blackbox_text(i, c, &bytes);
	if (!text)
		return EXIT_CODE_FAILED;
	name = file_name(c);
	*error = write_file(directory, name, c, text, bytes, o->overwrite);
	if (*error)
		message_error("%s/%s: %s%s", o->arguments[1], name, strerror(-*error),
			      *error == -EEXIST ? "; --force overwrites it" : "");
	else
		json_array_append_new(files,
				      json_pack("{s:s,s:s,s:s,s:o}", "zone", c->name, "file", name, "state",
						zone_state_name(c->state), "bytes", json_number(bytes)));
	if (!*error && c->state == ZONE_TORN)
		message_note("%s: %s is torn: %s", i->path, c->name, c->why);
	free(name);
	free(text);
	return *error ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

/* True if the next file will fare no better. */
static bool is_hopeless(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EROFS || error == -EIO;
}

static int export_all(struct blackbox_image *i, int directory, const struct options *o, json_t *files)
{
	int worst = EXIT_CODE_OK;

	for (u32 n = 0; n < layout_count(&i->box.layout); n++) {
		struct blackbox_content c;
		int code, error;

		blackbox_describe(i, n, &c);
		if (!blackbox_has_text(&c))
			continue;
		code = export(i, &c, directory, o, files, &error);
		worst = code ? code : worst;
		if (is_hopeless(error))
			break;
	}
	return worst;
}

int blackbox_export_command(const struct options *o)
{
	const char *path = o->arguments[1];
	struct blackbox_image i;
	json_t *files;
	int code = blackbox_image_open(&i, o, false), directory;

	if (code)
		return code;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		directory = -1;
	else
		directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		message_error("%s: %s", path, strerror(errno));
		blackbox_image_close(&i);
		return EXIT_CODE_FAILED;
	}
	files = json_array();
	code = export_all(&i, directory, o, files);
	if (!o->json)
		message_note("%s: %zu files%s", path, json_array_size(files),
			     code ? ", and not all that there are" : "");
	if (o->json)
		json_out(json_pack("{s:s,s:o}", "directory", path, "files", files), false);
	else
		json_decref(files);
	close(directory);
	blackbox_image_close(&i);
	return code;
}
