/*
 * `outlive run`: checks everything, then starts a host and becomes its broker. In the foreground this process is the
 * broker; with --detach, and with --kernel where this process has the terminal, a child is.
 */
#include "cli/run.h"
#include "cli/attest_seed.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/evidence.h"
#include "cli/exit_code.h"
#include "cli/host_file.h"
#include "cli/json_out.h"
#include "cli/library.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/run_kernel.h"
#include "cli/run_view.h"
#include "cli/tail.h"
#include "cli/units.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define UP_SECONDS 30

int run_load(const char *file, enum host_check_scope scope, struct host_spec *spec, struct host_plan *plan,
	     bool json)
{
	struct diagnostics d = { 0 };
	int code = EXIT_CODE_OK;

	host_file_read(file, spec, &d);
	host_check(spec, scope, &d);
	host_plan_make(spec, plan, &d);
	if (d.count) {
		code = EXIT_CODE_INVALID;
		if (json)
			json_out(json_pack("{s:b,s:o}", "valid", 0, "errors", diagnostics_json(&d)), false);
		else
			diagnostics_print(&d, stderr);
	}
	diagnostics_free(&d);
	return code;
}

/* ---- The hypervisor's own files ---- */

struct machine_files {
	struct qemu_options qemu;
	char *firmware, *image;
};

static int find_machine(const struct options *o, struct machine_files *files)
{
	bool is_stock = o->firmware && strcmp(o->firmware, "stock") == 0;

	memset(files, 0, sizeof(*files));
	if (o->firmware && !is_stock && strcmp(o->firmware, "warden") != 0) {
		message_error("--firmware is warden or stock, not \"%s\"", o->firmware);
		return EXIT_CODE_USAGE;
	}
	files->image = library_find("outlive.bin");
	files->firmware = is_stock ? memory_copy("default") : library_find("warden.bin");
	if (!files->image || !files->firmware) {
		message_error("%s is not %s (\"make\" builds it; OUTLIVE_LIB names its directory)%s",
			      files->image ? "the firmware warden.bin" : "the hypervisor outlive.bin",
			      getenv("OUTLIVE_LIB") ? "in $OUTLIVE_LIB" : "beside this program",
			      files->image ? "; or use --firmware stock" : "");
		return EXIT_CODE_FAILED;
	}
	files->qemu = (struct qemu_options){ .program = o->qemu,
					     .firmware = files->firmware,
					     .image = files->image,
					     .gdb = o->gdb,
					     .icount = o->icount };
	return qemu_check(o->qemu) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static void free_machine(struct machine_files *files)
{
	free(files->image);
	free(files->firmware);
}

/* ---- The broker in a child ---- */

struct child {
	pid_t pid;
	int ready; /* a byte comes when the host is up; the end of file when it never will be */
};

static void tell_ready(void *arg, const struct ctl_host *host)
{
	(void)host;
	if (write(*(int *)arg, "", 1) < 0)
		return;
}

static _Noreturn void child_main(const struct host_plan *plan, const struct qemu_options *qemu,
				 struct rundir *dir, int ready, bool stays, unsigned up_seconds, pid_t parent)
{
	const struct broker_view view = { .up = tell_ready, .arg = &ready };
	int log = openat(dir->fd, "run.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int code;

	/* Not of the terminal's group: its Ctrl-C is for the parent. */
	setsid();
	if (!stays && (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent))
		_exit(EXIT_CODE_FAILED);
	rundir_own(dir);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log < 0 ? null : log, STDERR_FILENO);
	code = broker_run(plan, qemu, dir, &view, up_seconds);
	/* What a failure left is worth a look. */
	dir->temporary = dir->temporary && !code;
	rundir_end(dir);
	_exit(code);
}

static int start_child(struct child *child, const struct host_plan *plan, const struct qemu_options *qemu,
		       struct rundir *dir, bool stays, unsigned up_seconds)
{
	pid_t self = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	child->pid = fork();
	if (child->pid == 0) {
		close(ends[0]);
		child_main(plan, qemu, dir, ends[1], stays, up_seconds, self);
	}
	close(ends[1]);
	child->ready = ends[0];
	if (child->pid < 0) {
		close(ends[0]);
		return -errno;
	}
	return 0;
}

/* What a child that failed had to say; its exit code. */
static int child_end(struct child *child, const struct rundir *dir)
{
	int status = 0;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE_OK)
		return EXIT_CODE_OK;
	tail_copy(dir->fd, "run.log");
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	message_error("the host's process was killed by signal %d", WTERMSIG(status));
	return EXIT_CODE_FAILED;
}

/* Waits for the first hello. */
static bool child_is_up(struct child *child)
{
	char byte;
	ssize_t got;

	do
		got = read(child->ready, &byte, 1);
	while (got < 0 && errno == EINTR);
	close(child->ready);
	return got == 1;
}

static void report_detached(const struct options *o, const struct child *child, const struct rundir *dir)
{
	if (o->json)
		json_out(json_pack("{s:s,s:i,s:s}", "name", dir->name, "pid", (int)child->pid, "directory",
				   dir->path),
			 false);
	else
		message_note("host \"%s\" is up (process %d, %s)", dir->name, (int)child->pid, dir->path);
}

/* The terminal is the VM's console until the host ends. */
static int attach_terminal(const struct options *o, struct child *child, struct rundir *dir)
{
	struct rundir connection;
	int code;

	/* The broker ends the host when its VM has powered off, perhaps before we are connected. */
	if (rundir_open(&connection, dir->path) == 0) {
		code = console_attach_first(&connection, o->json);
		if (code == CONSOLE_LEFT)
			kill(child->pid, SIGTERM);
	}
	return child_end(child, dir);
}

static int run_in_child(const struct options *o, const struct host_plan *plan,
			const struct qemu_options *qemu, struct rundir *dir, unsigned up_seconds)
{
	struct child child = { .pid = -1, .ready = -1 };
	int error = start_child(&child, plan, qemu, dir, o->detach, up_seconds), code;

	if (error) {
		message_error("cannot start a process: %s", strerror(-error));
		return EXIT_CODE_FAILED;
	}
	if (!child_is_up(&child)) {
		code = child_end(&child, dir);
		return code ? code : EXIT_CODE_FAILED;
	}
	if (o->detach) {
		report_detached(o, &child, dir);
		return EXIT_CODE_OK;
	}
	return attach_terminal(o, &child, dir);
}

/* ---- The command ---- */

/* Where the other commands find the dumps of this host. */
static void note_dumps(struct rundir *dir, const struct host_plan *plan)
{
	const char *file = plan->spec->machine.dumps.file.value;
	char *path = file ? realpath(file, NULL) : NULL;

	if (path)
		rundir_write_text(dir, "dumps", path);
	free(path);
}

/* The host says so in its log, too, but who starts it looks here. */
static void note_policy(const struct options *o, const struct host_spec *spec)
{
	bool has_root = false;

	if (spec->machine.on_crash.value != CRASH_DEVIRTUALISE)
		return;
	for (size_t i = 0; i < spec->vms.count; i++)
		has_root |= host_vm(spec, i)->root.value != 0;
	if (!has_root)
		message_note("machine.on_crash: no VM is the root VM, so a crash will reset the machine");
	else if (o->firmware && strcmp(o->firmware, "stock") == 0)
		message_note(
			"machine.on_crash: stock firmware cannot do that, so a crash will reset the machine");
}

/* Without the warden nobody can keep anything from the hypervisor. */
static int refuse_stock(const struct options *o, const struct host_spec *spec)
{
	for (size_t i = 0; o->firmware && strcmp(o->firmware, "stock") == 0 && i < spec->vms.count; i++)
		if (host_vm(spec, i)->confidential.value) {
			message_error(
				"vms[%zu].confidential: stock firmware cannot keep a VM's memory from the hypervisor; run "
				"without --firmware stock",
				i);
			return EXIT_CODE_INVALID;
		}
	return EXIT_CODE_OK;
}

static int start(const struct options *o, const struct host_plan *plan)
{
	unsigned up_seconds = o->has_timeout ? (unsigned)o->timeout : UP_SECONDS;
	char pack[24], memory[24];
	struct machine_files files;
	struct run_view view;
	struct rundir dir;
	int code = find_machine(o, &files);

	if (!code)
		code = refuse_stock(o, plan->spec);
	if (!code)
		code = evidence_prepare(plan);
	if (!code && rundir_create(&dir, plan->spec->name.value, o->dir) < 0)
		code = EXIT_CODE_FAILED;
	if (!code && plan->pool && attest_seed_prepare(&dir, o->attestation_key) < 0) {
		rundir_end(&dir);
		code = EXIT_CODE_FAILED;
	}
	if (!code) {
		note_dumps(&dir, plan);
		note_policy(o, plan->spec);
		message_note("starting \"%s\": %u harts, %s, boot pack of %s", dir.name, plan->harts,
			     units_format_size(memory, sizeof(memory), plan->memory),
			     units_format_size(pack, sizeof(pack), plan->pack_size));
		if (o->detach || o->kernel) {
			dir.temporary = o->kernel && !o->name && !o->dir;
			code = run_in_child(o, plan, &files.qemu, &dir, up_seconds);
			/* The child ends it. */
			rundir_close(&dir);
		} else {
			code = broker_run(plan, &files.qemu, &dir,
					  run_view_init(&view, plan, o->json, o->quiet), up_seconds);
			rundir_end(&dir);
		}
	}
	free_machine(&files);
	return code;
}

int run_command(const struct options *o)
{
	struct host_spec spec = { 0 };
	struct host_plan plan = { 0 };
	int code;

	if (!o->kernel == !o->argument_count) {
		message_error("run what? A host file, or --kernel");
		return EXIT_CODE_USAGE;
	}
	if (o->kernel)
		code = run_kernel_load(o, &spec, &plan);
	else if (run_kernel_has_options(o))
		return EXIT_CODE_USAGE;
	else
		code = run_load(o->arguments[0], HOST_CHECK_RUN, &spec, &plan, o->json);
	if (!code && o->name)
		code = run_kernel_rename(&spec, o->name);
	if (!code)
		code = start(o, &plan);
	host_plan_free(&plan);
	host_spec_free(&spec);
	return code;
}
