/* The file of results: see campaign_file.h. */
#include "cli/campaign_file.h"
#include "cli/clock.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES KIB(16)
#define LOCK_MS	       1000

/* ---- Reading ---- */

/*
 * Reads a line, without its newline. Its length, or -ENODATA at the end of the stream, *is_whole false if it has no newline
 * there; -EOVERFLOW if it is longer than any of ours.
 */
static ssize_t read_line(FILE *from, char *line, bool *is_whole)
{
	size_t length = 0;
	int c;

	*is_whole = false;
	while ((c = getc(from)) != EOF && c != '\n') {
		if (length == LINE_MAX_BYTES)
			return -EOVERFLOW;
		line[length++] = (char)c;
	}
	*is_whole = c == '\n';
	return c == EOF && !length ? -ENODATA : (ssize_t)length;
}

bool campaign_file_has(const struct campaign_file *file, u64 run)
{
	return run < CAMPAIGN_RUNS_MAX && file->done[run / 8] & 1u << run % 8;
}

static void note_done(struct campaign_file *file, u64 run)
{
	file->done[run / 8] |= (u8)(1u << run % 8);
	file->count++;
}

/* Takes a line of the file; the first is number 1. */
static int take_line(struct campaign_file *file, u64 number, const char *line, size_t length,
		     campaign_visit *visit, void *arg, const char **why)
{
	struct campaign_result result;
	int error;

	if (number == 1)
		return campaign_head_parse(&file->head, line, length, why);
	error = campaign_result_parse(&result, line, length, why);
	if (error)
		return error;
	if (campaign_file_has(file, result.run)) {
		*why = "a second result of the same run";
		return -EINVAL;
	}
	note_done(file, result.run);
	result.seed = result.plan.seed = file->head.seed;
	if (visit)
		visit(arg, &result);
	return 0;
}

/* True if nothing follows in the stream. */
static bool is_at_end(FILE *from)
{
	int c = getc(from);

	if (c != EOF)
		ungetc(c, from);
	return c == EOF;
}

int campaign_file_read(struct campaign_file *file, FILE *from, const char *name, bool *is_torn,
		       campaign_visit *visit, void *arg)
{
	char *line = memory_new(1, LINE_MAX_BYTES);
	const char *why = "";
	ssize_t length = 0;
	u64 number = 0;
	int error = 0;

	*is_torn = false;
	free(file->done);
	file->done = memory_new(1, (CAMPAIGN_RUNS_MAX + 7) / 8);
	file->count = file->end = 0;
	while (!error) {
		bool is_whole;

		length = read_line(from, line, &is_whole);
		if (length == -ENODATA)
			break;
		number++;
		if (length < 0) {
			error = (int)length;
			why = "longer than a result can be";
			/* Of a disk that lost power, a torn line may be anything, but not that long. */
			break;
		}
		error = is_whole ? take_line(file, number, line, (size_t)length, visit, arg, &why) : -EBADMSG;
		/* Only the last line may have been torn. */
		if (error == -EBADMSG && is_at_end(from)) {
			*is_torn = true;
			error = 0;
			break;
		}
		if (!error)
			file->end += (u64)length + 1;
	}
	if (ferror(from)) {
		error = -EIO;
		message_error("%s: %s", name, strerror(errno));
	} else if (error) {
		message_error("%s:%llu: %s", name, (unsigned long long)number, why);
		error = -EINVAL;
	} else if (!file->end) {
		error = -ENODATA;
	}
	free(line);
	return error;
}

static int read_file(struct campaign_file *file, int fd, bool *is_torn, campaign_visit *visit, void *arg)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), error;
	FILE *from = own < 0 ? NULL : fdopen(own, "r");

	if (!from) {
		error = -errno;
		message_error("%s: %s", file->path, strerror(errno));
		if (own >= 0)
			close(own);
		return error;
	}
	error = campaign_file_read(file, from, file->path, is_torn, visit, arg);
	fclose(from);
	return error;
}

int campaign_file_open(struct campaign_file *file, const char *directory, campaign_visit *visit, void *arg)
{
	bool is_torn;
	int fd, error;

	*file = (struct campaign_file){ .path = memory_format("%s/results.jsonl", directory), .fd = -1 };
	fd = open(file->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		message_error("%s: %s", file->path, strerror(errno));
		return error;
	}
	error = read_file(file, fd, &is_torn, visit, arg);
	if (error == -ENODATA)
		message_error("%s: there are no results in it", file->path);
	close(fd);
	return error;
}

/* ---- Going on ---- */

static void tell_text(const struct campaign_file *file, const char *what, const char *then, const char *now,
		      bool *differs)
{
	if (strcmp(then, now) == 0)
		return;
	message_error("%s: its campaign was begun with %s %s; this is %s", file->path, what, then, now);
	*differs = true;
}

static int compare(const struct campaign_file *file, const struct campaign_head *now)
{
	const struct campaign_head *then = &file->head;
	char *faults_then = campaign_faults_text(then->faults),
	     *faults_now = campaign_faults_text(now->faults);
	char *numbers_then[] = { memory_format("%llu", (unsigned long long)then->seed),
				 memory_format("%u", then->harts) };
	char *numbers_now[] = { memory_format("%llu", (unsigned long long)now->seed),
				memory_format("%u", now->harts) };
	bool differs = false;

	tell_text(file, "--seed", numbers_then[0], numbers_now[0], &differs);
	tell_text(file, "--faults", faults_then, faults_now, &differs);
	tell_text(file, "--harts", numbers_then[1], numbers_now[1], &differs);
	tell_text(file, "outlive.bin of build", then->build, now->build, &differs);
	tell_text(file, "warden.bin", then->warden, now->warden, &differs);
	tell_text(file, "guests/witness.bin", then->guest, now->guest, &differs);
	tell_text(file, "QEMU", then->qemu, now->qemu, &differs);
	for (int i = 0; i < 2; i++) {
		free(numbers_then[i]);
		free(numbers_now[i]);
	}
	free(faults_then);
	free(faults_now);
	return differs ? -EEXIST : 0;
}

/* Writes a line at the end and waits for the disk; a line that does not fit is taken back. */
static int put_line(struct campaign_file *file, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT), *line = memory_format("%s\n", text ? text : "");
	size_t length = strlen(line), put = 0;
	int error = 0;

	while (!error && put < length) {
		ssize_t got = pwrite(file->fd, line + put, length - put, (off_t)(file->end + put));

		if (got > 0)
			put += (size_t)got;
		else if (got == 0 || errno != EINTR)
			error = got < 0 ? -errno : -EIO;
	}
	if (!error && fdatasync(file->fd) < 0)
		error = -errno;
	if (error) {
		message_error("%s: %s; it has %llu results", file->path, strerror(-error),
			      (unsigned long long)file->count);
		/* If this fails, too, the line is torn, and is found to be. */
		if (ftruncate(file->fd, (off_t)file->end) < 0)
			message_error("%s: %s", file->path, strerror(errno));
	} else {
		file->end += length;
	}
	free(line);
	free(text);
	json_decref(value);
	return error;
}

/* Takes the lock. Of a campaign that has just been killed, a run that had just begun may hold it for a moment. */
static int lock_file(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	u64 begun = clock_ms();

	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EACCES && errno != EAGAIN)
			return -errno;
		if (clock_ms() - begun > LOCK_MS)
			return -EBUSY;
		poll(NULL, 0, 20);
	}
	return 0;
}

static int open_locked(struct campaign_file *file)
{
	int error;

	file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	error = file->fd < 0 ? -errno : lock_file(file->fd);
	if (error)
		message_error("%s: %s", file->path,
			      error == -EBUSY ? "another campaign writes to it" : strerror(-error));
	return error;
}

int campaign_file_begin(struct campaign_file *file, const char *directory, const struct campaign_head *head,
			campaign_visit *visit, void *arg)
{
	bool is_torn = false;
	int error;

	*file = (struct campaign_file){ .path = memory_format("%s/results.jsonl", directory), .fd = -1 };
	if (mkdir(directory, 0777) < 0 && errno != EEXIST) {
		error = -errno;
		message_error("%s: %s", directory, strerror(errno));
		return error;
	}
	/* A limit of the file's size is an error of writing, not the end of this program. */
	signal(SIGXFSZ, SIG_IGN);
	error = open_locked(file);
	if (!error)
		error = read_file(file, file->fd, &is_torn, visit, arg);
	if (error == -ENODATA) {
		file->head = *head;
		error = ftruncate(file->fd, 0) < 0 ? -errno : 0;
		return error ? error : put_line(file, campaign_head_json(head));
	}
	if (!error)
		error = compare(file, head);
	if (!error && is_torn) {
		message_note("%s: the last line was torn; its run will be repeated", file->path);
		error = ftruncate(file->fd, (off_t)file->end) < 0 ? -errno : 0;
	}
	return error;
}

int campaign_file_append(struct campaign_file *file, const struct campaign_result *result)
{
	int error = put_line(file, campaign_result_json(result));

	if (!error)
		note_done(file, result->run);
	return error;
}

void campaign_file_close(struct campaign_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file->done);
	*file = (struct campaign_file){ .fd = -1 };
}
