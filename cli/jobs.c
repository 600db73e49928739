/* Work in processes: see jobs.h. */
#include "cli/jobs.h"
#include "cli/clock.h"
#include "cli/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS	 200
#define HEAD	 sizeof(s64) /* of an answer: the result; what follows keeps its alignment */
#define GRACE_MS 3000	     /* from SIGTERM to SIGKILL */

struct worker {
	pid_t pid; /* 0: free */
	u64 number;
	u64 begun; /* ms */
	int fd;	   /* the answer comes here: its result, then its bytes */
	size_t fill;
	u8 *bytes;
};

struct crew {
	const struct jobs *jobs;
	struct worker *workers;
	size_t bytes; /* of a whole answer */
	unsigned busy;
};

static volatile sig_atomic_t is_stopped;

static void stop(int number)
{
	(void)number;
	is_stopped = 1;
}

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };

/* ---- The child ---- */

static void put(int fd, const void *bytes, size_t count)
{
	const u8 *from = bytes;

	while (count) {
		ssize_t done = write(fd, from, count);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			_exit(1);
		from += done;
		count -= (size_t)done;
	}
}

static _Noreturn void work(const struct jobs *jobs, u64 number, int fd, pid_t parent)
{
	void *answer = memory_new(1, jobs->answer_size);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;
	s64 result;

	/* The parent may be gone before the kernel knows that we want to hear of it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	/* Not of the terminal's group: its Ctrl-C is for the parent. */
	setpgid(0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		signal(stop_signals[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	result = jobs->work(jobs->arg, number, answer);
	put(fd, &result, sizeof(result));
	put(fd, answer, jobs->answer_size);
	free(answer);
	/* What was in stdio's buffers at the fork is the parent's to write. */
	_exit(0);
}

/* ---- The parent ---- */

static struct worker *free_worker(struct crew *c)
{
	for (unsigned i = 0; i < c->jobs->count; i++)
		if (!c->workers[i].pid)
			return &c->workers[i];
	return NULL;
}

static int start(struct crew *c, u64 number)
{
	struct worker *w = free_worker(c);
	pid_t self = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	w->pid = fork();
	if (w->pid == 0) {
		close(ends[0]);
		work(c->jobs, number, ends[1], self);
	}
	close(ends[1]);
	if (w->pid < 0) {
		int error = -errno;

		w->pid = 0;
		close(ends[0]);
		return error;
	}
	setpgid(w->pid, w->pid);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	w->fd = ends[0];
	w->number = number;
	w->begun = clock_ms();
	w->fill = 0;
	c->busy++;
	return 0;
}

/* Frees the worker; its process has ended, or ends now, and what is left of its group with it. */
static void reap(struct crew *c, struct worker *w)
{
	kill(-w->pid, SIGKILL);
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(w->fd);
	w->pid = 0;
	c->busy--;
}

static int finish(struct crew *c, struct worker *w, int result)
{
	u64 number = w->number;

	reap(c, w);
	if (result)
		memset(w->bytes, 0, c->bytes);
	return c->jobs->done(c->jobs->arg, number, result, w->bytes + HEAD);
}

/* Takes what has come of an answer. True if no more will come. */
static bool take(struct crew *c, struct worker *w)
{
	for (;;) {
		ssize_t got = read(w->fd, w->bytes + w->fill, c->bytes - w->fill);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno != EAGAIN;
		w->fill += (size_t)got;
		if (got == 0 || w->fill == c->bytes)
			return true;
	}
}

/* True if the process is a zombie: the pipe may be open in one that it has left behind. */
static bool has_ended(const struct worker *w)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* Lets a worker go on or end; what `done` says if it has ended. */
static int look(struct crew *c, struct worker *w)
{
	bool has_gone = has_ended(w), is_over = take(c, w) || has_gone;
	s64 result = -EPIPE;

	if (is_over) {
		if (w->fill == c->bytes)
			memcpy(&result, w->bytes, sizeof(result));
		return finish(c, w, (int)result);
	}
	if (clock_ms() - w->begun > c->jobs->limit_ms)
		return finish(c, w, -ETIMEDOUT);
	return 0;
}

static int wait_some(struct crew *c)
{
	struct pollfd *polls = memory_new(c->jobs->count, sizeof(*polls));
	int error = 0;

	for (unsigned i = 0; i < c->jobs->count; i++)
		polls[i] =
			(struct pollfd){ .fd = c->workers[i].pid ? c->workers[i].fd : -1, .events = POLLIN };
	/* A signal that comes just before is seen after one tick. */
	if (poll(polls, c->jobs->count, TICK_MS) < 0 && errno != EINTR)
		error = -errno;
	free(polls);
	for (unsigned i = 0; i < c->jobs->count && !error && !is_stopped; i++)
		if (c->workers[i].pid)
			error = look(c, &c->workers[i]);
	if (c->jobs->tick && !error)
		c->jobs->tick(c->jobs->arg);
	return error;
}

/* Ends the work under way: asks first, so that it can tidy up. */
static void end_all(struct crew *c)
{
	u64 begun = clock_ms();
	bool is_waiting = c->busy > 0;

	for (unsigned i = 0; i < c->jobs->count; i++)
		if (c->workers[i].pid)
			kill(c->workers[i].pid, SIGTERM);
	while (is_waiting && clock_ms() - begun < GRACE_MS) {
		is_waiting = false;
		for (unsigned i = 0; i < c->jobs->count; i++)
			is_waiting |= c->workers[i].pid && !has_ended(&c->workers[i]);
		if (is_waiting)
			poll(NULL, 0, 20);
	}
	for (unsigned i = 0; i < c->jobs->count; i++)
		if (c->workers[i].pid)
			reap(c, &c->workers[i]);
}

static int do_all(struct crew *c)
{
	int error = 0;

	while (!error && !is_stopped) {
		u64 number;

		/* Asked anew each time: what fails may be to do again. */
		while (!error && !is_stopped && c->busy < c->jobs->count &&
		       c->jobs->next(c->jobs->arg, &number))
			error = start(c, number);
		if (!error && !c->busy)
			return 0;
		if (!error)
			error = wait_some(c);
	}
	return error ? error : -EINTR;
}

int jobs_run(const struct jobs *jobs)
{
	struct sigaction old[ARRAY_SIZE(stop_signals)], action = { .sa_handler = stop };
	struct crew c = { .jobs = jobs, .bytes = HEAD + jobs->answer_size };
	int error;

	c.workers = memory_new(jobs->count, sizeof(*c.workers));
	for (unsigned i = 0; i < jobs->count; i++)
		c.workers[i].bytes = memory_new(1, c.bytes);
	is_stopped = 0;
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaction(stop_signals[i], &action, &old[i]);
	error = do_all(&c);
	end_all(&c);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaction(stop_signals[i], &old[i], NULL);
	for (unsigned i = 0; i < jobs->count; i++)
		free(c.workers[i].bytes);
	free(c.workers);
	return error;
}

unsigned jobs_default(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return processors < 4 ? 1 : processors / 2 > JOBS_MAX ? JOBS_MAX : (unsigned)(processors / 2);
}
