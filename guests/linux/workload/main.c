/*
 * A workload that checks itself, for a guest whose hypervisor may die at any instant. Whatever happens below it, the
 * memory that it wrote, the blocks that it flushed, its registers and its clock must be what they were.
 *
 *   usage: workload [NAME=VALUE...]
 *
 *   seconds=N      ends after N seconds; 0, the default, is never
 *   memory=MIB     size of the memory that is written and verified (32), 0 for none
 *   disk=DEVICE    where blocks are written and verified (/dev/vda if it is there); none for no disk. DESTROYS CONTENTS
 *   disk_mib=MIB   how much of it (8)
 *   peer=ADDRESS   another workload's IPv4 address: exchanges UDP packets with it
 *   port=N         UDP port on which packets are echoed (7007)
 *   grace=N        seconds until the first echo must have come (60)
 *   pause=N        milliseconds to sleep between pieces of work (5); 0 takes all the time that there is
 *
 * Each can also be on the kernel's command line, as workload.NAME=VALUE; an argument has precedence.
 *
 * Once a second it prints a line, all figures counted from the start except gap_ms, the longest gap since the last line:
 *
 *   WORKLOAD t=12.3 boot_id=... mem=MIB-VERIFIED disk=BLOCKS-VERIFIED net=ECHOES lost=N dup=N served=N regs=ROUNDS
 *       clock=ok gap_ms=7 max_gap_ms=31 errors=0
 *
 * and for each error "WORKLOAD ERROR what: details". disk=- or net=- is what is not in use. It ends with
 * "WORKLOAD END t=... errors=N" and exit status 1 if there were errors.
 */
#include "guests/linux/workload/workload.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options options = { .memory_mib = 32, .disk_mib = 8, .port = 7007, .grace_s = 60, .pause_ms = 5 };
uint64_t run_nonce;

static char boot_id[64] = "unknown";

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);

	if (errno != 0 || end == text || *end != 0 || text[0] == '-')
		return false;
	*number = value;
	return true;
}

static bool set_option(const char *assignment)
{
	const struct {
		const char *name;
		uint64_t *number;
		char *text;
	} known[] = {
		{ "seconds", &options.seconds, NULL }, { "memory", &options.memory_mib, NULL },
		{ "disk", NULL, options.disk },	       { "disk_mib", &options.disk_mib, NULL },
		{ "peer", NULL, options.peer },	       { "port", &options.port, NULL },
		{ "grace", &options.grace_s, NULL },   { "pause", &options.pause_ms, NULL },
	};
	const char *value = strchr(assignment, '=');

	for (size_t i = 0; value != NULL && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) != (size_t)(value - assignment) ||
		    strncmp(known[i].name, assignment, (size_t)(value - assignment)) != 0)
			continue;
		if (known[i].number != NULL)
			return parse_number(value + 1, known[i].number);
		return snprintf(known[i].text, sizeof(options.disk), "%s", value + 1) <
		       (int)sizeof(options.disk);
	}
	return false;
}

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool done = file != NULL && fgets(line, (int)size, file) != NULL;

	if (file != NULL)
		fclose(file);
	line[done ? strcspn(line, "\n") : 0] = 0;
	return done;
}

static bool read_options(int count, char **arguments)
{
	static char line[4096];
	char *rest = line;
	char *word;

	read_line("/proc/cmdline", line, sizeof(line));
	while ((word = strsep(&rest, " ")) != NULL) {
		if (strncmp(word, "workload.", 9) == 0 && !set_option(word + 9)) {
			print_line("WORKLOAD ERROR start: bad option %s", word);
			return false;
		}
	}
	for (int i = 1; i < count; i++) {
		if (!set_option(arguments[i])) {
			print_line("WORKLOAD ERROR start: bad argument %s", arguments[i]);
			return false;
		}
	}
	return true;
}

static void format_count(char *text, size_t size, bool used, uint64_t value)
{
	if (used)
		snprintf(text, size, "%" PRIu64, value);
	else
		snprintf(text, size, "-");
}

static void report(double seconds)
{
	char disk[24], net[24];

	format_count(disk, sizeof(disk), disk_used, atomic_load(&disk_blocks));
	format_count(net, sizeof(net), net_used, atomic_load(&net_echoes));
	print_line("WORKLOAD t=%.1f boot_id=%s mem=%" PRIu64 " disk=%s net=%s lost=%" PRIu64 " dup=%" PRIu64
		   " served=%" PRIu64 " regs=%" PRIu64 " clock=%s gap_ms=%" PRIu64 " max_gap_ms=%" PRIu64
		   " errors=%" PRIu64,
		   seconds, boot_id, atomic_load(&mem_mib), disk, net, atomic_load(&net_lost),
		   atomic_load(&net_duplicates), atomic_load(&net_served), atomic_load(&regs_rounds),
		   atomic_load(&clock_errors) == 0 ? "ok" : "BAD", atomic_exchange(&gap_ns, 0) / NS_PER_MS,
		   atomic_load(&max_gap_ns) / NS_PER_MS, atomic_load(&errors));
}

int main(int count, char **arguments)
{
	uint64_t start = now_ns();
	double seconds = 0;

	if (!read_options(count, arguments))
		return 2;
	read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	crc32c_prepare();
	run_nonce = mix(start ^ (uint64_t)getpid());
	for (const char *c = boot_id; *c != 0; c++)
		run_nonce = mix(run_nonce ^ (uint64_t)*c);

	start_clock();
	start_memory();
	start_registers();
	start_disk();
	start_net();

	while (options.seconds == 0 || seconds < (double)options.seconds) {
		sleep_ms(1000);
		seconds = (double)(now_ns() - start) / (double)NS_PER_S;
		report(seconds);
	}
	atomic_store(&stop, true);

	uint64_t found = atomic_load(&errors);

	print_line("WORKLOAD END t=%.1f errors=%" PRIu64, seconds, found);
	/* Threads may be in the middle of something: they go with the process. */
	_exit(found == 0 ? 0 : 1);
}
