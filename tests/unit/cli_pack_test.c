/* Boot packs: what the command writes is what the hypervisor's reader reads. */
#include "cli/host_file.h"
#include "cli/host_plan.h"
#include "cli/memory.h"
#include "cli/pack_writer.h"
#include "core/vm/pack.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char place[] = "/tmp/outlive-pack-XXXXXX";
static int directory;

/* Bytes of a file: each its own offset, so that a piece in the wrong place shows. */
static u8 pattern(size_t i, int seed)
{
	return (u8)(i ^ i >> 8 ^ i >> 16 ^ (size_t)seed);
}

static void put_file(const char *name, size_t size, int seed)
{
	u8 *bytes = memory_new(1, size);
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(i, seed);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	free(bytes);
}

static int make_place(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(place));
	directory = open(place, O_RDONLY | O_DIRECTORY);
	put_file("kernel", 300001, 1); /* more than one piece of the copy */
	put_file("initrd", 4096, 2);
	put_file("a name that is longer than the forty-seven bytes that fit", 1, 3);
	return 0;
}

static int remove_place(void **state)
{
	char command[64];

	(void)state;
	close(directory);
	snprintf(command, sizeof(command), "rm -r %s", place);
	return system(command); /* NOLINT(cert-env33-c): our own directory */
}

static void load(const char *text, struct host_spec *spec, struct host_plan *plan)
{
	struct diagnostics d = { .file = "host.yaml" };

	host_file_parse(text, strlen(text), place, spec, &d);
	spec->name.value = memory_copy("host");
	host_plan_make(spec, plan, &d);
	if (d.count)
		diagnostics_print(&d, stderr);
	assert_int_equal(d.count, 0);
	diagnostics_free(&d);
}

static const char *const host_text =
	"machine: {harts: 3, on_crash: reset, crash_limit: 7, crash_window: 30s, watchdog: 250ms}\n"
	"vms:\n"
	"  - {name: a, memory: 64MiB, kernel: kernel, initrd: initrd, cmdline: hello, vcpus: 2}\n"
	"  - {name: b, memory: 32MiB, kernel: kernel, format: flat}\n"
	"  - {name: c, memory: 32MiB, kernel: initrd, initrd: 'a name that is longer than the forty-seven bytes that fit'}\n";

/* The whole file; free() it. */
static u8 *read_back(const char *name, size_t *size)
{
	int fd = openat(directory, name, O_RDONLY);
	struct stat st;
	u8 *bytes;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*size = (size_t)st.st_size;
	bytes = memory_new(1, *size);
	assert_int_equal(read(fd, bytes, *size), *size);
	close(fd);
	return bytes;
}

static void test_round_trip(void **state)
{
	struct host_spec spec;
	struct host_plan plan;
	struct pack pack;
	char why[128];
	const u8 *item;
	size_t size;
	u64 bytes;
	u8 *image;

	(void)state;
	load(host_text, &spec, &plan);
	assert_int_equal(pack_write(&plan, directory, "pack"), 0);
	image = read_back("pack", &size);
	if (pack_open(&pack, image, size, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(pack.header->total_size, size);
	assert_int_equal(plan.pack_size, size);
	assert_int_equal(pack.header->item_count, 3);
	assert_int_equal(pack.header->vm_count, 3);
	assert_int_equal(pack.header->crash_policy, CRASH_RESET);
	assert_int_equal(pack.header->crash_limit, 7);
	assert_int_equal(pack.header->crash_window, 30);
	assert_int_equal(pack.header->watchdog_ms, 250);
	assert_int_equal(pack.header->host_harts, 3);
	assert_int_equal(pack.header->flags, 0);
	assert_string_equal(pack.vms[0].cmdline, "hello");
	assert_int_equal(pack.vms[0].kernel_item, pack.vms[1].kernel_item);
	assert_int_equal(pack.vms[0].initrd_item, pack.vms[2].kernel_item);

	item = pack_item_bytes(&pack, pack.vms[0].kernel_item, &bytes);
	assert_int_equal(bytes, 300001);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(item[i], pattern(i, 1));
	item = pack_item_bytes(&pack, pack.vms[0].initrd_item, &bytes);
	assert_int_equal(bytes, 4096);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(item[i], pattern(i, 2));
	assert_string_equal(pack_item_name(&pack, pack.vms[0].kernel_item), "kernel");
	assert_string_equal(pack_item_name(&pack, pack.vms[2].initrd_item),
			    "a name that is longer than the forty-seven byte");
	free(image);
	host_plan_free(&plan);
	host_spec_free(&spec);
}

static void test_exit_when_idle(void **state)
{
	struct host_spec spec;
	struct host_plan plan;
	struct pack pack;
	char why[128];
	size_t size;
	u8 *image;

	(void)state;
	load(host_text, &spec, &plan);
	spec.exit_when_idle = true;
	assert_int_equal(pack_write(&plan, directory, "pack"), 0);
	image = read_back("pack", &size);
	assert_int_equal(pack_open(&pack, image, size, why, sizeof(why)), 0);
	assert_int_equal(pack.header->flags, PACK_FLAG_EXIT_WHEN_IDLE);
	free(image);
	host_plan_free(&plan);
	host_spec_free(&spec);
}

/* A pack is there whole or not at all. */
static void test_failures(void **state)
{
	struct host_spec spec;
	struct host_plan plan;

	(void)state;
	load(host_text, &spec, &plan);
	unlinkat(directory, "pack", 0);
	put_file("kernel", 1000, 1);
	assert_int_equal(pack_write(&plan, directory, "pack"), -ESTALE);
	assert_int_equal(faccessat(directory, "pack", F_OK, 0), -1);
	unlinkat(directory, "kernel", 0);
	assert_int_equal(pack_write(&plan, directory, "pack"), -ENOENT);
	assert_int_equal(faccessat(directory, "pack", F_OK, 0), -1);
	assert_int_equal(pack_write(&plan, directory, "nowhere/pack"), -ENOENT);
	put_file("kernel", 300001, 1);
	host_plan_free(&plan);
	host_spec_free(&spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_exit_when_idle),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
