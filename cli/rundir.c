/* Run directories: see rundir.h. */
#include "cli/rundir.h"
#include "cli/attest_seed.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory that only we can write to; made if need be. */
static int private_directory(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		int error = -errno;

		message_error("%s: %s", path, strerror(errno));
		return error;
	}
	/* In /tmp somebody else may have been first. */
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		message_error("%s is not a directory of this user alone", path);
		return -EPERM;
	}
	return 0;
}

/* Where all hosts of this user are; made if need be. NULL with the error printed. */
static char *base_directory(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *above, *base;

	if (runtime && *runtime == '/')
		above = memory_copy(runtime);
	else
		above = memory_format("/tmp/outlive-%u", (unsigned)geteuid());
	base = memory_format("%s/outlive", above);
	if ((!runtime && private_directory(above) < 0) || private_directory(base) < 0) {
		free(base);
		base = NULL;
	}
	free(above);
	return base;
}

static struct flock whole_file(short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET };
}

long rundir_running(int fd)
{
	int pid_fd = openat(fd, "pid", O_RDWR | O_CLOEXEC);
	struct flock lock = whole_file(F_WRLCK);
	char text[24] = "";
	long pid = 0;

	if (pid_fd < 0)
		return 0;
	/* The lock belongs to the open file, so that it goes along with a fork; asking does not take it. */
	if (fcntl(pid_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK &&
	    read(pid_fd, text, sizeof(text) - 1) >= 0)
		pid = strtol(text, NULL, 10);
	close(pid_fd);
	return pid;
}

static void write_pid(int fd)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) != length)
		message_error("pid file: %s", strerror(errno));
}

void rundir_own(struct rundir *dir)
{
	write_pid(dir->pid_fd);
}

static int take(struct rundir *dir)
{
	struct flock lock = whole_file(F_WRLCK);
	int error = 0;

	dir->pid_fd = openat(dir->fd, "pid", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (dir->pid_fd < 0 || fcntl(dir->pid_fd, F_OFD_SETLK, &lock) < 0) {
		error = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
		if (error == -EBUSY)
			message_error(
				"host \"%s\" is running already (process %ld); \"outlive poweroff --host %s\" ends it",
				dir->name, rundir_running(dir->fd), dir->name);
		else
			message_error("%s/pid: %s", dir->path, strerror(-error));
		return error;
	}
	write_pid(dir->pid_fd);
	return 0;
}

static bool is_file_of_ours(const char *name)
{
	static const char *const names[] = { "control",	       "pack",	       "qemu.pid", "serial.log",
					     "qemu.log",       "run.log",      "uplink",   "dumps",
					     ATTEST_SEED_FILE, ATTEST_KEY_FILE };
	size_t length = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	if (strncmp(name, "pack.", 5) == 0)
		return true;
	return strncmp(name, "console-", 8) == 0 &&
	       ((length > 4 && strcmp(name + length - 4, ".log") == 0) ||
		(length > 6 && strcmp(name + length - 6, ".log.1") == 0));
}

/* Removes what the last host of that directory left, and nothing else: --dir may name any directory. */
static void clean(struct rundir *dir)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (list && (entry = readdir(list)))
		if (is_file_of_ours(entry->d_name))
			unlinkat(dir->fd, entry->d_name, 0);
	if (list)
		closedir(list);
	else if (fd >= 0)
		close(fd);
}

/* Makes room for a new entry under a host's name: that of the last host, which has ended, goes with its logs. */
static void remove_stale(const char *path)
{
	struct rundir old = { .pid_fd = -1 };
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	if (S_ISLNK(st.st_mode)) {
		unlink(path);
		return;
	}
	old.fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (old.fd < 0)
		return;
	clean(&old);
	unlinkat(old.fd, "pid", 0);
	close(old.fd);
	rmdir(path);
}

/* With --dir: leaves a link under the host's name, so that --host finds it. */
static int link_name(struct rundir *dir, const char *link)
{
	int error;

	remove_stale(link);
	if (symlink(dir->path, link) < 0) {
		error = -errno;
		message_error("%s: %s", link, strerror(-error));
		return error;
	}
	dir->link = memory_copy(link);
	return 0;
}

/* The host that has this name now, if one runs in another directory. */
static int check_name_free(const char *base, const char *name)
{
	char *path = memory_format("%s/%s", base, name);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long pid = fd < 0 ? 0 : rundir_running(fd);

	if (fd >= 0)
		close(fd);
	free(path);
	if (!pid)
		return 0;
	message_error("host \"%s\" is running already (process %ld); \"outlive poweroff --host %s\" ends it",
		      name, pid, name);
	return -EBUSY;
}

static bool is_same_directory(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Makes dir->path if need be, and opens it under its real name. */
static int open_own(struct rundir *dir)
{
	char *real;

	if (mkdir(dir->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	real = realpath(dir->path, NULL);
	if (real) {
		free(dir->path);
		dir->path = real;
	}
	dir->fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir->fd < 0 ? -errno : 0;
}

int rundir_create(struct rundir *dir, const char *name, const char *directory)
{
	char *base = base_directory(), *named;
	struct stat st;
	int error;

	*dir = (struct rundir){ .fd = -1, .pid_fd = -1 };
	if (!base)
		return -EPERM;
	named = memory_format("%s/%s", base, name);
	error = check_name_free(base, name);
	free(base);
	if (error) {
		free(named);
		return error;
	}
	dir->name = memory_copy(name);
	dir->path = memory_copy(directory ? directory : named);
	/* A link that the last host of that name has left would lead to its directory. */
	if (!directory && lstat(named, &st) == 0 && S_ISLNK(st.st_mode))
		unlink(named);
	error = open_own(dir);
	if (error)
		message_error("%s: %s", dir->path, strerror(-error));
	else
		error = take(dir);
	if (!error) {
		clean(dir);
		if (!is_same_directory(dir->fd, named))
			error = link_name(dir, named);
	}
	free(named);
	if (error)
		rundir_close(dir);
	return error;
}

void rundir_write_text(struct rundir *dir, const char *file, const char *text)
{
	int fd = openat(dir->fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	dprintf(fd, "%s\n", text);
	close(fd);
}

void rundir_write_number(struct rundir *dir, const char *file, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	rundir_write_text(dir, file, text);
}

char *rundir_read_text(const struct rundir *dir, const char *file)
{
	int fd = openat(dir->fd, file, O_RDONLY | O_CLOEXEC);
	char *text;
	ssize_t got;

	if (fd < 0)
		return NULL;
	text = memory_new(1, PATH_MAX + 1);
	got = read(fd, text, PATH_MAX);
	close(fd);
	text[got < 0 ? 0 : strcspn(text, "\n")] = '\0';
	if (*text)
		return text;
	free(text);
	return NULL;
}

/* Our own files are in it, and no folders. */
static void remove_all(const struct rundir *dir)
{
	DIR *list = fdopendir(openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (!list)
		return;
	for (const struct dirent *entry; (entry = readdir(list));)
		unlinkat(dirfd(list), entry->d_name, 0);
	closedir(list);
	rmdir(dir->path);
}

void rundir_end(struct rundir *dir)
{
	unlinkat(dir->fd, "control", 0);
	unlinkat(dir->fd, "pack", 0);
	unlinkat(dir->fd, "uplink", 0);
	unlinkat(dir->fd, "dumps", 0);
	unlinkat(dir->fd, "qemu.pid", 0);
	if (dir->link)
		unlink(dir->link);
	if (dir->temporary)
		remove_all(dir);
	rundir_close(dir);
}

void rundir_close(struct rundir *dir)
{
	if (dir->pid_fd >= 0)
		close(dir->pid_fd);
	if (dir->fd >= 0)
		close(dir->fd);
	free(dir->path);
	free(dir->name);
	free(dir->link);
	*dir = (struct rundir){ .fd = -1, .pid_fd = -1 };
}

static int open_path(struct rundir *dir, const char *path, const char *name)
{
	*dir = (struct rundir){ .fd = -1, .pid_fd = -1 };
	dir->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0)
		return -errno;
	dir->path = memory_copy(path);
	dir->name = memory_copy(name);
	return 0;
}

/* True if the directory of that path is that of a running host. */
static bool is_running(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool running = fd >= 0 && rundir_running(fd);

	if (fd >= 0)
		close(fd);
	return running;
}

/* Looks through all hosts of the user for the one that runs. Its name in *name, to be freed. */
static int find_only(const char *base, char **name)
{
	DIR *list = opendir(base);
	const struct dirent *entry;
	char *names = memory_copy("");
	int count = 0;

	while (list && (entry = readdir(list))) {
		char *path, *more;

		if (entry->d_name[0] == '.')
			continue;
		path = memory_format("%s/%s", base, entry->d_name);
		if (is_running(path)) {
			more = memory_format("%s%s%s", names, count++ ? ", " : "", entry->d_name);
			free(names);
			names = more;
		}
		free(path);
	}
	if (list)
		closedir(list);
	if (count == 1) {
		*name = names;
		return 0;
	}
	if (count == 0)
		message_error("no host is running; \"outlive run FILE\" starts one");
	else
		message_error("several hosts are running (%s): name one with --host", names);
	free(names);
	return count ? -E2BIG : -ENOENT;
}

/* The directory of that name below `base`, or that path. */
static int open_named(struct rundir *dir, const char *base, const char *name)
{
	char *path = base ? memory_format("%s/%s", base, name) : memory_copy(name);
	int error = open_path(dir, path, name);

	if (!error && !rundir_running(dir->fd)) {
		rundir_close(dir);
		error = -ENOENT;
	}
	if (error == -ENOENT)
		message_error("no host \"%s\" is running", name);
	else if (error)
		message_error("%s: %s", path, strerror(-error));
	free(path);
	return error;
}

int rundir_open(struct rundir *dir, const char *name)
{
	char *base, *only = NULL;
	int error = 0;

	*dir = (struct rundir){ .fd = -1, .pid_fd = -1 };
	if (name && strchr(name, '/'))
		return open_named(dir, NULL, name);
	base = base_directory();
	if (!base)
		return -EPERM;
	if (!name)
		error = find_only(base, &only);
	if (!error)
		error = open_named(dir, base, name ? name : only);
	free(only);
	free(base);
	return error;
}

const char *rundir_socket_path(const struct rundir *dir, const char *file, char *to, size_t size)
{
	snprintf(to, size, "/proc/self/fd/%d/%s", dir->fd, file);
	return to;
}
