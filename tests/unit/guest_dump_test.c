/*
 * Dumps of VMs on the fake machine: a guest and its devices write, as far as the tables let them, while the dump is read;
 * what is read must be what was there at the instant.
 */
#include "core/control/frame.h"
#include "core/dump/guest_dump.h"
#include "core/dump/snapshot.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "core/vcpu/sched.h"
#include "tests/lib/fixture.h"
#include <lz4.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MEMORY MIB(24)
#define PAGES  (MEMORY / PAGE_SIZE)
#define SECOND 10000000ull
#define ID     77u

static struct vm *vm;
static size_t before;
static u64 seed;
static bool touched[MEMORY / BLOCK_SIZE]; /* at the instant */
HOST_KEEP static u8 *instant, *seen;	  /* MEMORY bytes each */

static u64 dice(u64 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* Host memory of a page of the guest's. */
static u8 *ram(u64 page)
{
	hpa_t at;
	u64 run;

	assert_int_equal(backing_lookup(vm, GPA(GUEST_RAM_BASE + page * PAGE_SIZE), &at, &run), 0);
	return (u8 *)(uintptr_t)at.a;
}

static gpa_t gpa(u64 page)
{
	return GPA(GUEST_RAM_BASE + page * PAGE_SIZE);
}

static void scribble(u8 *page)
{
	switch (dice(4)) {
	case 0:
		memset(page, 0, PAGE_SIZE);
		break;
	case 1: /* does not compress */
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			page[i] = (u8)dice(256);
		break;
	default:
		memset(page + dice(PAGE_SIZE / 2), (int)dice(256), PAGE_SIZE / 2);
	}
}

static void start(u64 machine, const struct vm_config *config)
{
	struct vm_config c = { .memory = MEMORY };

	if (config)
		c = *config;
	seed = 0x1234567;
	fixture_start_with(machine, 2);
	before = pages_free();
	vm = fixture_vm(&c);
	before = pages_free();
	fixture_run(vm);
	/* Some blocks have never been touched. */
	for (u64 page = 0; page < PAGES; page++) {
		if (page / 512 % 4 == 3)
			continue;
		assert_int_equal(backing_touch(vm, gpa(page)), 0);
		if (dice(3))
			scribble(ram(page));
	}
}

static int set_up(void **state)
{
	(void)state;
	instant = calloc(1, MEMORY);
	seen = calloc(1, MEMORY);
	start(MIB(128), NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(instant);
	free(seen);
	return 0;
}

static int begin(u64 id, u32 flags)
{
	struct ctl_dump_begin b = { .id = id, .flags = flags };
	struct ctl_dump info;
	int error = guest_dump_begin(vm, &b, &info);

	if (!error) {
		assert_int_equal(info.id, id);
		assert_int_equal(info.memory, MEMORY);
		assert_int_equal(info.vcpus, 2);
		assert_true(info.ranges >= 1);
		assert_int_equal(info.range[0].at, GUEST_RAM_BASE);
	}
	return error;
}

static void remember(void)
{
	/* What has never been touched reads as zeros. */
	for (u64 page = 0; page < PAGES; page++) {
		touched[page / 512] = backing_touched(vm, vm->s->touched, gpa(page));
		if (touched[page / 512])
			memcpy(instant + page * PAGE_SIZE, ram(page), PAGE_SIZE);
		else
			memset(instant + page * PAGE_SIZE, 0, PAGE_SIZE);
	}
}

static int end(u64 id)
{
	struct ctl_dump_at at = { .id = id };

	return guest_dump_end(vm, &at);
}

/* Everything removed and nothing lost. */
static void check_memory(void)
{
	while (guest_dump_poll())
		;
	for (u64 page = 0; page < PAGES; page += 512) {
		assert_int_equal(guest_ram_fault(vm, gpa(page), true), 0);
		assert_int_equal(gstage_lookup(&vm->gstage, gpa(page)).level, 1);
		assert_int_equal(gstage_lookup(&vm->gstage, gpa(page)).rights, GSTAGE_ALL);
	}
	assert_int_equal(gstage_zap(&vm->gstage, GPA(0), ~0ull), 0);
	for (unsigned i = 0; i < 1000; i++)
		gstage_quiescent(0);
	assert_int_equal(pages_free(), before);
}

/* ---- Who writes ---- */

/* A store of the guest; false: it has to wait. */
static bool guest_store(u64 page)
{
	for (unsigned tries = 0; tries < 3; tries++) {
		struct gstage_leaf l = gstage_lookup(&vm->gstage, gpa(page));
		int error;

		if (l.rights & GSTAGE_WRITE) {
			assert_int_equal(l.host.a, (uintptr_t)ram(page));
			scribble(ram(page));
			return true;
		}
		error = guest_ram_fault(vm, gpa(page), true);
		if (error == -EAGAIN)
			return false;
		assert_int_equal(error, 0);
	}
	fail_msg("a fault does not give the right to write");
	return false;
}

static void guest_load(u64 page)
{
	if (!gstage_lookup(&vm->gstage, gpa(page)).rights)
		assert_int_equal(guest_ram_fault(vm, gpa(page), false), 0);
	assert_true(gstage_lookup(&vm->gstage, gpa(page)).rights & GSTAGE_READ);
}

static void device_store(u64 page)
{
	u8 bytes[100];

	memset(bytes, (int)dice(256), sizeof(bytes));
	if (!snapshot_full(vm))
		assert_int_equal(
			guest_write(vm, GPA(gpa(page).a + dice(PAGE_SIZE - 100)), bytes, sizeof(bytes)), 0);
}

static void device_dma(u64 page)
{
	u64 bytes = (dice(20) + 1) * 512, run;
	gpa_t at = GPA(gpa(page).a + dice(8) * 512);
	hpa_t to;
	int error;

	if (at.a + bytes > GUEST_RAM_BASE + MEMORY)
		return;
	error = guest_dma(vm, at, bytes, true, &to, &run);
	if (error == -EAGAIN)
		return;
	assert_int_equal(error, 0);
	memset((void *)(uintptr_t)to.a, (int)dice(256), run);
	guest_dma_written(vm, at, run);
}

static void writes(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		u64 page = dice(4) ? dice(PAGES) : dice(PAGES / 512) * 512 + dice(8);

		switch (dice(8)) {
		case 0:
			device_store(page);
			break;
		case 1:
			device_dma(page);
			break;
		case 2:
			guest_load(page);
			break;
		default:
			guest_store(page);
		}
		gstage_quiescent(0);
	}
}

/* ---- Who reads ---- */

static u8 answer[CTL_PAYLOAD_MAX];

#define HEAD sizeof(struct ctl_dump_data)

/* No frame is in the answer; its mask is taken away. */
static struct ctl_dump_data open_answer(u64 at, size_t used)
{
	const u32 magic = CTL_MAGIC;
	struct ctl_dump_data head;

	memcpy(&head, answer, sizeof(head));
	assert_int_equal(head.at, at);
	assert_null(memmem(answer, used, &magic, sizeof(magic)));
	frame_unmask(answer + sizeof(head), used - sizeof(head), head.mask);
	return head;
}

/* Takes an answer apart into `seen`; returns where to go on, or an error. */
static s64 read_from(u64 id, u64 at)
{
	struct ctl_dump_at ask = { .id = id, .at = at };
	struct ctl_dump_data head;
	size_t used, done = sizeof(head);
	int error = guest_dump_read(vm, &ask, answer, sizeof(answer), &used);
	u64 now = at;

	if (error)
		return error;
	head = open_answer(at, used);
	assert_true(head.next > at && head.next % PAGE_SIZE == 0);
	while (done < used) {
		struct ctl_dump_run run;
		u8 *to = seen + (now - GUEST_RAM_BASE);
		u64 bytes;

		memcpy(&run, answer + done, sizeof(run));
		done += sizeof(run);
		bytes = run.pages * PAGE_SIZE;
		assert_true(run.pages && now + bytes <= GUEST_RAM_BASE + MEMORY);
		if (run.kind == CTL_DUMP_RAW)
			memcpy(to, answer + done, bytes);
		else if (run.kind == CTL_DUMP_LZ4)
			assert_int_equal(
				LZ4_decompress_safe((char *)answer + done, (char *)to, run.bytes, (int)bytes),
				bytes);
		else
			memset(to, 0, bytes);
		if (run.kind == CTL_DUMP_UNTOUCHED)
			assert_false(touched[(now - GUEST_RAM_BASE) / BLOCK_SIZE]);
		done += run.bytes;
		now += bytes;
	}
	assert_int_equal(done, used);
	assert_int_equal(now, head.next);
	return (s64)now;
}

static void check_seen(void)
{
	for (u64 page = 0; page < PAGES; page++)
		if (memcmp(seen + page * PAGE_SIZE, instant + page * PAGE_SIZE, PAGE_SIZE) != 0)
			fail_msg("page %lu is not that of the instant", page);
}

static void read_all(u64 id, unsigned writes_between)
{
	memset(seen, 0xee, MEMORY);
	for (u64 at = GUEST_RAM_BASE; at < GUEST_RAM_BASE + MEMORY;) {
		/* An answer may be lost and asked for again. */
		if (dice(10) == 0)
			assert_true(read_from(id, at) > 0);
		writes(writes_between);
		at = (u64)read_from(id, at);
		assert_true(at < 1ull << 62);
	}
}

/* ---- Tests ---- */

static void a_live_dump_is_of_one_instant(void **state)
{
	(void)state;
	writes(500);
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	remember();
	writes(2000);
	read_all(ID, 20);
	check_seen();
	assert_int_equal(end(ID), 0);
	assert_int_equal(end(ID), -ENOENT);
	check_memory();
}

/* Without RAM to spare old pages go to the slot, which has little. */
static void writers_wait_for_the_reader(void **state)
{
	unsigned held = 0;
	u64 at = GUEST_RAM_BASE;

	(void)state;
	start(MIB(24) + MEMORY, NULL);
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	remember();
	for (u64 page = 0; page < PAGES; page++)
		held += page / 512 % 4 != 3 && !guest_store(page);
	assert_true(held > PAGES / 2);
	assert_true(snapshot_full(vm));
	/* A vCPU that waits has no hart, until something has been read. */
	assert_ptr_equal(sched_take(0), &vm->vcpu[0]);
	snapshot_stall(&vm->vcpu[0]);
	assert_false(sched_keep(0, &vm->vcpu[0]));
	sched_put(&vm->vcpu[0], ~0ull);
	assert_ptr_equal(sched_take(0), &vm->vcpu[1]);
	assert_null(sched_take(1));
	memset(seen, 0xee, MEMORY);
	while (at < GUEST_RAM_BASE + MEMORY) {
		at = (u64)read_from(ID, at);
		assert_true(at < 1ull << 62);
		writes(10);
	}
	check_seen();
	assert_false(vm->vcpu[0].stalled);
	assert_ptr_equal(sched_take(1), &vm->vcpu[0]);
	assert_int_equal(end(ID), 0);
	check_memory();
}

static void what_was_read_long_ago_is_forgotten(void **state)
{
	(void)state;
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	assert_true(read_from(ID, GUEST_RAM_BASE) > 0);
	assert_true(read_from(ID, GUEST_RAM_BASE + CTL_DUMP_WINDOW) > 0);
	assert_true(read_from(ID, GUEST_RAM_BASE) > 0);
	assert_true(read_from(ID, GUEST_RAM_BASE + CTL_DUMP_WINDOW + 2 * BLOCK_SIZE) > 0);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE), -ENOENT);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE + 2 * BLOCK_SIZE - PAGE_SIZE), -ENOENT);
	assert_true(read_from(ID, GUEST_RAM_BASE + 2 * BLOCK_SIZE) > 0);
	/* The blocks of before are the guest's again as they were. */
	assert_int_equal(guest_ram_fault(vm, GPA(GUEST_RAM_BASE), true), 0);
	assert_int_equal(gstage_lookup(&vm->gstage, GPA(GUEST_RAM_BASE)).level, 1);
	assert_int_equal(guest_ram_fault(vm, GPA(GUEST_RAM_BASE + 2 * BLOCK_SIZE), true), 0);
	assert_int_equal(gstage_lookup(&vm->gstage, GPA(GUEST_RAM_BASE + 2 * BLOCK_SIZE)).level, 0);
	assert_int_equal(end(ID), 0);
	check_memory();
}

static void a_guest_that_is_paused_stands_still(void **state)
{
	(void)state;
	assert_int_equal(begin(ID, 0), 0);
	remember();
	assert_null(sched_take(0));
	/* An heir finds a VM that runs. */
	assert_int_equal(vm->s->run_state, VM_RUNNING);
	read_all(ID, 0);
	check_seen();
	assert_int_equal(end(ID), 0);
	assert_non_null(sched_take(0));
	assert_non_null(sched_take(1));
	check_memory();
}

static void requests_that_do_not_fit(void **state)
{
	struct ctl_dump_at at = { .id = ID };
	size_t used;

	(void)state;
	assert_int_equal(begin(0, 0), -EINVAL);
	assert_int_equal(begin(ID, 2), -EINVAL);
	assert_int_equal(guest_dump_vcpus(vm, &at, answer, sizeof(answer), &used), -ENOENT);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE), -ENOENT);
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	assert_int_equal(begin(ID + 1, CTL_DUMP_LIVE), -EBUSY);
	assert_int_equal(read_from(ID + 1, GUEST_RAM_BASE), -ENOENT);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE + 1), -EINVAL);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE - PAGE_SIZE), -EINVAL);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE + MEMORY), -EINVAL);
	assert_int_equal(read_from(ID, 0), -EINVAL);
	assert_int_equal(read_from(ID, ~0ull - PAGE_SIZE + 1), -EINVAL);
	assert_int_equal(end(ID + 1), -ENOENT);
	assert_int_equal(end(ID), 0);
	check_memory();
	estate_store(&vm->s->run_state, VM_STOPPED);
	assert_int_equal(begin(ID, 0), -ENXIO);
}

static void a_client_that_goes_is_forgotten(void **state)
{
	(void)state;
	assert_int_equal(begin(ID, 0), 0);
	host->now += (GUEST_DUMP_PATIENCE_S - 1) * SECOND;
	assert_true(read_from(ID, GUEST_RAM_BASE) > 0);
	host->now += (GUEST_DUMP_PATIENCE_S - 1) * SECOND;
	guest_dump_poll();
	assert_null(sched_take(0));
	assert_int_equal(guest_dump_next(), host->now + SECOND);
	host->now += SECOND;
	guest_dump_poll();
	assert_int_equal(read_from(ID, GUEST_RAM_BASE), -ENOENT);
	assert_int_equal(guest_dump_next(), ~0ull);
	assert_ptr_equal(sched_take(0), &vm->vcpu[0]);
	sched_put(&vm->vcpu[0], ~0ull);
	check_memory();
	/* And when the VM is started anew. */
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	writes(100);
	guest_dump_forget(vm);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE), -ENOENT);
	check_memory();
}

static void registers_are_the_guests(void **state)
{
	struct ctl_dump_at at = { .id = ID };
	struct ctl_dump_vcpu vcpu[2];
	struct vcpu_record *r = vm->vcpu[1].r;
	size_t used;

	(void)state;
	for (unsigned n = 0; n < 32; n++) {
		r->x[n] = 100 + n;
		r->f[n] = 200 + n;
	}
	r->pc = 0x1234;
	r->sstatus = 0x100;
	r->vsstatus = 0x22;
	r->vsatp = 0x8000000000012345;
	r->hvip = 1 << 2;
	r->irq = 1;
	r->vstimecmp = ~0ull;
	vm->s->guest_offset = 5000;
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	r->x[5] = 1;
	r->pc = 0;
	assert_int_equal(guest_dump_vcpus(vm, &at, answer, HEAD + sizeof(vcpu) + 7, &used), 0);
	assert_int_equal(used, HEAD + sizeof(vcpu));
	assert_int_equal(open_answer(0, used).next, 2);
	memcpy(vcpu, answer + HEAD, sizeof(vcpu));
	assert_int_equal(vcpu[0].id, 0);
	assert_int_equal(vcpu[1].id, 1);
	assert_int_equal(vcpu[1].x[0], 0);
	assert_int_equal(vcpu[1].x[5], 105);
	assert_int_equal(vcpu[1].x[31], 131);
	assert_int_equal(vcpu[1].f[31], 231);
	assert_int_equal(vcpu[1].pc, 0x1234);
	assert_int_equal(vcpu[1].mode, 1);
	assert_int_equal(vcpu[0].mode, 0);
	assert_int_equal(vcpu[1].sstatus, 0x22);
	assert_int_equal(vcpu[1].satp, 0x8000000000012345);
	assert_int_equal(vcpu[1].sip, 1 << 1 | 1 << 9);
	assert_int_equal(vcpu[1].time, host->now + 5000);
	at.at = 1;
	assert_int_equal(guest_dump_vcpus(vm, &at, answer, sizeof(answer), &used), 0);
	assert_int_equal(used, HEAD + sizeof(vcpu[0]));
	assert_int_equal(open_answer(1, used).next, 2);
	at.at = 2;
	assert_int_equal(guest_dump_vcpus(vm, &at, answer, sizeof(answer), &used), 0);
	assert_int_equal(used, HEAD);
	assert_int_equal(open_answer(2, used).next, 2);
	assert_int_equal(end(ID), 0);
}

/* Registers full of what a frame begins with, at any place in a word. */
static void registers_forge_no_frame(void **state)
{
	struct ctl_dump_at at = { .id = ID };
	struct vcpu_record *r = vm->vcpu[0].r;
	struct ctl_dump_vcpu vcpu;
	size_t used;

	(void)state;
	for (u64 n = 1; n < 32; n++)
		r->x[n] = (u64)CTL_MAGIC << n % 5 * 8;
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	assert_int_equal(guest_dump_vcpus(vm, &at, answer, sizeof(answer), &used), 0);
	assert_true(open_answer(0, used).mask);
	memcpy(&vcpu, answer + HEAD, sizeof(vcpu));
	assert_memory_equal(vcpu.x, r->x, sizeof(vcpu.x));
	assert_int_equal(end(ID), 0);
}

/* Pages full of what a frame begins with. */
static void a_guest_forges_no_frame(void **state)
{
	const u32 magic = CTL_MAGIC;

	(void)state;
	for (u64 i = 0; i < 4 * PAGE_SIZE; i += 4) {
		u32 word = i / 4 % 3 ? magic : (u32)dice(~0u);

		memcpy(ram(i / PAGE_SIZE) + i % PAGE_SIZE, &word, 4);
	}
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	remember();
	read_all(ID, 5);
	check_seen();
	assert_int_equal(end(ID), 0);
}

/* A device that writes more than is kept room for ends the dump, not the VM. */
static void a_device_does_not_wait_for_long(void **state)
{
	(void)state;
	start(MIB(24) + MEMORY, NULL);
	assert_int_equal(begin(ID, CTL_DUMP_LIVE), 0);
	for (u64 page = 0; page < PAGES; page++)
		assert_int_equal(guest_write(vm, gpa(page), "x", 1), 0);
	assert_int_equal(read_from(ID, GUEST_RAM_BASE + BLOCK_SIZE), -ENOENT);
	assert_true(guest_store(1000));
	assert_int_equal(end(ID), 0);
	check_memory();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_live_dump_is_of_one_instant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writers_wait_for_the_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_read_long_ago_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_that_is_paused_stands_still, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_that_do_not_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_goes_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(registers_are_the_guests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(registers_forge_no_frame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_forges_no_frame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_device_does_not_wait_for_long, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
