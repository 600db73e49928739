/* The keys of a host file. Order is the order of the documentation. */
#include "abi/dump.h"
#include "abi/estate.h"
#include "abi/layout.h"
#include "abi/pack.h"
#include "abi/private_size.h"
#include "abi/pstore.h"
#include "abi/warden.h"
#include "cli/host_spec.h"
#include "cli/schema.h"

#define IN(structure, member) .offset = offsetof(struct structure, member)

/* In the order of the enumerations whose values they stand for. */
static const char *const crash_policies[] = { "recover", "reset", "halt", "devirtualise", NULL };
static const char *const vm_actions[] = { "stop", "restart", NULL };
static const char *const consoles[] = { "uart", "virtio", NULL };
static const char *const formats[] = { "auto", "flat", NULL };

_Static_assert(CRASH_RECOVER == 0 && CRASH_RESET == 1 && CRASH_HALT == 2 && CRASH_DEVIRTUALISE == 3,
	       "order of crash_policies");
_Static_assert(VM_ACTION_STOP == 0 && VM_ACTION_RESTART == 1, "order of vm_actions");
_Static_assert(CONSOLE_UART == 0 && CONSOLE_VIRTIO == 1, "order of consoles");
_Static_assert(KERNEL_AUTO == 0 && KERNEL_FLAT == 1, "order of formats");

static const struct schema_key disk_keys[] = {
	{ "file", SCHEMA_FILE, true, IN(disk_spec, file),
	  .doc = "The disk's contents: a raw image or a block device. The guest sees a virtio block device." },
	{ "readonly", SCHEMA_BOOL, false, IN(disk_spec, readonly), .fallback = "false",
	  .doc = "The guest cannot write to it. Only a disk that is read-only everywhere may be used more than once." },
	{ "serial", SCHEMA_TEXT, false, IN(disk_spec, serial),
	  .max = sizeof(((struct vm_device_config *)0)->serial) - 1,
	  .otherwise = "diskN, counted from 0 in each VM",
	  .doc = "The serial number that the guest sees (/dev/disk/by-id/virtio-SERIAL in Linux)." },
};

static const struct schema disk_schema = { "A disk", sizeof(struct disk_spec), disk_keys,
					   ARRAY_SIZE(disk_keys) };

static const struct schema_key network_keys[] = {
	{ "switch", SCHEMA_NAME, true, IN(network_spec, to), .max = 31,
	  .doc = "Name of the switch that the guest's network device is plugged into. VMs that name the same switch "
		 "reach each other." },
	{ "mac", SCHEMA_MAC, false, IN(network_spec, mac), .otherwise = "made from the names of host and VM",
	  .doc = "Address of the device." },
	{ "uplink", SCHEMA_BOOL, false, IN(network_spec, uplink), .fallback = "false",
	  .doc = "The switch also has the port to the outside: QEMU's user network (DHCP, 10.0.2.0/24). One switch of a "
		 "host may have it." },
	{ "uplink_socket", SCHEMA_FILE, false, IN(network_spec, uplink_socket),
	  .otherwise = "QEMU's user network",
	  .doc = "With uplink: the port to the outside is this unix datagram socket, one Ethernet frame a datagram. The "
		 "host's own end is the file `uplink` in its run directory." },
	{ "forward", SCHEMA_TEXTS, false, IN(network_spec, forward), .max = 16,
	  .doc = "With uplink: ports of this machine that lead to a guest, each as tcp:PORT:GUEST-PORT or "
		 "tcp:PORT:GUEST-ADDRESS:GUEST-PORT (or udp:). Listens on 127.0.0.1." },
};

static const struct schema network_schema = { "A network device", sizeof(struct network_spec), network_keys,
					      ARRAY_SIZE(network_keys) };

static const struct schema_key vm_keys[] = {
	{ "name", SCHEMA_NAME, true, IN(vm_spec, name), .max = VM_NAME_SIZE - 1,
	  .doc = "What the other commands call it." },
	{ "vcpus", SCHEMA_NUMBER, false, IN(vm_spec, vcpus), .min = 1, .max = MAX_VCPU_ID, .fallback = "1",
	  .doc = "Number of harts that the guest sees." },
	{ "memory", SCHEMA_SIZE, true, IN(vm_spec, memory), .min = MIB(2), .max = VM_MEMORY_MAX,
	  .doc = "RAM of the guest." },
	{ "kernel", SCHEMA_FILE, true, IN(vm_spec, kernel),
	  .doc = "What the guest starts with: a Linux Image, an ELF file for 64-bit RISC-V, or a flat binary (see "
		 "format)." },
	{ "format", SCHEMA_CHOICE, false, IN(vm_spec, format), .choices = formats, .fallback = "auto",
	  .doc = "auto recognises Linux and ELF and takes nothing else; flat loads the kernel as it is, at the start of "
		 "RAM plus 2 MiB." },
	{ "initrd", SCHEMA_FILE, false, IN(vm_spec, initrd), .doc = "Initial RAM disk." },
	{ "cmdline", SCHEMA_TEXT, false, IN(vm_spec, cmdline), .max = VM_CMDLINE_SIZE - 1, .fallback = "",
	  .doc = "Command line of the kernel." },
	{ "disks", SCHEMA_MAPS, false, IN(vm_spec, disks), .max = VM_MAX_DEVICES, .sub = &disk_schema,
	  .doc = "Block devices, in the order in which the guest finds them." },
	{ "networks", SCHEMA_MAPS, false, IN(vm_spec, networks), .max = VM_MAX_DEVICES,
	  .sub = &network_schema, .doc = "Network devices." },
	{ "console", SCHEMA_CHOICE, false, IN(vm_spec, console), .choices = consoles, .fallback = "uart",
	  .doc = "virtio adds a virtio console beside the UART, which every guest has. `outlive console` shows both." },
	{ "rng", SCHEMA_BOOL, false, IN(vm_spec, rng), .fallback = "true",
	  .doc = "A virtio entropy device." },
	{ "pmsg", SCHEMA_BOOL, false, IN(vm_spec, pmsg), .fallback = "false",
	  .doc = "A second virtio console (/dev/hvc0 in Linux, or the one behind that of `console: virtio`): lines that the "
		 "guest writes to it go to the black box of the host, with the VM's name in front." },
	{ "affinity", SCHEMA_SET, false, IN(vm_spec, affinity), .otherwise = "all harts",
	  .doc = "Harts of the host, counted from 0, that its vCPUs may run on, like 0-2,5." },
	{ "autostart", SCHEMA_BOOL, false, IN(vm_spec, autostart), .fallback = "true",
	  .doc = "Started with the host; else by `outlive start`." },
	{ "on_poweroff", SCHEMA_CHOICE, false, IN(vm_spec, on_poweroff), .choices = vm_actions,
	  .fallback = "stop", .doc = "What follows when the guest powers itself off." },
	{ "on_reboot", SCHEMA_CHOICE, false, IN(vm_spec, on_reboot), .choices = vm_actions,
	  .fallback = "restart", .doc = "What follows when the guest reboots." },
	{ "on_crash", SCHEMA_CHOICE, false, IN(vm_spec, on_crash), .choices = vm_actions, .fallback = "stop",
	  .doc = "What follows when the guest reports a failure, or is stopped for an error." },
	{ "confidential", SCHEMA_BOOL, false, IN(vm_spec, confidential), .fallback = "false",
	  .doc = "The guest's memory and registers are kept from the hypervisor, and from whoever takes it over: see "
		 "docs/confidential.md. Needs the warden as firmware; at most 64 vCPUs, and not the root VM." },
	{ "root", SCHEMA_BOOL, false, IN(vm_spec, root), .fallback = "false",
	  .doc = "The VM gets the machine: its RAM has the machine's addresses, its vCPUs are the machine's harts (as many as "
		 "there are), and its disks and entropy device are the machine's own. At most one VM; see docs/root-vm.md." },
};

static const struct schema vm_schema = { "A virtual machine", sizeof(struct vm_spec), vm_keys,
					 ARRAY_SIZE(vm_keys) };

static const struct schema_key blackbox_keys[] = {
	{ "file", SCHEMA_FILE, true, IN(blackbox_spec, file),
	  .doc = "Where it lies: a file, which is made if it is not there, or a block device. What is in it stays; "
		 "`outlive blackbox` reads it while the host is off." },
	{ "size", SCHEMA_SIZE, false, IN(blackbox_spec, size), .min = KIB(16), .max = PSTORE_TOTAL_MAX,
	  .step = PSTORE_ZONE_UNIT, .fallback = "1MiB", .doc = "Of the file, when it is made." },
	{ "layout", SCHEMA_TEXT, false, IN(blackbox_spec, layout), .max = 120, .fallback = "full",
	  .doc = "full (pmsg, console and records), linux-debian (records only, as Debian's kernels have it), or sizes "
		 "like pmsg=64KiB,console=128KiB,kmsg=64KiB; the records take the rest." },
};

static const struct schema blackbox_schema = { "The black box", sizeof(struct blackbox_spec), blackbox_keys,
					       ARRAY_SIZE(blackbox_keys) };

static const struct schema_key dumps_keys[] = {
	{ "file", SCHEMA_FILE, true, IN(dumps_spec, file),
	  .doc = "Where they go: a file, which is made if it is not there, or a block device. `outlive dump --host` reads "
		 "it." },
	{ "size", SCHEMA_SIZE, false, IN(dumps_spec, size), .min = MIB(4), .max = GIB(1024),
	  .fallback = "64MiB",
	  .doc = "Of the file, when it is made. It takes no more room on this machine than the dumps in it." },
	{ "keep", SCHEMA_NUMBER, false, IN(dumps_spec, keep), .min = 1, .max = DUMP_KEEP_MAX, .fallback = "3",
	  .doc = "How many of the last dumps are kept: each has its part of the size." },
};

static const struct schema dumps_schema = { "Dumps of the hypervisor", sizeof(struct dumps_spec), dumps_keys,
					    ARRAY_SIZE(dumps_keys) };

static const struct schema_key machine_keys[] = {
	{ "harts", SCHEMA_NUMBER, false, IN(machine_spec, harts), .min = 1, .max = MAX_HARTS,
	  .otherwise = "the sum of the VMs' vCPUs, at most 4", .doc = "Harts of the machine." },
	{ "memory", SCHEMA_SIZE, false, IN(machine_spec, memory), .min = LAYOUT_MIN_RAM, .max = GIB(1024),
	  .otherwise = "as much as the VMs, the boot pack and the hypervisor need",
	  .doc = "RAM of the machine, all included." },
	{ "confidential", SCHEMA_SIZE, false, IN(machine_spec, confidential), .min = PRIVATE_POOL_MIN,
	  .max = GIB(512), .otherwise = "as much as the confidential VMs need; none without such VMs",
	  .doc = "RAM of the machine that the warden keeps for confidential VMs: their memory, and what it needs to look after "
		 "them. A power of two." },
	{ "vector", SCHEMA_BOOL, false, IN(machine_spec, vector), .fallback = "false",
	  .doc = "The harts have the vector extension." },
	{ "on_crash", SCHEMA_CHOICE, false, IN(machine_spec, on_crash), .choices = crash_policies,
	  .fallback = "recover",
	  .doc = "What a crash of the hypervisor leads to: recover starts an heir and the guests go on, devirtualise gives the "
		 "machine to the root VM, whose crash kernel dumps it, reset restarts the machine, halt stops it. If one "
		 "fails the next is taken, in this order." },
	{ "crash_limit", SCHEMA_NUMBER, false, IN(machine_spec, crash_limit), .max = WARDEN_CRASH_LIMIT_MAX,
	  .fallback = "5",
	  .doc = "Crashes within crash_window that are recovered; one more follows the next policy." },
	{ "crash_window", SCHEMA_DURATION, false, IN(machine_spec, crash_window), .min = 1000,
	  .max = 86400000, .fallback = "60s", .doc = "See crash_limit. Whole seconds." },
	{ "watchdog", SCHEMA_DURATION, false, IN(machine_spec, watchdog), .max = 60000, .fallback = "1s",
	  .doc = "A hart that runs hypervisor code and shows no life for so long is hung: the hypervisor has crashed. off "
		 "for none. QEMU's harts are threads, which a busy machine may delay: hence the long default." },
	{ "blackbox", SCHEMA_MAP, false, IN(machine_spec, blackbox), .sub = &blackbox_schema,
	  .otherwise = "none", .doc = "The hypervisor's log and the records of its crashes, on a disk." },
	{ "dumps", SCHEMA_MAP, false, IN(machine_spec, dumps), .sub = &dumps_schema, .otherwise = "none",
	  .doc = "The memory of hypervisors that crashed, on a disk." },
};

static const struct schema machine_schema = { "The machine", sizeof(struct machine_spec), machine_keys,
					      ARRAY_SIZE(machine_keys) };

static const struct schema_key host_keys[] = {
	{ "name", SCHEMA_NAME, false, IN(host_spec, name), .max = 31,
	  .otherwise = "the file's name without its ending", .doc = "Name of the host, for --host." },
	{ "machine", SCHEMA_MAP, false, IN(host_spec, machine), .sub = &machine_schema,
	  .doc = "What the hypervisor runs on." },
	{ "vms", SCHEMA_MAPS, true, IN(host_spec, vms), .min = 1, .max = MAX_VMS, .sub = &vm_schema,
	  .doc = "The virtual machines." },
};

const struct schema schema_host = { "The host", sizeof(struct host_spec), host_keys, ARRAY_SIZE(host_keys) };
