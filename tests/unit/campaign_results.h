/* What tests of a campaign's results share: results that are a function of their number, and a directory. */
#ifndef TESTS_UNIT_CAMPAIGN_RESULTS_H
#define TESTS_UNIT_CAMPAIGN_RESULTS_H

#include "cli/campaign_file.h"
#include "cli/campaign_tally.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char place[] = "/tmp/outlive-campaign-XXXXXX";

static const struct campaign_head head = { .seed = 7,
					   .runs = 20,
					   .faults = FAULTS_DEFAULT,
					   .harts = 4,
					   .build = "0123456789abcdef0123456789abcdef01234567",
					   .warden = "89abcdef",
					   .guest = "01234567",
					   .qemu = "7.2.22" };

static inline char *in_place(const char *name)
{
	return memory_format("%s/%s", place, name);
}

static inline char *read_text(const char *path)
{
	FILE *from = fopen(path, "re");
	char *text = memory_new(1, 1 << 20);

	assert_non_null(from);
	text[fread(text, 1, (1 << 20) - 1, from)] = '\0';
	fclose(from);
	return text;
}

static inline int make_place(void **state)
{
	(void)state;
	message_quiet(true);
	return mkdtemp(place) ? 0 : -1;
}

static inline int remove_place(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", place);
	return system(command); /* NOLINT(cert-env33-c): our own directory */
}

/* What came of run `run`: a function of its number. */
static inline void make_result(struct campaign_result *r, u64 seed, u64 run)
{
	*r = (struct campaign_result){
		.seed = seed, .run = run, .hart = run % 4, .bit = ~0ull, .address = ~0ull
	};
	r->plan = (struct campaign_fault){ .seed = seed, .run = run };
	r->plan.first.kind = (enum fault_kind)(run % (FAULT_RECOVERY + 1));
	r->plan.second.kind = r->plan.first.kind == FAULT_RECOVERY ? FAULT_CODE : FAULT_REGISTER;
	r->outcome = run % 13 == 12 ? OUTCOME_HANG : run % 3 ? OUTCOME_RECOVERED : OUTCOME_NO_EFFECT;
	r->place = 0x1000 + run;
	r->lives = r->outcome == OUTCOME_RECOVERED;
	r->wall_ms = 1500 + run;
	snprintf(r->fault, sizeof(r->fault), "bit %llu of x%llu", (unsigned long long)run % 64,
		 (unsigned long long)run % 32);
	snprintf(r->symbol, sizeof(r->symbol), "vcpu_load+0x%llx", (unsigned long long)run);
	if (r->outcome == OUTCOME_HANG)
		snprintf(r->reason, sizeof(r->reason), "alpha stands still");
	if (r->outcome != OUTCOME_RECOVERED)
		return;
	snprintf(r->cause, sizeof(r->cause), "trap");
	r->pause_exits_ns = 20000000 + 100000 * run;
	r->pause_computes_ns = 5000000 + 10000 * run;
	r->recovery_ns = 3000000 + 1000 * run;
}

/* A value as a line; free() it. */
static inline char *line_of(json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	return text;
}

/* The results in a directory, sorted. */
static inline u64 results_in(const char *directory, struct campaign_tally *tally)
{
	struct campaign_file file;
	u64 count;

	*tally = (struct campaign_tally){ 0 };
	assert_int_equal(campaign_file_open(&file, directory, campaign_tally_add, tally), 0);
	assert_int_equal(file.head.seed, head.seed);
	for (u64 run = 0; run < file.count; run++)
		assert_true(campaign_file_has(&file, run));
	assert_false(campaign_file_has(&file, file.count));
	count = file.count;
	campaign_tally_sort(tally);
	campaign_file_close(&file);
	return count;
}

#endif
