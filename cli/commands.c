/* All commands: see commands.h. */
#include "cli/commands.h"
#include "cli/exit_code.h"

#define O(name) (1ull << OPTION_##name)
#define EVERY	(O(HELP) | O(JSON))
#define TALKS	(EVERY | O(HOST) | O(TIMEOUT))

const struct exit_meaning exit_meanings[] = {
	{ EXIT_CODE_OK, "Done." },
	{ EXIT_CODE_FAILED, "It was tried and did not work; a message says why." },
	{ EXIT_CODE_USAGE, "Unknown command, option or argument." },
	{ EXIT_CODE_NOT_FOUND, "No such host, VM or life; or several hosts are running and none was named." },
	{ EXIT_CODE_INVALID,
	  "The host file is not right, or a file that it names, or the options that stand for one; or an image to update to." },
	{ EXIT_CODE_TIMEOUT, "The host did not answer in time." },
	{ EXIT_CODE_REFUSED, "The host answered that it cannot do this now." },
	{ EXIT_CODE_UNTRUSTED,
	  "What has been attested is not what was asked for: another key, nonce, measurement or warden." },
};
const size_t exit_meaning_count = ARRAY_SIZE(exit_meanings);

#define DUMP_TEXT                                                                                                                            \
	"With --host, writes a life of the hypervisor that has ended as an ELF core file. The argument is the "                              \
	"number of the life, as in outlive crash list, or @ and the number of the dump, as in the list of --list; "                          \
	"without it the newest dump that is complete is taken. FILE is vmcore.LIFE if -o does not name it. "                                 \
	"gdb-multiarch outlive.elf FILE shows all harts with their backtraces, the one that crashed first, and the "                         \
	"hypervisor's variables; hart N is its thread N + 1. The dump comes from the host's dump region, which "                             \
	"--region names if the host is off. A dump that was cut short or is damaged is written as far as it goes, "                          \
	"with status 1; one that a running host has not completed yet is waited for, 10 seconds or --timeout.\n\n"                           \
	"With the name of a VM, writes its memory and vCPUs as of one instant into FILE, which -o names, for debuggers with "                \
	"the symbols of the guest's kernel. The guest stands still until all has been fetched; with --live it runs on, "                     \
	"and the host keeps for the dump what the guest overwrites meanwhile. If the host's life ends meanwhile, the dump begins again.\n\n" \
	"With --format elf memory lies at its "                                                                                              \
	"guest physical addresses and at those of the guest's kernel, also for modules and stacks, for gdb-multiarch "                       \
	"vmlinux FILE; crash and drgn open it as well. All-zero pages are holes in the file. With --format kdump it is "                     \
	"makedumpfile's compressed format, for crash and drgn.\n\n"                                                                          \
	"--exclude leaves pages out; free means those in blocks "                                                                            \
	"of 2 MiB that the guest has never used, as nothing else tells the host what a guest has free."
#define DUMP_EXAMPLES                                         \
	"outlive dump --host --list  # what there is\n"       \
	"outlive dump --host 3 -o vmcore  # the third life\n" \
	"outlive dump debian -o debian.core --live  # of a VM that runs on"

#define ATTEST_TEXT                                                                                                        \
	"Asks the warden for its report on a confidential VM: what it was started from (the measurement of its "           \
	"configuration, kernel, initrd and command line), which warden keeps it, and the nonce of this request, signed "   \
	"with the machine's key. All that is checked is checked here, on this machine; the hypervisor only carries the "   \
	"report.\n\n"                                                                                                      \
	"A signature is worth as much as the key: --key says which one the machine is known to have. Without it the "      \
	"report's own key is taken, and said to be one that nobody vouches for. --expect compares the measurement; given " \
	"a host file, it loads the VM's kernel, initrd and command line as the hypervisor does, and computes what the "    \
	"warden must have measured, for each machine that there could be (its processor's extensions are in the guest's "  \
	"device tree). --warden compares the warden.\n\n"                                                                  \
	"A guest can ask for its own report; --report checks one that is in a file, with the same options. "               \
	"docs/confidential.md says what all of this is worth."

#define CAMPAIGN_TEXT_1                                                                                                             \
	"Starts machines again and again, each with guests that check their own memory, disks, network, registers and clock, "      \
	"makes a fault in each hypervisor from outside, through QEMU, and sees what comes of it. The outcome of a run is one of "   \
	"not-injected (the moment did not come), no-effect, recovered (the hypervisor's life ended, and all guests are well), "     \
	"vm-lost, host-lost, hang, and silent (a guest's state is wrong, and nobody said so). Faults that are effective are all "   \
	"but those of the first two.\n\n"                                                                                           \
	"What is done in run N of seed S is a function of the two, of the kinds of faults, and of the hypervisor's image. What it " \
	"meets is a machine with several harts, so the same fault need not have the same outcome twice.\n\n"
#define CAMPAIGN_TEXT_2                                                                                                             \
	"DIRECTORY/results.jsonl gets a line for each run as soon as it has ended. A campaign that was ended, by Ctrl-C or "        \
	"otherwise, goes on where it was when it is started again, with the same seed, faults, harts and programs; with others it " \
	"is refused. More runs than before are the same campaign. At the end, and when Ctrl-C is hit, DIRECTORY/report.txt and "    \
	"report.svg say what all of it comes to: the share of effective faults that were recovered with its confidence interval, "  \
	"a bound for silent corruption, and how long guests stood still.\n\n"                                                       \
	"The status is 0 if all runs have been made, whatever their outcomes are. With --json each result is a line, and the "      \
	"last line is the report."

const struct command commands[] = {
	{
		.name = "run",
		.page = "outlive-run",
		.arguments = "[FILE]",
		.arguments_max = 1,
		.options = EVERY | O(QUIET) | O(DETACH) | O(NAME) | O(DIR) | O(QEMU) | O(FIRMWARE) | O(GDB) |
			   O(ICOUNT) | O(TIMEOUT) | O(KERNEL) | O(INITRD) | O(APPEND) | O(VCPUS) | O(MEMORY) |
			   O(DISK) | O(HARTS) | O(FLAT) | O(VECTOR) | O(CONFIDENTIAL) | O(ATTESTATION_KEY),
		.summary = "start a host under QEMU",
		.text = "Starts the host that FILE describes (see outlive-host(5)), or with --kernel one VM without a "
			"file. Everything is checked before anything is started.\n\n"
			"With a file the host's log and the changes of its VMs' states go to the terminal until the host "
			"powers off; Ctrl-C powers it off, a second Ctrl-C ends it at once. With --detach the command "
			"returns when the host is up. Meanwhile the other commands reach the host by its name.\n\n"
			"With --kernel the VM's console is the terminal, and the command ends when the VM has powered off. "
			"Ctrl-A x quits, Ctrl-A Ctrl-A sends a Ctrl-A.\n\n"
			"The host's end is also QEMU's: if this process is killed, so is QEMU.\n\n"
			"--timeout bounds the time until the host is up; 30 seconds otherwise, 0 for no bound.",
		.examples =
			"outlive run examples/two-vms.yaml  # until Ctrl-C\n"
			"outlive run --detach examples/two-vms.yaml  # in the background\n"
			"outlive run --kernel Image --initrd initrd.cpio.gz --append console=ttyS0  # one VM",
		.run = run_command,
	},
	{
		.name = "check",
		.page = "outlive-check",
		.arguments = "[FILE]",
		.arguments_max = 1,
		.options = EVERY | O(SCHEMA),
		.summary = "check a host file",
		.text = "Reads a host file (see outlive-host(5)) and prints all that is wrong with it: keys and values, "
			"files that are not there, memory that does not suffice, disks and ports that are used twice. Nothing "
			"is started or written. With --schema prints what may stand in a host file instead.",
		.examples = "outlive check examples/two-vms.yaml  # status 4 if something is wrong\n"
			    "outlive check --schema  # all keys",
		.run = check_command,
	},
	{
		.name = "pack",
		.page = "outlive-pack",
		.arguments = "FILE",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = EVERY | O(QUIET) | O(OUTPUT),
		.summary = "write the boot pack of a host file",
		.text = "Writes what a host starts with into one image: the configuration of its VMs, their kernels and "
			"initrds. The loader of a board puts it into RAM as the hypervisor's initrd (in U-Boot: booti with "
			"outlive.bin as the kernel and the pack as the ramdisk); outlive run does the same for QEMU. Disks are "
			"not in it: the n-th disk of the host file is the n-th virtio block device of the machine.",
		.examples = "outlive pack examples/two-vms.yaml -o host.pack",
		.run = pack_command,
	},
	{
		.name = "ps",
		.page = "outlive-ps",
		.arguments = "",
		.options = TALKS,
		.summary = "list the VMs of a host",
		.text = "Shows the host, its present life, and each VM: state, vCPUs, memory and how much of it the guest "
			"has used, times started, processor time, exits to the hypervisor, whether it is the root VM or a confidential one, and why "
			"it last stopped.",
		.examples = "outlive ps\noutlive ps --json | jq '.vms[].state'  # for programs",
		.run = ps_command,
	},
	{
		.name = "top",
		.page = "outlive-top",
		.arguments = "",
		.options = TALKS | O(FOLLOW) | O(ROWS),
		.summary = "show what the VMs are doing",
		.text = "Shows processor use and exits per second of each VM, every second until q or Ctrl-C. Where the output "
			"is no terminal, or with --json, it measures for half a second, prints once and ends; with --follow it "
			"goes on.",
		.examples = "outlive top --vcpus  # every vCPU\noutlive top --json  # one snapshot",
		.run = top_command,
	},
	{
		.name = "console",
		.page = "outlive-console",
		.arguments = "VM",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS | O(BACKLOG) | O(UNTIL),
		.summary = "connect to a VM's console",
		.text = "Connects the terminal to the console of a VM, beginning with its latest output. Ctrl-] leaves.\n\n"
			"Without a terminal, standard input goes to the guest and the guest's output to standard output, what "
			"has been before only with --backlog. The end of the input does not end the command: the end of the "
			"host does, or --until, or --timeout. With --until and --timeout, status 5 says that the text has not "
			"come.\n\n"
			"With --json each piece of output is an object with its offset and text.",
		.examples =
			"outlive console debian\n"
			"echo uptime | outlive console debian --until 'load average' --timeout 5  # for scripts\n"
			"outlive console debian --backlog --timeout 0 </dev/null  # what it has said so far",
		.run = console_command,
	},
	{
		.name = "start",
		.page = "outlive-vm",
		.arguments = "VM",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS,
		.summary = "start a VM that is stopped",
		.text = "Starts the VM from its kernel, with fresh memory.",
		.run = vm_start_command,
	},
	{
		.name = "stop",
		.page = "outlive-vm",
		.arguments = "VM",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS,
		.summary = "stop a VM at once",
		.text = "Stops the VM at once, as if its plug were pulled. To shut down a guest in order, ask the guest.",
		.run = vm_stop_command,
	},
	{
		.name = "reset",
		.page = "outlive-vm",
		.arguments = "VM",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS,
		.summary = "stop a VM and start it again",
		.text = "Stops the VM at once and starts it from its kernel.",
		.run = vm_reset_command,
	},
	{
		.name = "pause",
		.page = "outlive-vm",
		.arguments = "VM",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS,
		.summary = "let a VM rest",
		.text = "Takes the VM's vCPUs off their harts; memory and devices stay as they are.",
		.run = vm_pause_command,
	},
	{
		.name = "resume",
		.page = "outlive-vm",
		.arguments = "VM",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS,
		.summary = "let a paused VM go on",
		.text = "Lets a paused VM go on where it was.",
		.examples = "outlive pause debian\noutlive resume debian  # goes on where it was",
		.run = vm_resume_command,
	},
	{
		.name = "log",
		.page = "outlive-log",
		.arguments = "",
		.options = TALKS | O(FOLLOW) | O(PREVIOUS) | O(SINCE) | O(VM) | O(NOTE),
		.summary = "show the hypervisor's log",
		.text = "Prints the host's log. It outlives a crash of the hypervisor, so it tells of earlier lives too, as far "
			"as the ring goes back. Each line begins with the machine's time in seconds and the hart. With a black box (machine.blackbox in "
			"the host's file) also what was said before the machine was started can be read.",
		.examples =
			"outlive log --follow\noutlive log --previous  # the last words of the life before\n"
			"outlive log --vm alpha --since 10min\n"
			"outlive log --note 'disk 2 changed'  # to be found with what happened around it",
		.run = log_command,
	},
	{
		.name = "crash inject",
		.page = "outlive-crash",
		.arguments = "KIND",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS,
		.summary = "make the hypervisor crash",
		.text = "Ends the hypervisor's life, to see its guests go on. KIND is panic, trap (a load from an address that "
			"is not mapped), hang (spin with interrupts off, until the watchdog finds it), wild-write (a store "
			"through a wild pointer) or stack (endless recursion). Waits for the heir and prints the pauses; says so if "
			"the machine has been reset instead.",
		.examples = "outlive crash inject trap",
		.run = crash_inject_command,
	},
	{
		.name = "crash list",
		.page = "outlive-crash",
		.arguments = "",
		.options = TALKS,
		.summary = "list the hypervisor's lives and how they ended",
		.text = "One line a life: number, cause of its end, where, and the pauses of the recovery in microseconds: from "
			"the fault until all harts were stopped, until the heir was entered, until it had adopted the estate, "
			"until the first guest and until the last guest ran again; and all of it together. EVIDENCE is the "
			"number of the life's dump, or says that the host still has a record of the crash.",
		.run = crash_list_command,
	},
	{
		.name = "crash show",
		.page = "outlive-crash",
		.arguments = "LIFE",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS | O(REGION) | O(SYMBOLS),
		.summary = "show everything that is known of one life",
		.text = "All that is known of one life: what the history has, what it said of its end, and for each hart whether "
			"it was in the hypervisor, with the backtrace, or in which guest; and the end of the log. All of that is "
			"from the life's dump if there is one, else from the record that the host keeps of the last crashes, with "
			"the tops of the stacks only. Functions and lines are those of outlive.elf if it is of the same build. "
			"With --region the host need not run; LIFE can then also be @ and the number of a dump.",
		.examples =
			"outlive crash list\noutlive crash show 1\noutlive crash show 1 --region dumps.img  # of a host that is off",
		.run = crash_show_command,
	},
	{
		.name = "dump",
		.page = "outlive-dump",
		.arguments = "[VM]",
		.arguments_max = 1,
		.options = EVERY | O(QUIET) | O(TIMEOUT) | O(DUMP_HOST) | O(ON) | O(OUTPUT) | O(OVERWRITE) |
			   O(REGION) | O(LIST) | O(SYMBOLS) | O(LIVE) | O(FORMAT) | O(EXCLUDE),
		.summary = "write a core file of a VM, or of a dead life of the hypervisor",
		.text = DUMP_TEXT,
		.examples = DUMP_EXAMPLES,
		.run = dump_command,
	},
	{
		.name = "attest",
		.page = "outlive-attest",
		.arguments = "[VM]",
		.arguments_max = 1,
		.options = TALKS | O(NONCE) | O(KEY) | O(EXPECT) | O(WARDEN) | O(FROM) | O(OUTPUT) |
			   O(OVERWRITE),
		.summary = "show what a confidential VM was started from, signed by the warden",
		.text = ATTEST_TEXT,
		.examples =
			"outlive attest secret --key machine.pem --expect secret.yaml  # is it what I meant to run?\n"
			"outlive attest secret --nonce 31415926 -o report.bin  # to be looked at elsewhere\n"
			"outlive attest --report report.bin --nonce 31415926 --key machine.pem --json",
		.run = attest_command,
	},
	{
		.name = "blackbox ls",
		.page = "outlive-blackbox",
		.arguments = "IMAGE",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = EVERY | O(LAYOUT) | O(OVERWRITE),
		.summary = "list what is in a black box",
		.text = "IMAGE is a file or a block device with a black box, of a host that is off or of a Linux with "
			"pstore_blk. Lists its zones: what state they are in, how much text they have, and reason, counter "
			"and time of records. Where its zones lie is found from what is there; --layout says it instead. "
			"Nothing is changed.",
		.examples =
			"outlive blackbox ls /dev/vdb\noutlive blackbox ls box.img --json | jq '.zones[].state'",
		.run = blackbox_ls_command,
	},
	{
		.name = "blackbox read",
		.page = "outlive-blackbox",
		.arguments = "IMAGE [ZONE]",
		.arguments_min = 1,
		.arguments_max = 2,
		.options = EVERY | O(LAYOUT) | O(OVERWRITE),
		.summary = "print the text of a black box",
		.text = "Prints the text of one zone (pmsg, console, kmsg-0 and so on), or of all with a title before each. "
			"What Linux compressed is inflated. A zone in which a write was interrupted is printed as far as it is "
			"complete, and a message says so. Nothing is changed.",
		.examples = "outlive blackbox read /dev/vdb kmsg-0  # the text of a panic",
		.run = blackbox_read_command,
	},
	{
		.name = "blackbox export",
		.page = "outlive-blackbox",
		.arguments = "IMAGE DIRECTORY",
		.arguments_min = 2,
		.arguments_max = 2,
		.options = EVERY | O(LAYOUT) | O(OVERWRITE),
		.summary = "write the texts of a black box to files",
		.text = "Writes the text of each zone to a file in DIRECTORY, which is made if it is not there, under the name "
			"that Linux has for it in /sys/fs/pstore, with the time of the record. A file is there whole or not at "
			"all. The black box is not changed.",
		.examples = "outlive blackbox export box.img crash-of-monday",
		.run = blackbox_export_command,
	},
	{
		.name = "blackbox erase",
		.page = "outlive-blackbox",
		.arguments = "IMAGE [ZONE]",
		.arguments_min = 1,
		.arguments_max = 2,
		.options = EVERY | O(LAYOUT) | O(OVERWRITE),
		.summary = "erase a zone of a black box, or all",
		.text = "Marks a zone, or all of them, as erased. The headers of records stay, so that counters go on.",
		.run = blackbox_erase_command,
	},
	{
		.name = "blackbox format",
		.page = "outlive-blackbox",
		.arguments = "IMAGE",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = EVERY | O(QUIET) | O(LAYOUT) | O(SIZE) | O(OVERWRITE),
		.summary = "make an empty black box",
		.text = "Writes an empty black box to a file or a block device; with --size makes the file first. The layout is "
			"full unless --layout says otherwise: linux-debian has the zones that Debian's kernels have. What is not "
			"empty is overwritten with --force only.",
		.examples =
			"outlive blackbox format box.img --size 1MiB\n"
			"outlive blackbox format /dev/vdb --layout linux-debian  # for Debian's kernels, too",
		.run = blackbox_format_command,
	},
	{
		.name = "update",
		.page = "outlive-update",
		.arguments = "IMAGE",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = TALKS | O(QUIET) | O(CHECK),
		.summary = "replace the hypervisor under its running guests",
		.text = "IMAGE is an outlive.bin. It is checked, sent to the host and checked there again, byte for byte, before "
			"anything stops: it has to be an image of Outlive for this machine, whole, and able to adopt this host's "
			"estate. Then the hypervisor's life ends at a moment of its choice, and its heir is started from the new "
			"image. Guests notice nothing but a pause.\n\n"
			"If the new hypervisor does not report for duty within 2 seconds, for whatever reason, the old image is "
			"started again, the guests go on, and the command says so, with status 1. From its report on the new image "
			"is also the one from which crashes are recovered. An update is not a crash: it does not count towards the "
			"limit of crashes, and no dump is written.\n\n"
			"With --check nothing stops: all checks are made, also the host's. --timeout is how long the command waits "
			"for the heir, or for a host that is busy; 10 seconds otherwise.\n\n"
			"Status 4 says that the image is not one for this host, 6 that the host cannot be updated now, or not at "
			"all: its firmware has to be the warden.",
		.examples = "outlive update --check build/outlive.bin  # would it do?\n"
			    "outlive update build/outlive.bin  # says how long the guests paused",
		.run = update_command,
	},
	{
		.name = "poweroff",
		.page = "outlive-poweroff",
		.arguments = "",
		.options = TALKS | O(FORCE),
		.summary = "power a host off",
		.text = "Stops all VMs at once and powers the machine off; returns when it has ended. QEMU is killed if the host "
			"does not do it within 5 seconds. To shut down guests in order, ask them first.",
		.run = poweroff_command,
	},
	{
		.name = "campaign",
		.page = "outlive-campaign",
		.arguments = "",
		.options = EVERY | O(QUIET) | O(SEED) | O(RUNS) | O(FAULTS) | O(MACHINE_HARTS) | O(JOBS) |
			   O(OUT) | O(RESUME) | O(KEEP) | O(REPLAY) | O(REPORT) | O(QEMU),
		.summary = "make faults in many hypervisors, and count what is recovered",
		.text = CAMPAIGN_TEXT_1 CAMPAIGN_TEXT_2,
		.examples =
			"outlive campaign --seed 7 --runs 1000 --jobs 4  # results in campaign-7\n"
			"outlive campaign --seed 7 --runs 2000 --jobs 4  # goes on to 2000\n"
			"outlive campaign --resume --out campaign-7  # after it was ended\n"
			"outlive campaign --replay 7:123 --out campaign-7  # one run, with all that it leaves\n"
			"outlive campaign --report campaign-7 --json | jq .recovered_share",
		.run = campaign_command,
	},
	{
		.name = "manual",
		.page = "outlive",
		.arguments = "PAGE",
		.arguments_min = 1,
		.arguments_max = 1,
		.options = O(HELP),
		.summary = "print a manual page's source, made from the command's own tables",
		.text = "PAGE is outlive, outlive-run and so on, outlive-host (of section 5), or host-file.md for the reference "
			"part of docs/host-file.md.",
		.run = manual_command,
		.is_hidden = true,
	},
};
const size_t command_count = ARRAY_SIZE(commands);
