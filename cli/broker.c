/* A host's life under QEMU, and the loop of the broker: see broker.h. */
#include "cli/broker.h"
#include "abi/estate.h"
#include "cli/clock.h"
#include "cli/exit_code.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/names.h"
#include "cli/pack_writer.h"
#include "cli/tail.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a host may take to power off before QEMU is ended, ms. */
#define POWEROFF_MS 5000
/* VMs' states are asked for so often: events are sent once, and a life may end while it sends one. */
#define PS_MS	    2000
#define HELLO_EVERY 5
/* Longest sleep of the loop: repetitions and gaps are looked at so often. */
#define TICK_MS 100

/* ---- What the host says ---- */

static void ask(struct broker *b, enum ctl_type type, const void *payload, u32 length)
{
	link_send(b, NULL, (struct ctl_header){ .type = (u16)type, .length = length }, payload, true);
}

static void ask_vms(struct broker *b, u32 first)
{
	ask(b, CTL_PS, &first, sizeof(first));
}

static void ask_life(struct broker *b, u64 number)
{
	ask(b, CTL_LIVES, &number, sizeof(number));
}

/*
 * A host that reports with a life that is not after the one we know has been reset, estate and all: its consoles begin
 * at offset 0 again.
 */
static void note_host(struct broker *b, const struct ctl_host *host)
{
	struct ctl_host before = b->host;
	bool was_up = b->is_up;

	b->host = *host;
	b->is_up = true;
	if (!was_up) {
		b->ps_due = b->now;
		if (b->view.up)
			b->view.up(b->view.arg, host);
		return;
	}
	if (host->life == before.life && host->started == before.started && host->now >= before.now)
		return;
	link_heir(b);
	/* The heir takes for told what state it finds its VMs in. */
	b->ps_due = b->now;
	if (host->life > before.life) {
		ask_life(b, host->life - 1);
		return;
	}
	for (u32 i = 0; i < b->plan->vm_count; i++) {
		console_log_restart(&b->consoles[i]);
		b->acknowledged[i] = 0;
	}
	if (b->view.life)
		b->view.life(b->view.arg, host, NULL);
}

static void note_vm(struct broker *b, const struct ctl_vm *vm)
{
	struct ctl_vm *known;

	if (vm->index >= b->plan->vm_count)
		return;
	known = &b->vms[vm->index];
	if (known->name[0] && known->run_state == vm->run_state && known->boots == vm->boots) {
		*known = *vm;
		return;
	}
	*known = *vm;
	known->name[sizeof(known->name) - 1] = '\0';
	clients_event(b, &(struct ctl_header){ .type = CTL_EVENT_VM, .vm = vm->index }, vm, sizeof(*vm));
	if (b->view.vm)
		b->view.vm(b->view.arg, known);
}

/* Consoles: kept, then acknowledged; what is not acknowledged the heir sends again. */
static void note_console(struct broker *b, const struct ctl_header *header, const u8 *payload)
{
	u64 offset;

	if (header->vm >= b->plan->vm_count || header->length < sizeof(offset))
		return;
	memcpy(&offset, payload, sizeof(offset));
	console_log_put(&b->consoles[header->vm], offset, payload + sizeof(offset),
			header->length - sizeof(offset), b->now);
}

static void acknowledge(struct broker *b)
{
	for (u32 i = 0; i < b->plan->vm_count; i++) {
		u64 have = b->consoles[i].expected;

		if (have == b->acknowledged[i])
			continue;
		b->acknowledged[i] = have;
		link_send(b, NULL,
			  (struct ctl_header){ .type = CTL_CONSOLE_ACK, .vm = i, .length = sizeof(have) },
			  &have, false);
	}
}

void broker_frame(struct broker *b, const struct ctl_header *header, const u8 *payload)
{
	struct ctl_header copy = *header;
	struct ctl_host host = { 0 };
	struct ctl_life life = { 0 };
	struct ctl_vm vm = { 0 };

	switch ((int)header->type) {
	case CTL_HELLO | CTL_REPLY:
	case CTL_EVENT_LIFE:
		/* A newer host may say more than we know. */
		memcpy(&host, payload, header->length < sizeof(host) ? header->length : sizeof(host));
		if (header->type == CTL_EVENT_LIFE)
			clients_event(b, &copy, payload, header->length);
		note_host(b, &host);
		break;
	case CTL_PS | CTL_REPLY:
		for (size_t at = 0; at + sizeof(vm) <= header->length; at += sizeof(vm)) {
			memcpy(&vm, payload + at, sizeof(vm));
			note_vm(b, &vm);
		}
		if (header->length >= sizeof(vm) && vm.index + 1 < b->plan->vm_count)
			ask_vms(b, vm.index + 1);
		break;
	case CTL_EVENT_VM:
		if (header->length < sizeof(vm))
			break;
		memcpy(&vm, payload, sizeof(vm));
		note_vm(b, &vm);
		break;
	case CTL_LIVES | CTL_REPLY:
		if (header->length < sizeof(life))
			break;
		memcpy(&life, payload, sizeof(life));
		life.text[sizeof(life.text) - 1] = '\0';
		if (b->view.life)
			b->view.life(b->view.arg, &b->host, &life);
		break;
	case CTL_EVENT_CONSOLE:
		note_console(b, header, payload);
		break;
	default:
		break;
	}
}

/* ---- The end ---- */

void broker_end(struct broker *b, bool at_once)
{
	if (b->has_ended)
		return;
	if (at_once || (b->is_ending && b->kill_at <= b->now)) {
		b->was_killed = !at_once;
		kill(b->qemu.pid, SIGKILL);
	} else if (!b->is_ending && b->is_up) {
		ask(b, CTL_POWEROFF, NULL, 0);
	} else if (!b->is_ending) {
		kill(b->qemu.pid, SIGTERM);
	}
	if (!b->is_ending)
		b->kill_at = b->now + POWEROFF_MS;
	b->is_ending = true;
}

static void take_signal(struct broker *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD) {
		/* The second Ctrl-C means it. */
		if (!b->is_ending)
			message_note("powering off");
		broker_end(b, b->is_ending);
		return;
	}
	if (waitpid(b->qemu.pid, &b->qemu_status, WNOHANG) == b->qemu.pid)
		b->has_ended = true;
}

/* What is still in the channels when QEMU has ended: a guest's last words. */
static void drain(struct broker *b)
{
	u8 bytes[4096];
	ssize_t got;

	while (b->link.fd >= 0 && link_read(b)) {
		struct pollfd more = { .fd = b->link.fd, .events = POLLIN };

		if (poll(&more, 1, 0) <= 0)
			break;
	}
	while ((got = read(b->qemu.serial_fd, bytes, sizeof(bytes))) > 0)
		if (b->view.serial)
			b->view.serial(b->view.arg, bytes, (size_t)got);
}

/* Why QEMU ended, as an exit code; said if it is not what was wanted. */
static int judge(struct broker *b)
{
	int status = b->qemu_status;

	if (b->was_killed) {
		message_error("the host did not power off within %d s; QEMU was killed", POWEROFF_MS / 1000);
		return EXIT_CODE_FAILED;
	}
	if (b->is_ending)
		return EXIT_CODE_OK;
	if (WIFSIGNALED(status)) {
		message_error("QEMU was killed by signal %d (%s): the host is gone", WTERMSIG(status),
			      strsignal(WTERMSIG(status)));
	} else if (WEXITSTATUS(status) != 0) {
		message_error("QEMU ended with status %d", WEXITSTATUS(status));
		tail_print(b->dir->fd, "qemu.log", 20);
	} else if (tail_contains(b->dir->fd, "qemu.log", "terminating on signal")) {
		message_error("QEMU was told to terminate: the host is gone");
	} else if (!b->is_up) {
		message_error("the machine powered off before the host said hello; its serial line said:");
		tail_print(b->dir->fd, "serial.log", 20);
	} else if (b->plan->spec->exit_when_idle && b->vms[0].run_state == VM_CRASHED) {
		message_error("the VM has crashed: %s", name_of_stop_reason(b->vms[0].reason));
	} else {
		return EXIT_CODE_OK;
	}
	return EXIT_CODE_FAILED;
}

/* ---- The loop ---- */

static void read_serial(struct broker *b)
{
	u8 bytes[4096];
	ssize_t got = read(b->qemu.serial_fd, bytes, sizeof(bytes));

	if (got > 0 && b->view.serial)
		b->view.serial(b->view.arg, bytes, (size_t)got);
}

static void look_at_clock(struct broker *b)
{
	link_repeat(b);
	if (b->is_up && b->now >= b->ps_due && !b->is_ending && !link_has_own(&b->link)) {
		b->ps_due = b->now + PS_MS;
		ask_vms(b, 0);
		/* And of the life, now and then. */
		if (++b->looks % HELLO_EVERY == 0)
			ask(b, CTL_HELLO, NULL, 0);
	}
	for (u32 i = 0; i < b->plan->vm_count; i++)
		console_log_tick(&b->consoles[i], b->now);
	if (b->is_ending && b->now >= b->kill_at)
		broker_end(b, false);
}

enum { POLL_SIGNALS, POLL_LISTENER, POLL_LINK, POLL_SERIAL, POLL_FIRST_CLIENT };

/* What to wait for. A channel that has ended is left out: QEMU's end is told by the signal. */
static nfds_t fill_poll(const struct broker *b, struct pollfd *fds)
{
	bool is_busy = buffer_fill(&b->link.out) > LINK_OUT_MAX;
	nfds_t count = POLL_FIRST_CLIENT;

	fds[POLL_SIGNALS] = (struct pollfd){ .fd = b->signals, .events = POLLIN };
	fds[POLL_LISTENER] = (struct pollfd){ .fd = b->listener, .events = POLLIN };
	fds[POLL_LINK] = (struct pollfd){ .fd = b->link.fd, .events = POLLIN };
	if (buffer_fill(&b->link.out))
		fds[POLL_LINK].events |= POLLOUT;
	fds[POLL_SERIAL] = (struct pollfd){ .fd = b->qemu.serial_fd, .events = POLLIN };
	for (const struct broker_client *c = b->clients; c; c = c->next) {
		fds[count] = (struct pollfd){ .fd = c->fd, .events = is_busy ? 0 : POLLIN };
		if (buffer_fill(&c->out))
			fds[count].events |= POLLOUT;
		count++;
	}
	return count;
}

static void turn(struct broker *b)
{
	struct pollfd fds[POLL_FIRST_CLIENT + 128];
	nfds_t count = fill_poll(b, fds), i = POLL_FIRST_CLIENT;

	poll(fds, count, TICK_MS);
	b->now = clock_ms();
	for (struct broker_client *c = b->clients; c && i < count; c = c->next, i++)
		if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
			clients_read(b, c);
	if (fds[POLL_SIGNALS].revents)
		take_signal(b);
	if ((fds[POLL_LINK].revents & (POLLIN | POLLHUP)) && !link_read(b)) {
		close(b->link.fd);
		b->link.fd = -1;
	}
	if (fds[POLL_SERIAL].revents & POLLIN) {
		read_serial(b);
	} else if (fds[POLL_SERIAL].revents & POLLHUP) {
		close(b->qemu.serial_fd);
		b->qemu.serial_fd = -1;
	}
	if (fds[POLL_LISTENER].revents)
		clients_accept(b);
	look_at_clock(b);
	acknowledge(b);
	if (b->link.fd >= 0)
		buffer_flush(&b->link.out, b->link.fd);
	clients_pump(b);
}

void broker_other_version(struct broker *b, u16 version)
{
	if (b->other_version != version)
		message_error("the host speaks version %u of the control channel, this command version %u: "
			      "they are not of one build",
			      version, CTL_VERSION);
	b->other_version = version;
}

static int loop(struct broker *b)
{
	ask(b, CTL_HELLO, NULL, 0);
	while (!b->has_ended) {
		bool is_late;

		turn(b);
		is_late = b->up_deadline && b->now >= b->up_deadline;
		if (b->is_up || b->is_ending || (!is_late && !b->other_version))
			continue;
		if (!b->other_version) {
			message_error("the host has not said hello in time; its serial line said:");
			tail_print(b->dir->fd, "serial.log", 20);
		}
		kill(b->qemu.pid, SIGKILL);
		waitpid(b->qemu.pid, &b->qemu_status, 0);
		return b->other_version ? EXIT_CODE_FAILED : EXIT_CODE_TIMEOUT;
	}
	drain(b);
	acknowledge(b);
	return judge(b);
}

/* ---- Set-up ---- */

static int open_listener(struct rundir *dir)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), bound;
	mode_t before;

	rundir_socket_path(dir, "control", at.sun_path, sizeof(at.sun_path));
	/* --dir may name a directory that others can read. */
	before = umask(077);
	bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&at, sizeof(at));
	umask(before);
	if (bound < 0 || listen(fd, 16) < 0) {
		message_error("%s/control: %s", dir->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_consoles(struct broker *b)
{
	for (u32 i = 0; i < b->plan->vm_count; i++) {
		int error = console_log_open(&b->consoles[i], b->dir->fd, b->plan->vms[i].name);

		if (error) {
			message_error("%s/%s: %s", b->dir->path, b->consoles[i].file, strerror(-error));
			return error;
		}
	}
	return 0;
}

static void close_all(struct broker *b)
{
	clients_finish(b, b->plan->spec->exit_when_idle && b->is_up && !b->had_client);
	link_free(&b->link);
	for (u32 i = 0; i < b->plan->vm_count; i++)
		console_log_close(&b->consoles[i]);
	if (b->qemu.serial_fd >= 0)
		close(b->qemu.serial_fd);
	if (b->listener >= 0)
		close(b->listener);
	if (b->signals >= 0)
		close(b->signals);
}

int broker_run(const struct host_plan *plan, const struct qemu_options *options, struct rundir *dir,
	       const struct broker_view *view, unsigned up_seconds)
{
	struct broker *b = memory_new(1, sizeof(*b));
	int code = EXIT_CODE_FAILED;

	b->plan = plan;
	b->dir = dir;
	b->view = *view;
	b->qemu = (struct qemu){ .pid = -1, .control_fd = -1, .serial_fd = -1 };
	b->link.fd = -1;
	b->listener = -1;
	b->signals = open_signals();
	if (open_consoles(b) == 0 && (b->listener = open_listener(dir)) >= 0 &&
	    pack_write(plan, dir->fd, "pack") == 0 && qemu_start(&b->qemu, plan, options, dir) == 0) {
		b->link.fd = b->qemu.control_fd;
		b->now = clock_ms();
		b->up_deadline = up_seconds ? b->now + up_seconds * 1000ull : 0;
		code = loop(b);
	}
	close_all(b);
	free(b);
	return code;
}
