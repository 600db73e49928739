/* One run of the campaign, from its plan to its result: see campaign.h. */
#include "cli/campaign_run.h"
#include "cli/clock.h"
#include "cli/message.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_image(struct fault_image *image)
{
	char *path = host_symbols_find(NULL);
	int error;

	if (!path) {
		message_error("outlive.elf is not beside this program (\"make\" builds it)");
		return -ENOENT;
	}
	error = fault_image_open(image, path);
	free(path);
	return error;
}

/* The stub is QEMU's: if it fails before the fault is made, nothing can be said of the hypervisor. */
static int stub_failed(const struct campaign_run *r, int error)
{
	message_error("run %llu: QEMU's gdb stub: %s; %s has what the run left",
		      (unsigned long long)r->result->run, strerror(-error), r->host.path);
	return error;
}

static int carry_out(struct campaign_run *r)
{
	struct campaign_result *result = r->result;
	int got = campaign_host_start(&r->host, r->settings, result->run);

	if (got)
		return got;
	/* As it was before: the watch compares. */
	campaign_host_ask(&r->host, 5000);
	got = campaign_inject(r, &result->plan);
	if (got < 0)
		return stub_failed(r, got);
	campaign_watch(r);
	if (!got) {
		/* What has been watched all the same is not of a fault. */
		result->outcome = OUTCOME_NOT_INJECTED;
		snprintf(result->fault, sizeof(result->fault), "none");
	}
	campaign_keep(r);
	return 0;
}

int campaign_run_one(const struct campaign_settings *settings, u64 run, struct campaign_result *result)
{
	struct campaign_run *r = calloc(1, sizeof(*r));
	u64 begun = clock_ms();
	int error;

	if (!r)
		return -ENOMEM;
	*result = (struct campaign_result){ .seed = settings->seed, .run = run };
	r->settings = settings;
	r->result = result;
	r->host.fd = r->host.run_fd = -1;
	error = open_image(&r->image);
	if (!error) {
		campaign_plan(&result->plan, settings->seed, run, settings->faults, &r->image.text);
		error = carry_out(r);
		if (r->has_gdb)
			gdb_close(&r->gdb);
		campaign_host_end(&r->host);
		if (!error && !*result->dump)
			campaign_host_remove(r->host.path);
		campaign_host_free(&r->host);
		fault_image_close(&r->image);
	}
	free(r);
	result->wall_ms = clock_ms() - begun;
	return error;
}
