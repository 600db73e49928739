/* Options of the command line: see options.h. */
#include "cli/options.h"
#include "cli/message.h"
#include "cli/units.h"
#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct options, member)

const struct option_entry option_table[OPTION_COUNT] = {
	[OPTION_HELP] = { "help", "h", NULL, OPTION_KIND_FLAG, AT(help), "Print help on this command." },
	[OPTION_JSON] = { "json", NULL, NULL, OPTION_KIND_FLAG, AT(json),
			  "Print the result as JSON: one object, or one on each line where results go on coming." },
	[OPTION_QUIET] = { "quiet", "q", NULL, OPTION_KIND_FLAG, AT(quiet), "Print errors only." },
	[OPTION_HOST] = { "host", "H", "NAME", OPTION_KIND_TEXT, AT(host),
			  "The host that is meant, or its run directory. Not needed if only one is running." },
	[OPTION_DETACH] = { "detach", "d", NULL, OPTION_KIND_FLAG, AT(detach),
			    "Return as soon as the host is up; it goes on in the background." },
	[OPTION_NAME] = { "name", "n", "NAME", OPTION_KIND_TEXT, AT(name),
			  "Name of the host, instead of the one in its file." },
	[OPTION_DIR] = { "dir", NULL, "DIRECTORY", OPTION_KIND_TEXT, AT(dir),
			 "Keep socket, logs and boot pack there. Made if it is not there." },
	[OPTION_QEMU] = { "qemu", NULL, "PROGRAM", OPTION_KIND_TEXT, AT(qemu),
			  "The QEMU to use; qemu-system-riscv64 of the PATH otherwise." },
	[OPTION_FIRMWARE] = { "firmware", NULL, "WHICH", OPTION_KIND_TEXT, AT(firmware),
			      "warden (the default), or stock: QEMU's own OpenSBI, with which no crash of the hypervisor is "
			      "recovered: the machine is reset, or halts." },
	[OPTION_GDB] = { "gdb", NULL, "SOCKET", OPTION_KIND_TEXT, AT(gdb),
			 "QEMU's gdb stub listens on this unix socket, for who debugs the hypervisor: "
			 "gdb-multiarch outlive.elf, then target remote SOCKET. A connection stops the machine." },
	[OPTION_ICOUNT] = { "icount", NULL, NULL, OPTION_KIND_FLAG, AT(icount),
			    "Time is counted in instructions, one a nanosecond: runs can be compared, harts take turns." },
	[OPTION_ATTESTATION_KEY] = { "attestation-key", NULL, "FILE", OPTION_KIND_TEXT, AT(attestation_key),
				     "Of a host with confidential VMs: the secret that the warden's key for attestation "
				     "is made of; made if it is not there. A new one each time otherwise." },
	[OPTION_TIMEOUT] = { "timeout", "t", "SECONDS", OPTION_KIND_SECONDS, AT(timeout),
			     "Give up after that time." },
	[OPTION_KERNEL] = { "kernel", "k", "FILE", OPTION_KIND_TEXT, AT(kernel),
			    "Run one VM from this kernel, without a host file: its console is the terminal." },
	[OPTION_INITRD] = { "initrd", NULL, "FILE", OPTION_KIND_TEXT, AT(initrd),
			    "With --kernel: initial RAM disk." },
	[OPTION_APPEND] = { "append", NULL, "TEXT", OPTION_KIND_TEXT, AT(append),
			    "With --kernel: command line of the kernel." },
	[OPTION_VCPUS] = { "vcpus", NULL, "N", OPTION_KIND_TEXT, AT(vcpus),
			   "With --kernel: harts of the VM; 1." },
	[OPTION_MEMORY] = { "memory", "m", "SIZE", OPTION_KIND_TEXT, AT(memory),
			    "With --kernel: RAM of the VM; 512MiB." },
	[OPTION_DISK] = { "disk", NULL, "FILE", OPTION_KIND_DISK, AT(disks),
			  "With --kernel: a disk of the VM, raw. Can be given several times." },
	[OPTION_HARTS] = { "harts", NULL, "N", OPTION_KIND_TEXT, AT(harts),
			   "With --kernel: harts of the machine; as many as the VM has vCPUs, at most 4." },
	[OPTION_FLAT] = { "flat", NULL, NULL, OPTION_KIND_FLAG, AT(flat),
			  "With --kernel: the kernel is a flat binary, to be loaded as it is." },
	[OPTION_VECTOR] = { "vector", NULL, NULL, OPTION_KIND_FLAG, AT(vector),
			    "With --kernel: the harts have the vector extension." },
	[OPTION_CONFIDENTIAL] = { "confidential", NULL, NULL, OPTION_KIND_FLAG, AT(confidential),
				  "With --kernel: a confidential VM." },
	[OPTION_FOLLOW] = { "follow", "f", NULL, OPTION_KIND_FLAG, AT(follow),
			    "Go on with what comes, until Ctrl-C." },
	[OPTION_PREVIOUS] = { "previous", "p", NULL, OPTION_KIND_FLAG, AT(previous),
			      "The log of the life before the present one. In the first life of a machine: of the last time "
			      "that it ran, out of its black box, and the records that this left." },
	[OPTION_NOTE] = { "note", NULL, "TEXT", OPTION_KIND_TEXT, AT(note),
			  "Print nothing: write TEXT, a line, into the host's log and, as one of \"@operator\", among the lines that VMs "
			  "write to the black box." },
	[OPTION_SINCE] = { "since", NULL, "TIME", OPTION_KIND_TEXT, AT(since),
			   "Only lines since then: a duration before now like 10min, or a time like '2026-11-20 10:51:00' "
			   "(UTC)." },
	[OPTION_VM] = { "vm", NULL, "NAME", OPTION_KIND_TEXT, AT(vm),
			"Only lines about that VM, and behind them those that it wrote to the black box." },
	[OPTION_BACKLOG] = { "backlog", "b", NULL, OPTION_KIND_FLAG, AT(backlog),
			     "Begin with all output that has been kept, also when the output is no terminal." },
	[OPTION_UNTIL] = { "until", NULL, "TEXT", OPTION_KIND_TEXT, AT(until),
			   "End with status 0 as soon as the output contains TEXT." },
	[OPTION_FORCE] = { "force", NULL, NULL, OPTION_KIND_FLAG, AT(force),
			   "End QEMU at once, without asking the host." },
	[OPTION_SCHEMA] = { "schema", NULL, NULL, OPTION_KIND_FLAG, AT(schema),
			    "Print all keys of a host file with their types, bounds and defaults." },
	[OPTION_ROWS] = { "vcpus", NULL, NULL, OPTION_KIND_FLAG, AT(vcpu_rows),
			  "Show every vCPU, not only the VMs." },
	[OPTION_OUTPUT] = { "output", "o", "FILE", OPTION_KIND_TEXT, AT(output), "The file to write." },
	[OPTION_LAYOUT] = { "layout", "l", "WHICH", OPTION_KIND_TEXT, AT(layout),
			    "Zones of the black box: full, linux-debian (only kmsg), or sizes like "
			    "pmsg=64KiB,console=64KiB,kmsg=64KiB." },
	[OPTION_SIZE] = { "size", NULL, "SIZE", OPTION_KIND_TEXT, AT(size), "Make a new file of this size." },
	[OPTION_OVERWRITE] = { "force", NULL, NULL, OPTION_KIND_FLAG, AT(overwrite),
			       "Do it in spite of what is there: another layout, other contents, files of the same "
			       "name." },
	[OPTION_DUMP_HOST] = { "host", NULL, NULL, OPTION_KIND_FLAG, AT(dump_host),
			       "Dump a life of the hypervisor that has ended, not a VM." },
	[OPTION_ON] = { "on", "H", "NAME", OPTION_KIND_TEXT, AT(host),
			"The host that is meant, or its run directory. Not needed if only one is running." },
	[OPTION_REGION] = { "region", NULL, "FILE", OPTION_KIND_TEXT, AT(region),
			    "Read this dump region, a file or a block device, and ask no running host." },
	[OPTION_LIST] = { "list", "l", NULL, OPTION_KIND_FLAG, AT(list),
			  "With --host: list the dumps, and write none." },
	[OPTION_SYMBOLS] = { "symbols", NULL, "FILE", OPTION_KIND_TEXT, AT(symbols),
			     "The outlive.elf of the life; the one beside this program otherwise." },
	[OPTION_LIVE] = { "live", NULL, NULL, OPTION_KIND_FLAG, AT(live),
			  "Of a VM: let the guest run on meanwhile." },
	[OPTION_FORMAT] = { "format", NULL, "FORMAT", OPTION_KIND_TEXT, AT(format),
			    "Of a VM: elf (the default), an ELF core for gdb, crash and drgn; or kdump, which is "
			    "compressed, for crash and drgn." },
	[OPTION_EXCLUDE] = { "exclude", NULL, "KINDS", OPTION_KIND_TEXT, AT(exclude),
			     "Of a VM: leave out zero (pages that are all zero), free (pages that the guest has never "
			     "used), or both with a comma." },
	[OPTION_SEED] = { "seed", "s", "SEED", OPTION_KIND_TEXT, AT(seed),
			  "A number, from which all that is random comes; 1." },
	[OPTION_RUNS] = { "runs", "n", "N", OPTION_KIND_TEXT, AT(runs), "How many runs; 100." },
	[OPTION_FAULTS] = { "faults", "f", "LIST", OPTION_KIND_TEXT, AT(faults),
			    "Kinds of faults, with commas; help lists them, default means those that are meant "
			    "without this option, all but estate." },
	[OPTION_MACHINE_HARTS] = { "harts", NULL, "N", OPTION_KIND_TEXT, AT(harts),
				   "Harts of the machine, 1 to 8; 4." },
	[OPTION_JOBS] = { "jobs", "j", "N", OPTION_KIND_TEXT, AT(jobs),
			  "Runs at once; half as many as there are processors." },
	[OPTION_OUT] = { "out", "o", "DIRECTORY", OPTION_KIND_TEXT, AT(out),
			 "Where results and reports go, and what is kept of runs; campaign-SEED." },
	[OPTION_RESUME] = { "resume", "r", NULL, OPTION_KIND_FLAG, AT(resume),
			    "Go on with the campaign in the directory of --out, with its own seed, faults, harts and "
			    "number of runs." },
	[OPTION_KEEP] = { "keep", NULL, "N", OPTION_KIND_TEXT, AT(keep),
			  "Keep what the first N runs leave that were not recovered, in DIRECTORY/kept; 10." },
	[OPTION_REPLAY] = { "replay", NULL, "SEED:RUN", OPTION_KIND_TEXT, AT(replay),
			    "Make one run of a campaign again, alone, say what it does, and keep what it leaves in "
			    "DIRECTORY/replay." },
	[OPTION_REPORT] = { "report", NULL, "DIRECTORY", OPTION_KIND_TEXT, AT(report),
			    "Print the report of the results in a directory, and write it there again." },
	[OPTION_NONCE] = { "nonce", NULL, "HEX", OPTION_KIND_TEXT, AT(nonce),
			   "At most 64 bytes that no report can have had before; random ones otherwise." },
	[OPTION_KEY] = { "key", NULL, "FILE", OPTION_KIND_TEXT, AT(key),
			 "The public key, in PEM, that the machine's warden is known to have." },
	[OPTION_EXPECT] = { "expect", NULL, "WHAT", OPTION_KIND_TEXT, AT(expect),
			    "The measurement that the VM should have: 96 hexadecimal digits, or the host file, from which it is "
			    "computed." },
	[OPTION_WARDEN] = { "warden", NULL, "HEX", OPTION_KIND_TEXT, AT(warden),
			    "SHA-256 that the warden should have: 64 hexadecimal digits." },
	[OPTION_FROM] = { "report", NULL, "FILE", OPTION_KIND_TEXT, AT(from),
			  "Check the report in this file, and ask no host." },
	[OPTION_CHECK] = { "check", NULL, NULL, OPTION_KIND_FLAG, AT(check),
			   "Only see whether it could be done; nothing stops." },
};

/* The allowed option that a word begins with: "--name", "--name=...", "-n". *value: behind the '=', or NULL. */
static const struct option_entry *find(const char *word, u64 allowed, const char **value)
{
	*value = NULL;
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_entry *option = &option_table[i];
		size_t length = strlen(option->name);

		if (!(allowed & 1ull << i))
			continue;
		if (word[1] != '-') {
			if (option->letter && word[1] == option->letter[0] && !word[2])
				return option;
			continue;
		}
		if (strncmp(word + 2, option->name, length) != 0 ||
		    (word[2 + length] && word[2 + length] != '='))
			continue;
		if (word[2 + length])
			*value = word + 3 + length;
		return option;
	}
	return NULL;
}

static bool store(struct options *o, const struct option_entry *option, const char *value)
{
	void *at = (u8 *)o + option->offset;

	switch (option->kind) {
	case OPTION_KIND_FLAG:
		*(bool *)at = true;
		return true;
	case OPTION_KIND_TEXT:
		*(const char **)at = value;
		return true;
	case OPTION_KIND_SECONDS:
		o->has_timeout = true;
		if (units_parse_number(value, &o->timeout) && o->timeout <= 1000000)
			return true;
		message_error("--%s: \"%s\" is not a number of seconds", option->name, value);
		return false;
	case OPTION_KIND_DISK:
		if (o->disk_count == OPTIONS_DISKS_MAX) {
			message_error("more than %d disks", OPTIONS_DISKS_MAX);
			return false;
		}
		o->disks[o->disk_count++] = value;
		return true;
	}
	return false;
}

bool options_parse(struct options *o, int argc, char **argv, u64 allowed)
{
	bool is_over = false;

	for (int i = 0; i < argc; i++) {
		const struct option_entry *option;
		const char *value;

		if (is_over || argv[i][0] != '-' || !argv[i][1]) {
			if (o->argument_count == OPTIONS_ARGUMENTS_MAX) {
				message_error("too many arguments");
				return false;
			}
			o->arguments[o->argument_count++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			is_over = true;
			continue;
		}
		option = find(argv[i], allowed, &value);
		if (!option) {
			message_error("no option %s here; --help lists them", argv[i]);
			return false;
		}
		if (!option->value && value) {
			message_error("--%s takes no value", option->name);
			return false;
		}
		if (option->value && !value) {
			if (i + 1 == argc) {
				message_error("--%s needs %s", option->name, option->value);
				return false;
			}
			value = argv[++i];
		}
		if (!store(o, option, value))
			return false;
	}
	return true;
}
