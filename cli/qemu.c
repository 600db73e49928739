/* Runs QEMU: see qemu.h. */
#include "cli/qemu.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION_MAJOR 7
#define VERSION_MINOR 2

/* Runs the program with --version and keeps the beginning of what it prints. Its wait status, or -errno. */
static int ask_version(const char *program, char *answer, size_t size)
{
	int ends[2], status = 0;
	size_t fill = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(open("/dev/null", O_RDWR), STDERR_FILENO);
		execlp(program, program, "--version", (char *)NULL);
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(ends[1]);
	while (pid > 0 && (got = read(ends[0], answer + fill, size - 1 - fill)) > 0)
		fill += (size_t)got;
	close(ends[0]);
	answer[fill] = '\0';
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int qemu_check(const char *program)
{
	char answer[256], *version;
	int major, minor, status;

	program = program ? program : QEMU_DEFAULT;
	status = ask_version(program, answer, sizeof(answer));
	if (status < 0) {
		message_error("%s: %s", program, strerror(-status));
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		message_error(
			"%s is not installed (Debian: package qemu-system-misc), or name it with --qemu",
			program);
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		message_error("%s does not run", program);
	} else {
		version = strstr(answer, "version ");
		if (!version || sscanf(version, "version %d.%d", &major, &minor) != 2)
			message_error("%s does not look like QEMU: it answers --version with \"%.*s\"",
				      program, (int)strcspn(answer, "\n"), answer);
		else if (major < VERSION_MAJOR || (major == VERSION_MAJOR && minor < VERSION_MINOR))
			message_error("%s is version %d.%d; at least %d.%d is needed", program, major, minor,
				      VERSION_MAJOR, VERSION_MINOR);
		else
			return 0;
	}
	return -1;
}

void qemu_version(const char *program, char *to, size_t size)
{
	char answer[256];
	const char *version;

	*to = '\0';
	if (ask_version(program ? program : QEMU_DEFAULT, answer, sizeof(answer)) != 0)
		return;
	version = strstr(answer, "version ");
	if (version)
		snprintf(to, size, "%.*s", (int)strspn(version + 8, "0123456789."), version + 8);
}

/* Both ends of a stream between this process and QEMU; ours is non-blocking and stays here, QEMU's goes along. */
static int make_stream(int *ours, int *theirs)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(ends[1], F_SETFD, 0) < 0) {
		int error = -errno;

		close(ends[0]);
		close(ends[1]);
		return error;
	}
	/* QEMU's virtconsole drops what the socket does not take: as much room as the system allows. */
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &(int){ MIB(1) }, sizeof(int));
	*ours = ends[0];
	*theirs = ends[1];
	return 0;
}

static _Noreturn void become_qemu(char **arguments, const struct rundir *dir, pid_t parent)
{
	int log = openat(dir->fd, "qemu.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	/* The parent may be gone before the kernel knows that we want to hear of it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || log < 0)
		_exit(126);
	setpgid(0, 0);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(arguments[0], arguments);
	dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

int qemu_start(struct qemu *qemu, const struct host_plan *plan, const struct qemu_options *options,
	       struct rundir *dir)
{
	int control = -1, serial = -1, error;
	pid_t self = getpid();
	char **arguments;

	*qemu = (struct qemu){ .pid = -1, .control_fd = -1, .serial_fd = -1 };
	error = make_stream(&qemu->control_fd, &control);
	if (!error)
		error = make_stream(&qemu->serial_fd, &serial);
	if (!error) {
		arguments = qemu_arguments(plan, options, dir, control, serial);
		qemu->pid = fork();
		if (qemu->pid == 0)
			become_qemu(arguments, dir, self);
		error = qemu->pid < 0 ? -errno : 0;
		qemu_free_arguments(arguments);
	}
	if (control >= 0)
		close(control);
	if (serial >= 0)
		close(serial);
	if (error)
		message_error("cannot start %s: %s", options->program ? options->program : QEMU_DEFAULT,
			      strerror(-error));
	else
		rundir_write_number(dir, "qemu.pid", qemu->pid);
	return error;
}
