/* Measurements that are to be expected: see attest_expect.h. */
#include "cli/attest_expect.h"
#include "cli/attest_machine.h"
#include "cli/exit_code.h"
#include "cli/hex.h"
#include "cli/host_file.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/run.h"
#include "core/vm/load_plan.h"
#include <bearssl_hash.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file of the boot pack. */
struct item {
	const void *bytes; /* NULL: none */
	u64 size;
};

/* ---- The measurement, as warden/private/measure.h has it ---- */

struct measurement {
	br_sha384_context sha;
	/* The page of which a part came last, as far as it has come: each page is given to the warden whole. */
	u64 loading;
	u8 staged[PAGE_SIZE];
};

static void add_number(struct measurement *m, u64 number)
{
	br_sha384_update(&m->sha, &number, sizeof(number));
}

static void begin(struct measurement *m, const struct private_config *config)
{
	br_sha384_init(&m->sha);
	m->loading = ~0ull;
	add_number(m, PRIVATE_VERSION);
	br_sha384_update(&m->sha, config, sizeof(*config));
}

static void add_page(struct measurement *m, u64 to, const u8 *bytes)
{
	add_number(m, to);
	add_number(m, PAGE_SIZE);
	br_sha384_update(&m->sha, bytes, PAGE_SIZE);
}

static void add_part(struct measurement *m, u64 to, const u8 *bytes, u64 count)
{
	u64 page = ALIGN_DOWN(to, PAGE_SIZE);

	if (m->loading != page)
		memset(m->staged, 0, sizeof(m->staged));
	m->loading = page;
	memcpy(m->staged + to % PAGE_SIZE, bytes, (size_t)count);
	add_page(m, page, m->staged);
}

/* As core/private/launch.c, private_load, has it. */
static void add_piece(struct measurement *m, u64 to, const void *bytes, u64 size)
{
	const u8 *from = bytes;

	while (size) {
		u64 part = PAGE_SIZE - to % PAGE_SIZE;

		part = part < size ? part : size;
		if (part == PAGE_SIZE)
			add_page(m, to, from);
		else
			add_part(m, to, from, part);
		to += part;
		from += part;
		size -= part;
	}
}

static void end(struct measurement *m, u64 pc, u64 a1, u8 digest[PRIVATE_DIGEST_SIZE])
{
	add_number(m, ~0ull);
	add_number(m, pc);
	add_number(m, a1);
	br_sha384_out(&m->sha, digest);
}

/* ---- The VM ---- */

static bool open_item(const struct host_plan *plan, u32 index, struct item *item)
{
	const struct plan_item *of;
	void *bytes;
	int fd;

	*item = (struct item){ 0 };
	if (index == VM_NO_ITEM)
		return true;
	of = &plan->items[index];
	fd = open(of->path, O_RDONLY | O_CLOEXEC);
	bytes = fd < 0 ? MAP_FAILED : mmap(NULL, of->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		message_error("%s: %s", of->path, strerror(errno));
	else
		*item = (struct item){ bytes, of->size };
	if (fd >= 0)
		close(fd);
	return item->bytes;
}

static void close_item(const struct item *item)
{
	if (item->bytes)
		munmap((void *)item->bytes, item->size);
}

static void measure(const struct vm_config *config, const struct load_plan *plan, const struct item *kernel,
		    const struct item *initrd, bool vector, struct attest_expect *expect)
{
	struct private_config private;
	struct measurement common;

	attest_machine_config(config, &private);
	begin(&common, &private);
	for (unsigned i = 0; i < plan->parts; i++)
		add_piece(&common, plan->part[i].to, (const u8 *)kernel->bytes + plan->part[i].offset,
			  plan->part[i].file);
	add_piece(&common, plan->initrd, initrd->bytes, initrd->size);
	expect->count = 0;
	for (size_t n = 0; n < ATTEST_MACHINES; n++) {
		struct measurement own = common;
		u64 size;
		void *tree = attest_machine_tree(n, vector, config, plan->initrd, initrd->size, &size);

		if (!tree)
			continue;
		add_piece(&own, plan->dtb, tree, ALIGN_UP(size, PAGE_SIZE));
		end(&own, plan->entry, plan->dtb, expect->digest[expect->count++]);
		free(tree);
	}
}

int attest_expect_plan(const struct host_plan *plan, u32 index, struct attest_expect *expect)
{
	const struct vm_config *config = &plan->vms[index];
	struct item kernel, initrd = { 0 };
	struct load_request q = { 0 };
	struct load_plan load;
	int error = -1;

	if (!open_item(plan, config->kernel_item, &kernel))
		return -1;
	if (open_item(plan, config->initrd_item, &initrd)) {
		attest_machine_request(config, &q);
		q.kernel = kernel.bytes;
		q.kernel_size = kernel.size;
		q.initrd_size = initrd.size;
		error = load_plan_make(&q, &load);
		if (error)
			message_error("%s: %s", config->name, load.text);
		else
			measure(config, &load, &kernel, &initrd, plan->spec->machine.vector.value != 0,
				expect);
	}
	close_item(&kernel);
	close_item(&initrd);
	return error ? -1 : 0;
}

/* ---- What the option says ---- */

/* The VM that is meant, or the plan's count. */
static u32 find_vm(const struct host_plan *plan, const char *name, const char *file)
{
	u32 found = plan->vm_count, count = 0;

	for (u32 i = 0; i < plan->vm_count; i++) {
		if (!(plan->vms[i].flags & VM_CONFIDENTIAL))
			continue;
		if (name && strcmp(plan->vms[i].name, name) != 0)
			continue;
		found = i;
		count++;
	}
	if (count == 1)
		return found;
	if (name)
		message_error("%s: has no confidential VM \"%s\"", file, name);
	else
		message_error("%s: has %u confidential VMs; which is meant?", file, count);
	return plan->vm_count;
}

static int expect_file(const char *file, const char *name, struct attest_expect *expect)
{
	struct host_spec spec = { 0 };
	struct host_plan plan = { 0 };
	int code = run_load(file, HOST_CHECK_PACK, &spec, &plan, false);
	u32 vm;

	if (!code) {
		vm = find_vm(&plan, name, file);
		if (vm == plan.vm_count)
			code = EXIT_CODE_NOT_FOUND;
		else if (attest_expect_plan(&plan, vm, expect) < 0)
			code = EXIT_CODE_INVALID;
	}
	host_plan_free(&plan);
	host_spec_free(&spec);
	return code;
}

int attest_expect_make(const char *what, const char *vm, struct attest_expect *expect)
{
	size_t bytes;

	*expect = (struct attest_expect){ 0 };
	if (hex_parse(what, expect->digest[0], PRIVATE_DIGEST_SIZE, &bytes) && bytes == PRIVATE_DIGEST_SIZE) {
		expect->count = 1;
		return EXIT_CODE_OK;
	}
	return expect_file(what, vm, expect);
}
