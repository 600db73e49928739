/* Carries a campaign out: see campaign_work.h. */
#include "cli/campaign_work.h"
#include "cli/campaign_file.h"
#include "cli/campaign_report.h"
#include "cli/campaign_view.h"
#include "cli/jobs.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A machine that does not even come up in this time is not waited for. */
#define RUN_LIMIT_MS 300000
/* So many failures with no result in between are no accident. */
#define FAILURES_MAX 3

struct work {
	const struct campaign_order *order;
	struct campaign_settings settings;
	struct campaign_file file;
	struct campaign_tally *tally;
	struct campaign_view view;
	u64 next;
	u64 kept;
	char *keep;			    /* directory */
	u64 again[JOBS_MAX + FAILURES_MAX]; /* runs to try once more */
	unsigned again_count, failures;
};

static void settings_begin(struct campaign_settings *settings, const struct campaign_order *order)
{
	*settings = (struct campaign_settings){ .seed = order->head.seed,
						.faults = order->head.faults,
						.harts = order->head.harts,
						.directory = order->directory,
						.qemu = order->qemu };
}

/* ---- What jobs_run calls ---- */

static bool next_run(void *arg, u64 *number)
{
	struct work *w = arg;

	if (w->again_count) {
		*number = w->again[--w->again_count];
		return true;
	}
	while (w->next < w->order->runs && campaign_file_has(&w->file, w->next))
		w->next++;
	if (w->next == w->order->runs)
		return false;
	*number = w->next++;
	return true;
}

static int do_run(void *arg, u64 number, void *answer)
{
	struct work *w = arg;

	/* With it goes the lock, which belongs to the open file. */
	close(w->file.fd);
	return w->order->run(&w->settings, number, answer);
}

/* Paths in results are relative to the campaign's directory, so that it can be moved. */
static void make_relative(char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (strncmp(path, directory, length) == 0 && path[length] == '/')
		memmove(path, path + length + 1, strlen(path + length + 1) + 1);
}

/* An accident of this machine, of which another try need not know. */
static bool is_accident(int error)
{
	return error == -ETIMEDOUT || error == -EPIPE || error == -EAGAIN || error == -EIO;
}

static int take_failure(struct work *w, u64 number, int error)
{
	campaign_view_clear(&w->view);
	if (!is_accident(error) || ++w->failures > FAILURES_MAX) {
		message_error("run %llu could not be carried out%s%s", (unsigned long long)number,
			      is_accident(error) ? ": " : "",
			      error == -EPIPE	    ? "its process died"
			      : error == -ETIMEDOUT ? "it did not end"
			      : is_accident(error)  ? strerror(-error)
						    : "");
		return error;
	}
	message_note("run %llu failed (%s); it is tried again", (unsigned long long)number, strerror(-error));
	w->again[w->again_count++] = number;
	return 0;
}

static int take_result(void *arg, u64 number, int error, const void *answer)
{
	struct work *w = arg;
	struct campaign_result result;

	if (error)
		return take_failure(w, number, error);
	w->failures = 0;
	memcpy(&result, answer, sizeof(result));
	make_relative(result.dump, w->order->directory);
	if (*result.dump && ++w->kept == w->order->keep)
		w->settings.keep = NULL;
	error = campaign_file_append(&w->file, &result);
	if (error)
		return error;
	campaign_tally_add(w->tally, &result);
	if (w->order->json) {
		campaign_view_clear(&w->view);
		json_out(campaign_result_json(&result), true);
	}
	return 0;
}

static void show(void *arg)
{
	struct work *w = arg;

	campaign_view_show(&w->view, w->tally);
}

/* ---- The campaign ---- */

static int prepare_keep(struct work *w)
{
	w->keep = memory_format("%s/kept", w->order->directory);
	for (size_t i = 0; i < w->tally->lost_count; i++)
		w->kept += *w->tally->lost[i].dump != '\0';
	if (w->kept >= w->order->keep)
		return 0;
	if (mkdir(w->keep, 0777) < 0 && errno != EEXIST) {
		int error = -errno;

		message_error("%s: %s", w->keep, strerror(errno));
		return error;
	}
	w->settings.keep = w->keep;
	return 0;
}

static int do_runs(struct work *w)
{
	const struct campaign_order *order = w->order;
	const struct jobs jobs = { .count = order->jobs,
				   .limit_ms = RUN_LIMIT_MS,
				   .answer_size = sizeof(struct campaign_result),
				   .arg = w,
				   .next = next_run,
				   .work = do_run,
				   .done = take_result,
				   .tick = show };
	int error;

	if (w->file.count)
		message_note("%s: goes on behind %llu results", w->file.path,
			     (unsigned long long)w->file.count);
	campaign_view_begin(&w->view, order->runs, w->file.count, order->quiet);
	error = jobs_run(&jobs);
	campaign_view_clear(&w->view);
	if (error == -EINTR)
		message_note(
			"stopped; %llu of %llu runs have results in %s, and the same command goes on there",
			(unsigned long long)w->file.count, (unsigned long long)order->runs, order->directory);
	else if (error)
		message_note("%llu of %llu runs have results in %s, and the same command goes on there",
			     (unsigned long long)w->file.count, (unsigned long long)order->runs,
			     order->directory);
	return error;
}

int campaign_carry_out(const struct campaign_order *order, struct campaign_tally *tally)
{
	struct work w = { .order = order, .tally = tally };
	int error, report_error;

	*tally = (struct campaign_tally){ 0 };
	settings_begin(&w.settings, order);
	error = campaign_file_begin(&w.file, order->directory, &order->head, campaign_tally_add, tally);
	if (!error)
		error = prepare_keep(&w);
	if (!error) {
		error = do_runs(&w);
		rmdir(w.keep); /* if nothing was */
		campaign_tally_sort(tally);
		report_error = campaign_report_write(order->directory, &w.file.head, tally);
		error = error ? error : report_error;
	}
	free(w.keep);
	campaign_file_close(&w.file);
	return error;
}

/* ---- One run ---- */

struct single {
	const struct campaign_order *order;
	struct campaign_settings settings;
	u64 run;
	bool is_begun;
	struct campaign_result *result;
};

static bool next_single(void *arg, u64 *number)
{
	struct single *s = arg;
	bool is_first = !s->is_begun;

	s->is_begun = true;
	*number = s->run;
	return is_first;
}

static int do_single(void *arg, u64 number, void *answer)
{
	struct single *s = arg;

	return s->order->run(&s->settings, number, answer);
}

static int take_single(void *arg, u64 number, int error, const void *answer)
{
	struct single *s = arg;

	memcpy(s->result, answer, sizeof(*s->result));
	if (is_accident(error))
		message_error("run %llu: %s", (unsigned long long)number,
			      error == -EPIPE ? "its process died" : strerror(-error));
	return error;
}

int campaign_carry_out_one(const struct campaign_order *order, u64 run, struct campaign_result *result)
{
	struct single s = { .order = order, .run = run, .result = result };
	const struct jobs jobs = { .count = 1,
				   .limit_ms = RUN_LIMIT_MS,
				   .answer_size = sizeof(*result),
				   .arg = &s,
				   .next = next_single,
				   .work = do_single,
				   .done = take_single };
	char *keep = memory_format("%s/replay", order->directory);
	int error = 0;

	settings_begin(&s.settings, order);
	s.settings.keep = keep;
	s.settings.keep_all = true;
	if ((mkdir(order->directory, 0777) < 0 && errno != EEXIST) ||
	    (mkdir(keep, 0777) < 0 && errno != EEXIST)) {
		error = -errno;
		message_error("%s: %s", keep, strerror(errno));
	}
	if (!error)
		error = jobs_run(&jobs);
	free(keep);
	return error;
}
