/* The command line: ours, and the one that QEMU gets. */
#include "cli/commands.h"
#include "cli/host_file.h"
#include "cli/memory.h"
#include "cli/qemu.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_options(void **state)
{
	char *argv[] = { "vm", "--json", "-t", "5", "--until=a=b", "--", "--json" };
	const u64 allowed = 1ull << OPTION_JSON | 1ull << OPTION_TIMEOUT | 1ull << OPTION_UNTIL;
	struct options o = { 0 };

	(void)state;
	assert_true(options_parse(&o, (int)ARRAY_SIZE(argv), argv, allowed));
	assert_true(o.json);
	assert_true(o.has_timeout);
	assert_int_equal(o.timeout, 5);
	assert_string_equal(o.until, "a=b");
	assert_int_equal(o.argument_count, 2);
	assert_string_equal(o.arguments[0], "vm");
	assert_string_equal(o.arguments[1], "--json");
}

static void test_option_errors(void **state)
{
	static char *const lines[][2] = {
		{ "--nothing", NULL }, { "--jso", NULL }, { "--json=yes", NULL }, { "--timeout", NULL },
		{ "--timeout", "x" },  { "-x", NULL },	  { "-jx", NULL },	  { "--host", "here" },
	};
	const u64 allowed = 1ull << OPTION_JSON | 1ull << OPTION_TIMEOUT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char *argv[] = { lines[i][0], lines[i][1] };
		struct options o = { 0 };

		assert_false(options_parse(&o, lines[i][1] ? 2 : 1, argv, allowed));
	}
}

/* Options that two commands share a name for mean what the command says. */
static void test_command_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];

		assert_true(c->options & 1ull << OPTION_HELP);
		assert_true(c->is_hidden || c->options & 1ull << OPTION_JSON);
		assert_true(c->arguments_min <= c->arguments_max &&
			    c->arguments_max <= OPTIONS_ARGUMENTS_MAX);
		assert_non_null(c->run);
		for (int a = 0; a < OPTION_COUNT; a++)
			for (int b = 0; b < a; b++)
				if (c->options >> a & c->options >> b & 1) {
					assert_string_not_equal(option_table[a].name, option_table[b].name);
					if (option_table[a].letter && option_table[b].letter)
						assert_string_not_equal(option_table[a].letter,
									option_table[b].letter);
				}
	}
}

static void test_units(void **state)
{
	char text[24];
	u64 value;
	u8 mac[6];

	(void)state;
	assert_true(units_parse_size("2GiB", &value) && value == GIB(2));
	assert_true(units_parse_size("512 mib", &value) && value == MIB(512));
	assert_true(units_parse_size("4096", &value) && value == 4096);
	assert_false(units_parse_size("", &value));
	assert_false(units_parse_size("1.5G", &value));
	assert_false(units_parse_size("MiB", &value));
	assert_false(units_parse_size(" 1MiB", &value));
	assert_false(units_parse_size("16777216TiB", &value));
	assert_true(units_parse_duration("250ms", &value) && value == 250);
	assert_true(units_parse_duration("2min", &value) && value == 120000);
	assert_true(units_parse_duration("off", &value) && value == 0);
	assert_false(units_parse_duration("5", &value));
	assert_true(units_parse_set("0-2,5", &value) && value == 0x27);
	assert_true(units_parse_set("63", &value) && value == 1ull << 63);
	assert_false(units_parse_set("2-1", &value));
	assert_false(units_parse_set("1,", &value));
	assert_false(units_parse_set("", &value));
	assert_true(units_parse_mac("02:aB:00:00:00:ff", mac) && mac[1] == 0xab && mac[5] == 0xff);
	assert_false(units_parse_mac("02:ab:00:00:00:ff:", mac));
	assert_false(units_parse_mac("2:ab:00:00:00:ff", mac));
	assert_string_equal(units_format_size(text, sizeof(text), MIB(512)), "512 MiB");
	assert_string_equal(units_format_size(text, sizeof(text), MIB(1536)), "1.5 GiB");
	assert_string_equal(units_format_size(text, sizeof(text), 100), "100 B");
	assert_true(units_microseconds(100, 250, 1000000) == 150);
	assert_true(units_microseconds(0, 250, 1000000) == 0);
}

/* All arguments, with a space between them. */
static char *joined(char **arguments)
{
	char *text = memory_copy("");

	for (; *arguments; arguments++) {
		char *longer = memory_format("%s%s%s", text, *text ? " " : "", *arguments);

		free(text);
		text = longer;
	}
	return text;
}

static void test_qemu(void **state)
{
	const char *host = "name: h\n"
			   "machine: {harts: 2, memory: 512MiB, vector: true}\n"
			   "vms:\n"
			   "  - name: a\n"
			   "    memory: 64MiB\n"
			   "    kernel: kernel\n"
			   "    disks: [{file: '/disk,a'}, {file: /b, readonly: true}]\n"
			   "    networks: [{switch: s, uplink: true, forward: ['tcp:2222:22']}]\n"
			   "  - name: r\n"
			   "    root: true\n"
			   "    memory: 64MiB\n"
			   "    kernel: kernel\n"
			   "    disks: [{file: '/c,c', serial: 's,s'}]\n";
	struct qemu_options options = {
		.firmware = "warden.bin", .image = "outlive.bin", .gdb = "a,b", .icount = true
	};
	struct rundir dir = { .path = "/run,dir", .fd = -1, .pid_fd = -1 };
	struct diagnostics d = { .file = "host" };
	struct host_spec spec;
	struct host_plan plan;
	char **arguments, *text;

	(void)state;
	host_file_parse(host, strlen(host), "", &spec, &d);
	host_plan_make(&spec, &plan, &d);
	assert_int_equal(d.count, 0);
	arguments = qemu_arguments(&plan, &options, &dir, 5, 6);
	text = joined(arguments);
	assert_string_equal(
		text,
		"qemu-system-riscv64 -name h -nodefaults -display none -M virt -cpu rv64,h=true,v=true -smp 2 -m 512M "
		"-icount shift=0,align=off,sleep=off -bios warden.bin -kernel outlive.bin -initrd /run,dir/pack "
		"-chardev socket,id=serial,fd=6,logfile=/run,,dir/serial.log,logappend=off -serial chardev:serial "
		"-chardev socket,id=control,fd=5 -global virtio-mmio.force-legacy=false "
		"-device virtio-serial-device,max_ports=1,bus=virtio-mmio-bus.0 -device virtconsole,chardev=control "
		"-drive file=/disk,,a,format=raw,if=none,id=disk0,cache=writeback,file.locking=auto "
		"-device virtio-blk-device,drive=disk0,bus=virtio-mmio-bus.1 "
		"-drive file=/b,format=raw,if=none,id=disk1,cache=writeback,file.locking=auto,readonly=on "
		"-device virtio-blk-device,drive=disk1,bus=virtio-mmio-bus.2 "
		"-netdev user,id=uplink,hostfwd=tcp:127.0.0.1:2222-:22 "
		"-device virtio-net-device,netdev=uplink,bus=virtio-mmio-bus.3 "
		"-device virtio-rng-device,bus=virtio-mmio-bus.4 "
		"-drive file=/c,,c,format=raw,if=none,id=root0,cache=writeback,file.locking=auto "
		"-device virtio-blk-device,drive=root0,serial=s,,s,bus=virtio-mmio-bus.7 "
		"-device virtio-rng-device,bus=virtio-mmio-bus.6 "
		"-chardev socket,id=gdb,path=a,,b,server=on,wait=off -gdb chardev:gdb");
	free(text);
	qemu_free_arguments(arguments);
	host_plan_free(&plan);
	host_spec_free(&spec);
	diagnostics_free(&d);
}

static void test_escapes(void **state)
{
	u8 bytes[16];
	size_t count;
	bool pending = false;

	(void)state;
	memcpy(bytes,
	       "ab\x1d"
	       "c",
	       count = 4);
	assert_true(terminal_filter(TERMINAL_BRACKET, bytes, &count, &pending));
	assert_int_equal(count, 2);
	memcpy(bytes,
	       "a\x01\x01"
	       "b\x01",
	       count = 5);
	assert_false(terminal_filter(TERMINAL_PREFIX, bytes, &count, &pending));
	assert_int_equal(count, 3);
	assert_memory_equal(bytes,
			    "a\x01"
			    "b",
			    3);
	assert_true(pending);
	memcpy(bytes, "x", count = 1);
	assert_true(terminal_filter(TERMINAL_PREFIX, bytes, &count, &pending));
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),	      cmocka_unit_test(test_option_errors),
		cmocka_unit_test(test_command_table), cmocka_unit_test(test_units),
		cmocka_unit_test(test_qemu),	      cmocka_unit_test(test_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
