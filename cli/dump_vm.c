/*
 * `outlive dump VM`: memory and vCPUs as of one instant. The guest must go on and the file must be gone whatever stops this half-way:
 * an error, Ctrl-C, or the end of the host's life, which begins it again.
 */
#include "cli/client.h"
#include "cli/clock.h"
#include "cli/dump.h"
#include "cli/dump_fetch.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "cli/vmcore.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Lives that may end meanwhile. */
#define TRIES 5

struct vm_dump {
	const struct options *o;
	struct client client;
	struct ctl_vm vm;
	struct dump_fetch fetch;
	struct output_file out;
	struct vmcore core;
	struct progress progress;
	struct ctl_dump info; /* of the dump that succeeded */
	u32 tries;
	u64 begun;	 /* ms */
	double pause_ms; /* that the guest stood still */
};

static volatile sig_atomic_t is_interrupted;

static void interrupt(int number)
{
	is_interrupted = number;
}

/* The signals that a person ends this with: they end it in order. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

/* ---- Options ---- */

static bool parse_exclude(const char *text, u32 *exclude)
{
	*exclude = 0;
	while (text && *text) {
		size_t length = strcspn(text, ",");

		if (length == 4 && strncmp(text, "zero", length) == 0)
			*exclude |= VMCORE_NO_ZERO;
		else if (length == 4 && strncmp(text, "free", length) == 0)
			*exclude |= VMCORE_NO_FREE;
		else
			break;
		text += length + (text[length] == ',');
	}
	if (!text || !*text)
		return true;
	message_error("--exclude: \"%s\" is none of zero, free", text);
	return false;
}

static bool parse_options(struct vm_dump *d)
{
	const char *format = d->o->format ? d->o->format : "elf";

	if (!d->o->output) {
		message_error("dump %s: -o says which file to write", d->o->arguments[0]);
		return false;
	}
	if (strcmp(format, "elf") != 0 && strcmp(format, "kdump") != 0) {
		message_error("--format: \"%s\" is none of elf, kdump", format);
		return false;
	}
	d->core.format = strcmp(format, "elf") == 0 ? VMCORE_ELF : VMCORE_KDUMP;
	return parse_exclude(d->o->exclude, &d->core.exclude);
}

/* ---- One try ---- */

static int take(void *arg, u64 at, u64 count, enum ctl_dump_kind kind, const u8 *bytes)
{
	struct vm_dump *d = arg;

	return is_interrupted ? -EINTR : vmcore_pages(&d->core, at, count, kind, bytes);
}

static bool tick(void *arg, u64 done)
{
	struct vm_dump *d = arg;

	progress_show(&d->progress, done);
	return is_interrupted;
}

/* Begins the file for what the host has. */
static int begin_core(struct vm_dump *d)
{
	const struct ctl_dump *info = &d->fetch.info;
	u64 total = 0;
	int error;

	for (u32 i = 0; i < info->ranges; i++) {
		d->core.ranges[i] =
			(struct vmcore_range){ .at = info->range[i].at, .size = info->range[i].size };
		total += info->range[i].size;
	}
	d->core.range_count = info->ranges;
	error = vmcore_begin(&d->core);
	if (error) {
		message_error("%s: its memory does not suit the format: %s", d->vm.name, strerror(-error));
		return EXIT_CODE_FAILED;
	}
	progress_begin(&d->progress, d->vm.name, total, d->o->quiet);
	return EXIT_CODE_OK;
}

/* The host knows it of a live dump; otherwise the guest, if it ran, stands still from the beginning to the end. */
static void note_pause(struct vm_dump *d, u64 begun)
{
	if (d->o->live || !d->info.pause)
		d->pause_ms = units_microseconds(1, d->info.pause + 1, d->info.timebase) / 1000;
	else
		d->pause_ms = (double)(clock_ms() - begun);
}

/* Errors of the file have been printed where they occurred. */
static int once(struct vm_dump *d)
{
	u64 begun = clock_ms();
	int code = dump_fetch_begin(&d->fetch, d->o->live);

	d->info = d->fetch.info;
	if (!code)
		code = dump_fetch_vcpus(&d->fetch, &d->core.vcpus, &d->core.vcpu_count);
	if (!code)
		code = begin_core(d);
	if (!code)
		code = dump_fetch_memory(&d->fetch);
	/* The guest need not wait for what is left to do. */
	dump_fetch_end(&d->fetch);
	note_pause(d, begun);
	progress_end(&d->progress);
	if (code == DUMP_FETCH_STOPPED) {
		if (is_interrupted)
			message_error("%s: interrupted; there is no dump", d->vm.name);
		return EXIT_CODE_FAILED;
	}
	if (!code && vmcore_end(&d->core))
		code = EXIT_CODE_FAILED;
	return code;
}

/* Again as long as the lives of the host end on the way. */
static int tries(struct vm_dump *d)
{
	for (d->tries = 1;; d->tries++) {
		int code = once(d);

		if (code != DUMP_FETCH_LOST)
			return code;
		if (d->tries == TRIES) {
			message_error("%s: the host has lost the dump %d times", d->vm.name, TRIES);
			return EXIT_CODE_FAILED;
		}
		message_note("%s: the host has lost the dump, perhaps with its life; beginning again",
			     d->vm.name);
		free(d->core.vcpus);
		if (vmcore_restart(&d->core))
			return EXIT_CODE_FAILED;
	}
}

/* ---- The result ---- */

static u64 file_blocks(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (u64)st.st_blocks * 512;
}

static void report(const struct vm_dump *d)
{
	const struct vmcore *core = &d->core;
	double seconds = (double)(clock_ms() - d->begun) / 1000.0;
	u64 bytes = core->pages * PAGE_SIZE;
	double megabytes = (double)bytes / 1e6;
	char memory[16], disk[16];

	if (core->is_cut)
		message_note("%s: its page tables map more than the file can say; some of it is left out",
			     d->vm.name);
	if (!core->info->length)
		message_note("%s: no VMCOREINFO in its memory: crash and drgn cannot open this dump",
			     d->vm.name);
	if (d->o->json) {
		json_out(json_pack("{s:s,s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:I,s:b}",
				   "vm", d->vm.name, "file", d->o->output, "format",
				   core->format == VMCORE_ELF ? "elf" : "kdump", "live", d->o->live, "bytes",
				   (json_int_t)core->end, "disk_bytes", (json_int_t)file_blocks(d->o->output),
				   "memory", (json_int_t)bytes, "pages", (json_int_t)core->pages,
				   "zero_pages", (json_int_t)core->zero_pages, "untouched_pages",
				   (json_int_t)core->untouched_pages, "excluded_pages",
				   (json_int_t)core->excluded_pages, "vcpus", (json_int_t)core->vcpu_count,
				   "pause_us", d->pause_ms * 1000, "seconds", seconds, "mb_per_s",
				   seconds > 0 ? megabytes / seconds : 0, "tries", (json_int_t)d->tries,
				   "vmcoreinfo", core->info->length > 0),
			 false);
		return;
	}
	message_note(
		"%s: %s of memory and %zu vCPUs in %s (%s on disk), %.1f s, %.0f MB/s; the guest stood still for %.1f "
		"ms",
		d->vm.name, units_format_size(memory, sizeof(memory), bytes), core->vcpu_count, d->o->output,
		units_format_size(disk, sizeof(disk), ALIGN_DOWN(file_blocks(d->o->output), KIB(100))),
		seconds, seconds > 0 ? megabytes / seconds : 0, d->pause_ms);
}

static int dump(struct vm_dump *d)
{
	int code = client_find_vm(&d->client, d->o->arguments[0], &d->vm);

	if (code)
		return code;
	if (output_begin(&d->out, d->o->output, d->o->overwrite)) {
		output_end(&d->out, false);
		return EXIT_CODE_FAILED;
	}
	catch_signals();
	d->fetch = (struct dump_fetch){ .client = &d->client,
					.name = d->vm.name,
					.vm = d->vm.index,
					.take = take,
					.tick = tick,
					.arg = d };
	d->core.out = &d->out;
	code = tries(d);
	if (output_end(&d->out, !code) && !code)
		code = EXIT_CODE_FAILED;
	if (!code)
		report(d);
	free(d->core.vcpus);
	vmcore_free(&d->core);
	return code;
}

int dump_vm(const struct options *o)
{
	struct vm_dump d = { .o = o, .begun = clock_ms() };
	int code;

	message_quiet(o->quiet);
	if (!parse_options(&d))
		return EXIT_CODE_USAGE;
	code = client_open(&d.client, o);
	if (code)
		return code;
	code = dump(&d);
	client_close(&d.client);
	return code;
}
