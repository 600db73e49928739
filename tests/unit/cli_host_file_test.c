/* Host files: what is right gets into the spec and the plan, and each error is reported with line, field and remedy. */
#include "abi/pack.h"
#include "cli/blackbox.h"
#include "cli/evidence.h"
#include "cli/host_check.h"
#include "cli/host_file.h"
#include "cli/host_plan.h"
#include "cli/memory.h"
#include "cli/schema.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Where the files are that host files name: kernel (ELF), image (Linux), text, disk, small, directory. */
static char place[] = "/tmp/outlive-host-file-XXXXXX";

static void put_file(const char *name, const void *bytes, size_t count, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", place, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(ftruncate(fileno(file), (off_t)size), 0);
	fclose(file);
}

/* An empty black box of the default layout. */
static void put_box(const char *name)
{
	struct blackbox_image i;
	struct blackbox_sizes sizes;
	struct blackbox_layout l;
	char path[128], why[BLACKBOX_WHY_SIZE];

	snprintf(path, sizeof(path), "%s/%s", place, name);
	assert_int_equal(blackbox_image_create(path, MIB(1)), 0);
	assert_int_equal(blackbox_device_open(&i, path, true), 0);
	assert_true(blackbox_parse_sizes("full", &sizes));
	assert_int_equal(layout_make(&l, &sizes, i.device.bytes, why), 0);
	assert_int_equal(blackbox_image_format(&i, &l), 0);
	close(i.fd);
}

static int make_place(void **state)
{
	u8 elf[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 243 };
	u8 arm[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 183 };
	u8 image[64] = { [56] = 'R', 'S', 'C', 5 };
	u8 big[64] = { [18] = 0x80, [56] = 'R', 'S', 'C', 5 }; /* wants 8 MiB */
	u8 gzip[64] = { 0x1f, 0x8b };
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(place));
	put_file("kernel", elf, sizeof(elf), 4096);
	put_file("arm", arm, sizeof(arm), 4096);
	put_file("image", image, sizeof(image), 4096);
	put_file("big", big, sizeof(big), 4096);
	put_file("gzip", gzip, sizeof(gzip), 4096);
	put_file("text", "some text", 9, 9);
	put_file("empty", "", 0, 0);
	put_file("disk", "", 0, 4096);
	put_file("small", "", 0, 100);
	put_file("image2", image, sizeof(image), MIB(1));
	put_box("box");
	put_file("huge", "", 0, MIB(800));
	snprintf(path, sizeof(path), "%s/directory", place);
	assert_int_equal(mkdir(path, 0700), 0);
	return 0;
}

static int remove_place(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", place);
	return system(command); /* NOLINT(cert-env33-c): our own directory */
}

struct loaded {
	struct host_spec spec;
	struct host_plan plan;
	struct diagnostics d;
	char *report; /* all diagnostics, as printed */
};

static void load(struct loaded *l, const char *text)
{
	size_t size;
	FILE *to;

	memset(l, 0, sizeof(*l));
	l->d.file = "host.yaml";
	host_file_parse(text, strlen(text), place, &l->spec, &l->d);
	if (!l->spec.name.value)
		l->spec.name.value = memory_copy("host");
	host_check(&l->spec, HOST_CHECK_RUN, &l->d);
	host_plan_make(&l->spec, &l->plan, &l->d);
	to = open_memstream(&l->report, &size);
	assert_non_null(to);
	diagnostics_print(&l->d, to);
	fclose(to);
}

static void unload(struct loaded *l)
{
	host_plan_free(&l->plan);
	host_spec_free(&l->spec);
	diagnostics_free(&l->d);
	free(l->report);
}

/* ---- Errors ---- */

#define VM "vms:\n  - {name: a, memory: 64MiB, kernel: kernel"

/* A host file and what must be among the lines about it. */
static const struct {
	const char *text, *error;
} errors[] = {
	/* YAML */
	{ "", "host.yaml: is empty" },
	{ "vms: [\n", "host.yaml:2: not YAML: " },
	{ "vms: \"\xff\"\n", "host.yaml: not a text: " },
	{ "- a\n", "host.yaml:1: a list is not a mapping" },
	{ VM "}\n---\nvms: 1\n", "host.yaml:3: a second document" },
	{ VM "}\n---\n{", "host.yaml:5: not YAML" },
	/* keys */
	{ "machine: {}\n", "host.yaml:1: \"vms\" is missing" },
	{ "vms: []\n", "host.yaml:1: vms: has 0 entries, but may have 1 to 64" },
	{ "vms:\n  - memory: 64MiB\n    kernel: kernel\n", "host.yaml:2: vms[0]: \"name\" is missing" },
	{ "vms:\n  - name: a\n    kernel: kernel\n", "host.yaml:2: vms[0]: \"memory\" is missing" },
	{ VM ", memry: 1}\n", "host.yaml:2: vms[0].memry: unknown key; did you mean \"memory\"?" },
	{ VM ", mem: 1}\n", "did you mean \"memory\"?" },
	{ VM ", Kernel: x}\n", "did you mean \"kernel\"?" },
	{ VM ", wombat: 1}\n", "vms[0].wombat: unknown key; \"outlive check --schema\" lists all" },
	{ VM ", ? [x] : 1}\n", "unknown key" },
	{ VM ", name: b}\n", "host.yaml:2: vms[0].name: is given twice" },
	{ VM ", initrd: }\n", "vms[0].initrd: has no value; give it the name of a file, or leave it out" },
	/* types */
	{ "vms: 3\n", "host.yaml:1: vms: \"3\" is not a list of mappings" },
	{ "vms: [3]\n", "host.yaml:1: vms[0]: \"3\" is not a mapping" },
	{ "machine: 3\n" VM "}\n", "host.yaml:1: machine: \"3\" is not a mapping" },
	{ "vms:\n  - name: a\n    kernel: kernel\n    memory: 12 bananas\n",
	  "host.yaml:4: vms[0].memory: \"12 bananas\" is not a size (like 512MiB)" },
	{ "vms:\n  - {name: a, kernel: kernel, memory: -1}\n", "\"-1\" is not a size" },
	{ "vms:\n  - {name: a, kernel: kernel, memory: 99999999999999999999}\n", "is not a size" },
	{ "vms:\n  - {name: a, kernel: kernel, memory: 17592186044416M}\n", "is not a size" },
	{ "vms:\n  - {name: a, kernel: kernel, memory: 3MiB}\n",
	  "\"3MiB\" is not a size from 2 MiB to 128 GiB, in steps of 2 MiB" },
	{ "vms:\n  - {name: a, kernel: kernel, memory: 1TiB}\n", "\"1TiB\" is not a size from 2 MiB" },
	{ "vms:\n  - {name: a, kernel: kernel, memory: [64MiB]}\n", "vms[0].memory: a list is not a size" },
	{ "vms:\n  - {name: {}, kernel: kernel, memory: 64MiB}\n", "vms[0].name: a mapping is not a name" },
	{ "vms:\n  - {name: a b, kernel: kernel, memory: 64MiB}\n", "vms[0].name: \"a b\" is not a name" },
	{ "vms:\n  - {name: ../a, kernel: kernel, memory: 64MiB}\n", "vms[0].name: \"../a\" is not a name" },
	{ "vms:\n  - {name: a2345678901234567890123456789012, kernel: kernel, memory: 64MiB}\n",
	  "is not a name" },
	{ VM ", vcpus: 0}\n", "vms[0].vcpus: \"0\" is not a number from 1 to 4096" },
	{ VM ", vcpus: two}\n", "vms[0].vcpus: \"two\" is not a number from 1 to 4096" },
	{ VM ", rng: perhaps}\n", "vms[0].rng: \"perhaps\" is not true or false" },
	{ VM ", console: vga}\n", "vms[0].console: \"vga\" is not one of uart or virtio" },
	{ VM ", on_crash: panic}\n", "vms[0].on_crash: \"panic\" is not one of stop or restart" },
	{ VM ", cmdline: \"a\\nb\"}\n", "vms[0].cmdline: \"a?b\" is not a text" },
	{ VM ", cmdline: \"a\\0b\"}\n", "vms[0].cmdline: \"a\" is not a text" },
	{ VM ", affinity: 0-}\n", "vms[0].affinity: \"0-\" is not a set of numbers" },
	{ VM ", affinity: 64}\n", "is not a set of numbers" },
	{ VM ", affinity: [0, x]}\n", "vms[0].affinity: \"x\" is not a set of numbers" },
	{ "machine: {on_crash: pray}\n" VM "}\n",
	  "host.yaml:1: machine.on_crash: \"pray\" is not one of recover, reset, halt or devirtualise" },
	{ "machine: {watchdog: 1h}\n" VM "}\n",
	  "machine.watchdog: \"1h\" is not a duration (like 100ms or 2s)" },
	{ "machine: {watchdog: 100s}\n" VM "}\n",
	  "machine.watchdog: \"100s\" is not a duration from 0 ms to 60 s" },
	{ "machine: {crash_window: 1500ms}\n" VM "}\n", "machine.crash_window: is not in whole seconds" },
	{ "machine: {blackbox: {size: 2MiB}}\n" VM "}\n", "machine.blackbox: \"file\" is missing" },
	{ "machine: {blackbox: {file: nowhere/box}}\n" VM "}\n",
	  "/nowhere/box is not there and cannot be made: No such file or directory" },
	{ "machine: {blackbox: {file: directory}}\n" VM "}\n", "/directory is a directory; a disk is" },
	{ "machine: {blackbox: {file: new, size: 1025KiB}}\n" VM "}\n",
	  "is not a size from 16 KiB to 128 MiB, in steps of 4 KiB" },
	{ "machine: {blackbox: {file: new, layout: kmsg=5KiB}}\n" VM "}\n",
	  "machine.blackbox: kmsg: 5120 is not a multiple of 4096; the nearest is 4096" },
	{ "machine: {blackbox: {file: new, layout: most}}\n" VM "}\n",
	  "machine.blackbox.layout: \"most\" is neither full, linux-debian nor sizes" },
	{ "machine: {blackbox: {file: disk}}\n" VM "}\n", "machine.blackbox.file: " },
	{ "machine: {blackbox: {file: image2}}\n" VM "}\n",
	  "holds something else than a black box; \"outlive blackbox format --force\"" },
	{ "machine: {blackbox: {file: box, layout: linux-debian}}\n" VM "}\n",
	  "/box: a black box of another layout: give machine.blackbox.layout what" },
	{ "machine:\n  blackbox: {file: box}\n  dumps: {file: box}\n" VM "}\n",
	  "host.yaml:3: machine.dumps.file: " },
	{ "machine: {dumps: {file: image2}}\n" VM "}\n", "/image2: holds something else than dumps" },
	{ "machine: {dumps: {file: new, keep: 17}}\n" VM "}\n", "is not a number from 1 to 16" },
	{ "machine: {dumps: {file: disk}}\n" VM ", disks: [{file: disk}]}\n",
	  "/disk is vms[0].disks[0] too" },
	{ VM ", pmsg: true}\n", "host.yaml:2: vms[0].pmsg: needs machine.blackbox" },
	{ "machine: {blackbox: {file: new, layout: linux-debian}}\n" VM ", pmsg: true}\n",
	  "vms[0].pmsg: needs a machine.blackbox.layout with a pmsg zone" },
	{ "machine: {blackbox: {file: new, size: 4MiB, layout: 'console=1MiB,kmsg=64KiB'}}\n" VM "}\n",
	  "machine.blackbox.layout: its zones need 1108 KiB of the hypervisor's memory, at most 1024" },
	{ "machine: {harts: 65}\n" VM "}\n", "machine.harts: \"65\" is not a number from 1 to 64" },
	/* files */
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: nowhere}\n", "vms[0].kernel: " },
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: nowhere}\n", "/nowhere: No such file or directory" },
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: directory}\n", "/directory is not a regular file" },
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: empty}\n", "/empty is empty" },
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: text}\n", "a flat binary needs \"format: flat\"" },
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: gzip}\n", "is compressed with gzip" },
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: arm}\n",
	  "is an ELF file, but not an executable for 64-bit RISC-V" },
	{ "vms:\n  - {name: a, memory: 64MiB, kernel: ''}\n",
	  "vms[0].kernel: \"\" is not the name of a file" },
	{ VM ", initrd: nowhere}\n", "vms[0].initrd: " },
	{ VM ", disks: [{file: nowhere}]}\n", "vms[0].disks[0].file: " },
	{ VM ", disks: [{file: directory}]}\n",
	  "/directory is a directory; a disk is a raw image or a block device" },
	{ VM ", disks: [{file: /dev/null}]}\n", "/dev/null is neither a file nor a block device" },
	{ VM ", disks: [{file: small}]}\n", "/small is shorter than one sector" },
	{ VM ", disks: [{readonly: true}]}\n", "vms[0].disks[0]: \"file\" is missing" },
	{ VM ", disks: [{file: disk, serial: a2345678901234567890}]}\n", "vms[0].disks[0].serial: " },
	{ VM ", disks: [{file: disk}, {file: disk}]}\n", "vms[0].disks[1].file: " },
	{ VM ", disks: [{file: disk}, {file: disk, readonly: true}]}\n",
	  "is vms[0].disks[0] too, and not read-only in both" },
	{ VM
	  ", disks: [{file: disk}]}\n  - {name: b, memory: 64MiB, kernel: kernel, disks: [{file: directory/../disk}]}\n",
	  "host.yaml:3: vms[1].disks[0].file: " },
	/* relations */
	{ VM "}\n  - {name: a, memory: 64MiB, kernel: kernel}\n",
	  "host.yaml:3: vms[1].name: \"a\" is the name of vms[0] (line 2) too" },
	{ VM ", confidential: true, vcpus: 65}\n",
	  "host.yaml:2: vms[0].vcpus: a confidential VM has at most 64" },
	{ "machine: {confidential: 24MiB}\n" VM "}\n",
	  "host.yaml:1: machine.confidential: is not a power of two" },
	{ "machine: {confidential: 2MiB}\n" VM "}\n",
	  "machine.confidential: \"2MiB\" is not a size from 4 MiB" },
	{ "machine: {confidential: 64MiB}\n" VM ", confidential: true}\n",
	  "host.yaml:1: machine.confidential: 64 MiB is too little: the confidential VMs take 66 MiB, so 128 MiB would do" },
	{ "machine: {memory: 256MiB}\n" VM ", confidential: true}\n",
	  "machine.memory: 256 MiB is too little: at least 400 MiB (6 MiB for guests, 128 MiB for confidential VMs, " },
	{ VM ", root: true, affinity: 0}\n",
	  "host.yaml:2: vms[0].affinity: the root VM's vCPUs are the machine's harts" },
	{ VM ", root: true, confidential: true}\n", "vms[0].confidential: the root VM cannot be" },
	{ VM ", root: true, networks: [{switch: x}]}\n", "vms[0].networks: not supported for the root VM" },
	{ VM ", root: true, console: virtio}\n", "vms[0].console: the root VM's console is the UART" },
	{ "machine: {harts: 2}\n" VM ", root: true, vcpus: 1}\n", "vms[0].vcpus: the root VM has as many" },
	{ VM ", root: true, vcpus: 65}\n", "which are 64 at most" },
	{ VM ", root: true}\n  - {name: b, memory: 64MiB, kernel: kernel, root: true}\n",
	  "host.yaml:3: vms[1].root: a host has one root VM, and vms[0] (line 2) is it" },
	{ VM ", root: true, disks: [{file: disk, readonly: true}, {file: disk, readonly: true}, "
	     "{file: disk, readonly: true}, {file: disk, readonly: true}, {file: disk, readonly: true}, "
	     "{file: disk, readonly: true}, {file: disk, readonly: true}]}\n",
	  "vms[0]: has 8 devices of the machine (disks, rng), at most 7" },
	{ "machine: {harts: 2}\n" VM ", affinity: 0-2}\n",
	  "vms[0].affinity: names a hart that the machine does not have" },
	{ "vms:\n  - {name: a, memory: 4MiB, kernel: big}\n",
	  "vms[0].memory: 4 MiB is too little: kernel and initrd alone take 10 MiB" },
	{ "machine: {memory: 64MiB}\n" VM "}\n",
	  "host.yaml:1: machine.memory: 64 MiB is too little: at least 144 MiB" },
	{ "machine: {memory: 32MiB}\n" VM "}\n", "machine.memory: \"32MiB\" is not a size from 64 MiB" },
	{ "vms:\n  - {name: a, memory: 1GiB, kernel: huge, format: flat}\n", "kernels and initrds take 800" },
	{ VM ", vcpus: 4096}\n", "vms: have 4096 vCPUs together; this machine has room for 144" },
	{ VM ", networks: [{mac: 02:00:00:00:00:01}]}\n", "vms[0].networks[0]: \"switch\" is missing" },
	{ VM ", networks: [{switch: x, mac: 01:00:00:00:00:01}]}\n", "is not a unicast MAC address" },
	{ VM ", networks: [{switch: x, mac: 02:00:00:00:00}]}\n", "is not a unicast MAC address" },
	{ VM ", networks: [{switch: x, mac: '02:00:00:00:00:01'}, {switch: y, mac: '02:00:00:00:00:01'}]}\n",
	  "vms[0].networks[1]: mac is that of line 2 too" },
	{ VM ", networks: [{switch: x, uplink: true}, {switch: y, uplink: true}]}\n",
	  "vms[0].networks[1]: a host has one uplink, and switch \"x\" (line 2) has it" },
	{ VM ", networks: [{switch: x, uplink_socket: s}]}\n", "uplink_socket needs \"uplink: true\"" },
	{ VM ", networks: [{switch: x, forward: [tcp:1:1]}]}\n",
	  "forward works on a network with \"uplink: true\" only" },
	{ VM ", networks: [{switch: x, uplink: true, uplink_socket: s, forward: ['tcp:1:1']}]}\n",
	  "forward and uplink_socket exclude each other" },
	{ VM ", networks: [{switch: x, uplink: true, forward: [tcp:0:22]}]}\n",
	  "vms[0].networks[0].forward[0]: \"tcp:0:22\" is not a forwarding" },
	{ VM ", networks: [{switch: x, uplink: true, forward: ['tcp:2222:1.2.3.400:22']}]}\n",
	  "is not a forwarding" },
	{ VM ", networks: [{switch: x, uplink: true, forward: ['sctp:2222:22']}]}\n", "is not a forwarding" },
	{ VM ", networks: [{switch: x, uplink: true, forward: ['tcp:2222:22:22:22']}]}\n",
	  "is not a forwarding" },
	{ VM
	  ", networks: [{switch: a}, {switch: a}, {switch: a}, {switch: a}, {switch: a}, {switch: a}, {switch: a}, "
	  "{switch: a}]}\n",
	  "vms[0]: has 9 virtio devices (disks, networks, virtio console, pmsg, rng), at most 8" },
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct loaded l;

		load(&l, errors[i].text);
		if (!strstr(l.report, errors[i].error))
			fail_msg("for\n%s\nthere is no\n%s\nin\n%s", errors[i].text, errors[i].error,
				 l.report);
		unload(&l);
	}
}

static void test_all_errors_at_once(void **state)
{
	struct loaded l;

	(void)state;
	load(&l,
	     "vms:\n  - name: a\n    memry: 1\n    kernel: nowhere\n    vcpus: x\n  - {name: a}\nmachin: 1\n");
	assert_int_equal(l.d.count, 8);
	/* In the order of the lines. */
	for (size_t i = 1; i < l.d.count; i++)
		assert_true(l.d.items[i - 1].line <= l.d.items[i].line);
	unload(&l);
}

/* The disks for evidence come behind those of the VMs; their files are made, and never made anew. */
static void test_evidence(void **state)
{
	static const char text[] = "machine:\n"
				   "  blackbox: {file: newbox, size: 256KiB}\n"
				   "  dumps: {file: newdumps, size: 8MiB, keep: 2}\n" VM
				   ", disks: [{file: disk}]}\n";
	struct blackbox_image i;
	struct layout_found found;
	struct blackbox_layout layout;
	u8 scratch[BLACKBOX_SECTOR_MAX];
	char path[128];
	struct loaded l;
	struct stat st;

	(void)state;
	for (int round = 0; round < 2; round++) {
		load(&l, text);
		assert_string_equal(l.report, "");
		assert_int_equal(l.plan.disk_count, 3);
		assert_int_equal(l.plan.evidence.blackbox_disk, 2);
		assert_int_equal(l.plan.evidence.blackbox_console, KIB(64));
		assert_int_equal(l.plan.evidence.dump_disk, 3);
		assert_int_equal(l.plan.evidence.dump_keep, 2);
		snprintf(path, sizeof(path), "%s/newbox", place);
		assert_int_equal(stat(path, &st), round ? 0 : -1);
		assert_int_equal(evidence_prepare(&l.plan), 0);
		unload(&l);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, KIB(256));
	assert_int_equal(blackbox_device_open(&i, path, false), 0);
	assert_int_equal(layout_find(&i.device, scratch, &layout, &found), 0);
	assert_int_equal(layout.kmsg_count, 2);
	close(i.fd);
	snprintf(path, sizeof(path), "%s/newdumps", place);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, MIB(8));
}

static void test_too_many_disks(void **state)
{
	struct loaded l;

	(void)state;
	load(&l,
	     "vms:\n"
	     "  - {name: a, memory: 64MiB, kernel: kernel, disks: [{file: disk, readonly: true},"
	     " {file: disk, readonly: true}, {file: disk, readonly: true}, {file: disk, readonly: true}]}\n"
	     "  - {name: b, memory: 64MiB, kernel: kernel, networks: [{switch: x, uplink: true}],"
	     " disks: [{file: disk, readonly: true}, {file: disk, readonly: true}]}\n");
	assert_non_null(strstr(
		l.report, "need 8 devices of the machine (6 disks, the uplink, an entropy source for rng), "
			  "which has room for 7"));
	unload(&l);
}

static void test_port_in_use(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof(at);
	char text[256], wanted[64];
	struct loaded l;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(text, sizeof(text), VM ", networks: [{switch: x, uplink: true, forward: ['tcp:%u:22']}]}\n",
		 ntohs(at.sin_port));
	snprintf(wanted, sizeof(wanted), "forward[0]: port %u is in use", ntohs(at.sin_port));
	load(&l, text);
	assert_non_null(strstr(l.report, wanted));
	unload(&l);
	close(fd);
	load(&l, text);
	assert_int_equal(l.d.count, 0);
	unload(&l);
}

static void test_not_writable(void **state)
{
	struct loaded l;
	char path[128];

	(void)state;
	/* Root can write to anything. */
	if (geteuid() == 0)
		skip();
	snprintf(path, sizeof(path), "%s/disk", place);
	assert_int_equal(chmod(path, 0400), 0);
	load(&l, VM ", disks: [{file: disk}]}\n");
	assert_non_null(strstr(l.report, "/disk is not writable; use \"readonly: true\""));
	unload(&l);
	load(&l, VM ", disks: [{file: disk, readonly: true}]}\n");
	assert_int_equal(l.d.count, 0);
	unload(&l);
	chmod(path, 0600);
}

/* ---- What is right ---- */

static void test_defaults(void **state)
{
	const struct vm_config *vm;
	struct loaded l;

	(void)state;
	load(&l, VM "}\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.vm_count, 1);
	assert_int_equal(l.plan.harts, 1);
	assert_int_equal(l.plan.disk_count, 0);
	assert_true(l.plan.memory >= MIB(64) + MIB(64));
	assert_int_equal(l.spec.machine.on_crash.value, CRASH_RECOVER);
	assert_int_equal(l.spec.machine.crash_limit.value, 5);
	assert_int_equal(l.spec.machine.crash_window.value, 60000);
	assert_int_equal(l.spec.machine.watchdog.value, 1000);
	vm = &l.plan.vms[0];
	assert_string_equal(vm->name, "a");
	assert_string_equal(vm->cmdline, "");
	assert_int_equal(vm->vcpus, 1);
	assert_int_equal(vm->memory, MIB(64));
	assert_int_equal(vm->initrd_item, VM_NO_ITEM);
	assert_int_equal(vm->autostart, 1);
	assert_int_equal(vm->on_poweroff, VM_ACTION_STOP);
	assert_int_equal(vm->on_reboot, VM_ACTION_RESTART);
	assert_int_equal(vm->on_crash, VM_ACTION_STOP);
	assert_int_equal(vm->affinity, 0);
	assert_int_equal(vm->devices[0].kind, VM_DEV_RNG);
	assert_int_equal(vm->devices[1].kind, VM_DEV_NONE);
	unload(&l);
}

/* The root VM has the machine's harts, and its devices in the last windows. */
static void test_root(void **state)
{
	const struct vm_config *vm;
	struct loaded l;

	(void)state;
	load(&l,
	     "machine: {harts: 3}\n" VM "}\n"
	     "  - {name: r, memory: 192MiB, kernel: kernel, root: true, disks: [{file: disk, serial: x}]}\n");
	assert_string_equal(l.report, "");
	vm = &l.plan.vms[1];
	assert_int_equal(vm->flags, VM_ROOT);
	assert_int_equal(vm->vcpus, 3);
	assert_int_equal(vm->devices[0].kind, VM_DEV_PASS);
	assert_int_equal(vm->devices[0].host_unit, 7);
	assert_int_equal(vm->devices[1].kind, VM_DEV_PASS);
	assert_int_equal(vm->devices[1].host_unit, 6);
	assert_int_equal(vm->devices[2].kind, VM_DEV_NONE);
	assert_int_equal(l.plan.pass_count, 2);
	assert_string_equal(l.plan.passes[0].serial, "x");
	assert_null(l.plan.passes[1].disk);
	assert_int_equal(l.plan.disk_count, 0);
	assert_true(l.plan.has_rng);
	/* The pack lies in the middle of small machines: its RAM must be in one piece beside it. */
	assert_true(l.plan.memory >= MIB(132) + MIB(192) + MIB(16));
	unload(&l);
	/* Its own number is the machine's, if that has none; else theirs is its. */
	load(&l, VM ", root: true, vcpus: 3}\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.harts, 3);
	unload(&l);
	load(&l, VM ", vcpus: 2}\n  - {name: r, memory: 64MiB, kernel: kernel, root: true}\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.vms[1].vcpus, l.plan.harts);
	unload(&l);
}

static void test_everything(void **state)
{
	const struct vm_config *a, *b;
	struct loaded l;

	(void)state;
	load(&l,
	     "name: all\n"
	     "machine: {harts: 3, memory: 512MiB, vector: yes, on_crash: halt, crash_limit: 2, crash_window: 1min,"
	     " watchdog: off}\n"
	     "vms:\n"
	     "  - name: a\n"
	     "    vcpus: 2\n"
	     "    memory: 64M\n"
	     "    kernel: image\n"
	     "    initrd: text\n"
	     "    cmdline: console=ttyS0 quiet\n"
	     "    disks: [{file: disk, readonly: true, serial: root}, {file: disk, readonly: true}]\n"
	     "    networks: [{switch: lan}, {switch: out, mac: '02:00:00:00:00:07'}]\n"
	     "    console: virtio\n"
	     "    rng: false\n"
	     "    affinity: [0, 2]\n"
	     "    autostart: false\n"
	     "    on_poweroff: restart\n"
	     "    on_reboot: stop\n"
	     "    on_crash: restart\n"
	     "  - name: b\n"
	     "    memory: 66MiB\n"
	     "    kernel: text\n"
	     "    format: flat\n"
	     "    networks: [{switch: out, uplink: true, forward: ['udp:5353:10.0.2.16:53']}]\n"
	     "    affinity: 0-1\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.harts, 3);
	assert_int_equal(l.plan.memory, MIB(512));
	assert_int_equal(l.plan.item_count, 2); /* image, text: once, for both */
	assert_int_equal(l.plan.disk_count, 2);
	assert_true(l.plan.has_uplink);
	assert_true(l.plan.has_rng);
	assert_int_equal(l.spec.machine.watchdog.value, 0);
	assert_int_equal(l.spec.machine.crash_window.value, 60000);
	a = &l.plan.vms[0];
	b = &l.plan.vms[1];
	assert_string_equal(a->cmdline, "console=ttyS0 quiet");
	assert_int_equal(a->kernel_item, 0);
	assert_int_equal(a->initrd_item, 1);
	assert_int_equal(b->kernel_item, 1);
	assert_int_equal(a->affinity, 5);
	assert_int_equal(b->affinity, 3);
	assert_int_equal(a->autostart, 0);
	assert_int_equal(a->on_poweroff, VM_ACTION_RESTART);
	assert_int_equal(a->on_reboot, VM_ACTION_STOP);
	assert_int_equal(a->on_crash, VM_ACTION_RESTART);
	assert_int_equal(a->devices[0].kind, VM_DEV_BLK);
	assert_int_equal(a->devices[0].flags, VM_DEV_READONLY);
	assert_int_equal(a->devices[0].host_unit, 0);
	assert_string_equal(a->devices[0].serial, "root");
	assert_int_equal(a->devices[1].host_unit, 1);
	assert_string_equal(a->devices[1].serial, "disk1");
	assert_int_equal(a->devices[2].kind, VM_DEV_NET);
	assert_int_equal(a->devices[2].host_unit, 0);
	assert_int_equal(a->devices[2].flags, 0);
	assert_int_equal(a->devices[2].mac[0], 2);
	assert_int_equal(a->devices[3].host_unit, 1);
	assert_int_equal(a->devices[3].flags, VM_DEV_UPLINK);
	assert_int_equal(a->devices[3].mac[5], 7);
	assert_int_equal(a->devices[4].kind, VM_DEV_CONSOLE);
	assert_int_equal(a->devices[5].kind, VM_DEV_NONE);
	assert_int_equal(b->devices[0].host_unit, 1);
	assert_int_equal(b->devices[0].flags, VM_DEV_UPLINK);
	assert_int_equal(b->devices[1].kind, VM_DEV_RNG);
	unload(&l);
}

/* Its memory lies in the pool, which is aligned to its size and lies clear of pack and device tree. */
static void test_confidential(void **state)
{
	struct loaded l;

	(void)state;
	load(&l, VM ", confidential: true, rng: false}\n  - {name: b, memory: 64MiB, kernel: kernel}\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.vms[0].flags, VM_CONFIDENTIAL);
	assert_int_equal(l.plan.vms[1].flags, 0);
	assert_int_equal(l.plan.pool, MIB(128));
	assert_int_equal(l.plan.memory, MIB(256 + 128 + 16));
	unload(&l);
	/* What fits exactly. */
	load(&l, "vms: [{name: a, memory: 60MiB, kernel: kernel, confidential: true}]\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.pool, MIB(64));
	unload(&l);
	load(&l, "machine: {confidential: 512MiB, memory: 2GiB}\n" VM ", confidential: true}\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.pool, MIB(512));
	unload(&l);
	/* A pool for nobody is a pool. */
	load(&l, "machine: {confidential: 64MiB}\n" VM "}\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.pool, MIB(64));
	unload(&l);
	load(&l, VM "}\n");
	assert_int_equal(l.plan.pool, 0);
	unload(&l);
}

static void test_anchors(void **state)
{
	struct loaded l;

	(void)state;
	load(&l,
	     "vms:\n  - {name: a, memory: &size 64MiB, kernel: kernel}\n  - {name: b, memory: *size, kernel: kernel}\n");
	assert_string_equal(l.report, "");
	assert_int_equal(l.plan.vms[1].memory, MIB(64));
	unload(&l);
	/* A mapping that contains itself does not run away. */
	load(&l, "vms: &x\n  - *x\n");
	assert_true(l.d.count > 0);
	unload(&l);
}

static void test_forward(void **state)
{
	struct port_forward f;

	(void)state;
	assert_true(host_parse_forward("tcp:2222:22", &f));
	assert_false(f.is_udp);
	assert_int_equal(f.port, 2222);
	assert_int_equal(f.guest_port, 22);
	assert_string_equal(f.guest, "");
	assert_true(host_parse_forward("udp:1:10.0.2.16:65535", &f));
	assert_true(f.is_udp);
	assert_string_equal(f.guest, "10.0.2.16");
	assert_false(host_parse_forward("tcp:22", &f));
	assert_false(host_parse_forward("tcp:1:65536", &f));
	assert_false(host_parse_forward("", &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),	    cmocka_unit_test(test_all_errors_at_once),
		cmocka_unit_test(test_evidence),    cmocka_unit_test(test_too_many_disks),
		cmocka_unit_test(test_port_in_use), cmocka_unit_test(test_not_writable),
		cmocka_unit_test(test_defaults),    cmocka_unit_test(test_everything),
		cmocka_unit_test(test_root),	    cmocka_unit_test(test_confidential),
		cmocka_unit_test(test_anchors),	    cmocka_unit_test(test_forward),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
