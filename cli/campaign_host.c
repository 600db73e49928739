/* The machine of one run: see campaign_host.h. */
#include "cli/campaign_host.h"
#include "abi/estate.h"
#include "cli/clock.h"
#include "cli/library.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/tail.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST_NAME     "campaign"
#define HARTS_DEFAULT 4
#define HARTS_MAX     8
#define DISK_SIZE     MIB(1)

/* Until the guests are at work. */
#define START_MS 60000

static const char *const guest_names[CAMPAIGN_GUESTS] = { "alpha", "beta" };

/* ---- Files ---- */

/*
 * Two guests on a switch, each with a disk. The last vCPU of the first does nothing but compute. There are as many vCPUs as
 * harts, and at least one more than one.
 */
static const char host_file[] =
	"machine:\n"
	"  harts: %u\n"
	"  watchdog: 500ms\n"
	"vms:\n"
	"  - { name: alpha, vcpus: %u, memory: 32MiB, kernel: %s, format: flat, cmdline: mib=2,\n"
	"      disks: [ { file: alpha.disk } ], networks: [ { switch: lan } ] }\n"
	"  - { name: beta, vcpus: 1, memory: 32MiB, kernel: %s, format: flat, cmdline: mib=2,\n"
	"      disks: [ { file: beta.disk } ], networks: [ { switch: lan } ] }\n";

static int failed(const char *path, const char *file)
{
	int error = -errno;

	message_error("%s/%s: %s", path, file, strerror(-error));
	return error;
}

static int write_host_file(const struct campaign_host *h, const char *kernel)
{
	int fd = openat(h->fd, "host.yaml", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	u32 vcpus = h->harts > 2 ? h->harts - 1 : 2;
	bool is_written = fd >= 0 && dprintf(fd, host_file, h->harts, vcpus, kernel, kernel) > 0;

	if (fd < 0 || close(fd) < 0 || !is_written)
		return failed(h->path, "host.yaml");
	return 0;
}

static int make_disk(const struct campaign_host *h, const char *name)
{
	char file[40];
	int fd;

	snprintf(file, sizeof(file), "%s.disk", name);
	fd = openat(h->fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, DISK_SIZE) < 0 || close(fd) < 0)
		return failed(h->path, file);
	return 0;
}

static int make_files(struct campaign_host *h, const char *kernel)
{
	int error;

	if (mkdir(h->path, 0700) < 0)
		return failed(h->path, "");
	h->fd = open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->fd < 0)
		return failed(h->path, "");
	error = write_host_file(h, kernel);
	for (int i = 0; i < CAMPAIGN_GUESTS && !error; i++)
		error = make_disk(h, guest_names[i]);
	return error;
}

/* ---- Process ---- */

static _Noreturn void become_run(const struct campaign_host *h, const char *program, const char *qemu,
				 pid_t parent)
{
	/* In the run's directory all names are short enough for sockets. */
	bool is_there = fchdir(h->fd) == 0;
	int log = open("run.log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int null = open("/dev/null", O_RDONLY);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || !is_there || log < 0)
		_exit(126);
	/* The terminal's Ctrl-C is for the campaign. */
	setpgid(0, 0);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	/* Its run directory is none of the user's, who may have hosts of his own. */
	setenv("XDG_RUNTIME_DIR", h->path, 1);
	execl("/proc/self/exe", program, "run", "--name", HOST_NAME, "--gdb", "gdb", "host.yaml",
	      qemu ? "--qemu" : (char *)NULL, qemu, (char *)NULL);
	_exit(127);
}

static int start_process(struct campaign_host *h, const struct campaign_settings *settings)
{
	pid_t self = getpid();

	fflush(NULL);
	h->pid = fork();
	if (h->pid == 0)
		become_run(h, "outlive", settings->qemu, self);
	if (h->pid > 0)
		return 0;
	message_error("cannot start a process: %s", strerror(errno));
	h->pid = 0;
	return -EAGAIN;
}

bool campaign_host_is_there(struct campaign_host *h)
{
	if (h->pid && waitpid(h->pid, NULL, WNOHANG) == h->pid)
		h->pid = 0;
	return h->pid;
}

static void open_guests(struct campaign_host *h)
{
	h->run_fd = openat(h->fd, "outlive/" HOST_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < CAMPAIGN_GUESTS && h->run_fd >= 0; i++)
		campaign_guest_open(&h->guests[i], guest_names[i], h->run_fd);
}

void campaign_host_read_guests(struct campaign_host *h)
{
	if (h->run_fd < 0)
		open_guests(h);
	for (int i = 0; i < CAMPAIGN_GUESTS && h->run_fd >= 0; i++)
		campaign_guest_read(&h->guests[i]);
}

static bool are_at_work(const struct campaign_host *h)
{
	for (int i = 0; i < CAMPAIGN_GUESTS; i++) {
		const struct guest_line *last = &h->guests[i].last;

		if (!campaign_guest_moved(&h->guests[i], NULL, 0))
			return false;
		for (int n = 0; n < GUEST_COUNTS; n++)
			if (last->has[n] && !last->counts[n])
				return false;
	}
	return true;
}

static int wait_for_guests(struct campaign_host *h)
{
	u64 end = clock_ms() + START_MS;

	while (clock_ms() < end) {
		poll(NULL, 0, 5);
		campaign_host_read_guests(h);
		if (h->run_fd >= 0 && are_at_work(h))
			return 0;
		if (!campaign_host_is_there(h)) {
			tail_copy(h->fd, "run.log");
			message_error("the machine of a run did not start; %s has what it left", h->path);
			return -EIO;
		}
	}
	message_error("the guests of a run were not at work within %d s; %s has what it left",
		      START_MS / 1000, h->path);
	return -ETIMEDOUT;
}

int campaign_host_start(struct campaign_host *h, const struct campaign_settings *settings, u64 run)
{
	char *kernel = library_find("guests/witness.bin");
	char *directory = realpath(settings->directory, NULL);
	int error;

	*h = (struct campaign_host){ .fd = -1, .run_fd = -1 };
	h->path = memory_format("%s/run-%llu", directory ? directory : settings->directory,
				(unsigned long long)run);
	free(directory);
	h->harts = settings->harts ? settings->harts : HARTS_DEFAULT;
	h->harts = h->harts < HARTS_MAX ? h->harts : HARTS_MAX;
	for (int i = 0; i < CAMPAIGN_GUESTS; i++)
		h->guests[i].fd = -1;
	if (!kernel) {
		message_error("the guest guests/witness.bin is not beside this program (\"make\" builds it)");
		return -ENOENT;
	}
	campaign_host_remove(h->path);
	error = make_files(h, kernel);
	free(kernel);
	if (!error)
		error = start_process(h, settings);
	return error ? error : wait_for_guests(h);
}

/* ---- Questions ---- */

static bool connect_host(struct campaign_host *h)
{
	struct rundir dir;
	char *path;
	int error;

	if (h->is_connected)
		return true;
	path = memory_format("%s/outlive/" HOST_NAME, h->path);
	error = rundir_open(&dir, path);
	free(path);
	h->is_connected = !error && client_open_dir(&h->client, &dir, 1000) == 0;
	return h->is_connected;
}

bool campaign_host_ask(struct campaign_host *h, u64 ms)
{
	bool is_answered;

	message_mute(true);
	is_answered = connect_host(h);
	if (is_answered) {
		h->client.timeout_ms = ms;
		is_answered = client_host(&h->client, &h->hello) == 0;
	}
	message_mute(false);
	return is_answered;
}

bool campaign_host_vms(struct campaign_host *h, struct ctl_vm *vms, size_t *count)
{
	bool is_answered;

	message_mute(true);
	is_answered = connect_host(h) && client_vms(&h->client, vms, count) == 0;
	message_mute(false);
	return is_answered;
}

bool campaign_host_lives(struct campaign_host *h, struct ctl_life *lives, size_t *count)
{
	bool is_answered;

	message_mute(true);
	is_answered = connect_host(h) && client_lives(&h->client, lives, LIFE_COUNT, count) == 0;
	message_mute(false);
	return is_answered;
}

/* ---- End ---- */

void campaign_host_end(struct campaign_host *h)
{
	if (h->is_connected)
		client_close(&h->client);
	h->is_connected = false;
	if (h->pid) {
		/* QEMU goes with it. */
		kill(h->pid, SIGKILL);
		while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
			;
		h->pid = 0;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as our own directories */
static void remove_below(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (!list) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(list));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) < 0)
			remove_below(fd, entry->d_name);
	}
	closedir(list);
	unlinkat(at, name, AT_REMOVEDIR);
}

void campaign_host_remove(const char *path)
{
	remove_below(AT_FDCWD, path);
}

void campaign_host_free(struct campaign_host *h)
{
	for (int i = 0; i < CAMPAIGN_GUESTS; i++)
		campaign_guest_close(&h->guests[i]);
	if (h->run_fd >= 0)
		close(h->run_fd);
	if (h->fd >= 0)
		close(h->fd);
	free(h->path);
	*h = (struct campaign_host){ .fd = -1, .run_fd = -1 };
}
